import { dayBefore, dayOf, nextDay, type SealedDays } from '../../workflows/domain/audit.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, parseSealKey } from '../../workflows/domain/layout.ts';
import { auditSealSchema, type AuditSeal } from '../../workflows/domain/act-records.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { keysUnder } from '../store/keys-under.ts';
import { findLastNumber } from '../store/record-chain.ts';
import { findSigned, putSigned } from '../store/signed-object.ts';
import { auditChain, type AuditRoom } from './record-act.ts';

/**
 * Seals every day that is over, by the store's clock, and not sealed yet: from the day of the first record on, or, where there is none, yesterday. A day without acts is sealed too, or
 * nobody could tell it from one whose seal is gone. A record that comes late, of a day that is sealed, belongs to the next.
 *
 * Killed before a put: that day is sealed by the next try, or tomorrow. After it: the next try goes on behind it. Two at once: of each day one seal is put, and the other goes on behind it.
 */
export async function sealAudit(room: AuditRoom, system: string): Promise<SealedDays> {
  const { store, keys } = room;
  const options = room.signal ? { signal: room.signal } : {};
  const yesterday = dayBefore(dayOf((await store.now(options)).toISOString()));
  const days: string[] = [];
  let last = await findLastSeal(room, system);
  const numbers = await findLastNumber(store, auditChain(system), options);
  const first = last ? nextDay(last.day) : ((await dayOfFirst(room, system, numbers)) ?? yesterday);
  let to = last?.to ?? 0;
  let head = last?.head ?? null;
  let previous = last?.sha256 ?? null;
  for (let day = first; day <= yesterday; day = nextDay(day)) {
    const from = to + 1;
    for (let number = from; number <= numbers; number += 1) {
      const { found } = await findSigned(store, keys, auditChain(system).schema, layout.auditRecord(system, number), options);
      if (found && dayOf(found.body.at) > day) break;
      // One that is not believed goes with what follows it: `audit verify` names it at its own place.
      if (found) [to, head] = [number, found.ref.sha256];
    }
    const seal: AuditSeal = { format: formatVersion, kind: 'audit-seal', system, day, from, to, head, previous, sealedAt: (await store.now(options)).toISOString() };
    try {
      previous = (await putSigned(store, keys, layout.auditSeal(system, day), seal, { ifAbsent: true, ...options })).sha256;
      days.push(day);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
      // Somebody was faster: theirs counts, and the next goes on behind it.
      last = await findLastSeal(room, system);
      if (!last || last.day < day) throw error;
      ({ day, to, head, sha256: previous } = last);
    }
  }
  return { system, days, upTo: days.at(-1) ?? last?.day ?? null, to };
}

/** The newest seal, whether it is believed or not: its day is not taken twice. One that is not believed tells of nothing, and what it sealed is sealed again by the next. */
async function findLastSeal({ store, keys, signal }: AuditRoom, system: string): Promise<{ day: string; to: number; head: string | null; sha256: string | null } | undefined> {
  const options = signal ? { signal } : {};
  const sealed: string[] = [];
  for await (const key of keysUnder(store, layout.auditSeals(system), signal)) {
    const day = parseSealKey(key);
    if (day !== undefined) sealed.push(day);
  }
  const newest = sealed.sort().at(-1);
  for (const day of sealed.reverse()) {
    const { found } = await findSigned(store, keys, auditSealSchema, layout.auditSeal(system, day), options);
    if (found) return { day: newest!, to: found.body.to, head: found.body.head, sha256: day === newest ? found.ref.sha256 : null };
  }
  return newest === undefined ? undefined : { day: newest, to: 0, head: null, sha256: null };
}

async function dayOfFirst({ store, keys, signal }: AuditRoom, system: string, numbers: number): Promise<string | undefined> {
  for (let number = 1; number <= numbers; number += 1) {
    const { found } = await findSigned(store, keys, auditChain(system).schema, layout.auditRecord(system, number), signal ? { signal } : {});
    if (found) return dayOf(found.body.at);
  }
  return undefined;
}
