import { dayBefore, dayOf, nextDay, type AuditProblem, type AuditSealed } from '../../workflows/domain/audit.ts';
import { layout, parseSealKey } from '../../workflows/domain/layout.ts';
import { auditSealSchema, type AuditSeal } from '../../workflows/domain/act-records.ts';
import { findSigned, type Found } from '../store/signed-object.ts';
import { countVersions } from './count-versions.ts';
import type { AuditRoom } from './record-act.ts';

/** A record that is believed, as the seals are held against it. */
export interface SealedRecord {
  at: string;
  sha256: string;
}

/** A day that has been over for so many days is sealed, where any is: less would call a schedule late that comes by once a day. */
const sealedWithinDays = 2;

/**
 * Reads the seals of an audit and holds them against each other and against its records: what a record itself cannot tell, that it was the last one and is gone, that it came where
 * there was none, or that it says another time than when it was written, a seal does.
 *
 * @param records - all that are believed, by number.
 * @param highest - the highest number that any version has.
 * @param isSealing - somebody was let seal it: then days without a seal are missed although there is none at all.
 */
export async function readSeals(room: AuditRoom, system: string, { records, highest, isSealing }: { records: ReadonlyMap<number, SealedRecord>; highest: number; isSealing: boolean }): Promise<{ sealed: AuditSealed; problems: AuditProblem[] }> {
  const { store, keys } = room;
  const options = room.signal ? { signal: room.signal } : {};
  const problems: AuditProblem[] = [];
  const days = await sealedDays(room, system);
  let believed = 0;
  let last: { day: string; found: Found<AuditSeal> | undefined } | undefined;
  let to = 0;
  for (const [day, { versions, hidden }] of days) {
    const key = layout.auditSeal(system, day);
    const problem = (what: string): void => void problems.push({ number: null, day, key, problem: what });
    const { found, rejected } = await findSigned(store, keys, auditSealSchema, key, options);
    for (const { why } of rejected) problem(why);
    if (hidden > 0) problem('a delete marker was laid over it');
    if (versions > 1) problem(`written over: there are ${versions} versions, the oldest is believed`);
    if (last && nextDay(last.day) !== day) problem(gone(nextDay(last.day), dayBefore(day)));
    if (!found && rejected.length === 0) problem('is missing: only its delete marker is there');
    if (found) {
      believed += 1;
      const expected = last?.found?.ref.sha256 ?? null;
      const followsOn = !last || nextDay(last.day) === day;
      if (!last && found.body.previous !== null) problem('names a seal before it, and there is none: those before it are gone');
      else if (last?.found && followsOn && found.body.previous !== expected) problem(`does not follow the seal before it: that has SHA-256 ${expected}, and this names ${found.body.previous ?? '(none)'}`);
      else if (last?.found && followsOn && found.body.from !== to + 1) problem(`begins with record ${found.body.from}, and the seal before it ended with ${to}`);
      problems.push(...holdAgainst(system, found.body, records, highest));
      to = found.body.to;
    }
    last = { day, found };
  }
  if (last || isSealing) problems.push(...(await missedSince(room, system, last?.day, records)));
  return { sealed: { days: believed, upTo: last?.day ?? null, unsealed: [...records.keys()].filter((number) => number > to).length }, problems };
}

/** What a seal says of its records, and they do not. A hole among them is told by the record behind it; behind the last one nothing is left to tell but this. */
function holdAgainst(system: string, { day, from, to, head }: AuditSeal, records: ReadonlyMap<number, SealedRecord>, highest: number): AuditProblem[] {
  const problems: AuditProblem[] = [];
  const of = (number: number, problem: string): void => void problems.push({ number, day, key: layout.auditRecord(system, number), problem });
  for (let number = Math.max(from, highest + 1); number <= to; number += 1) of(number, `is gone from the end: the seal of ${day} names it`);
  const end = records.get(to);
  if (to >= from && end && end.sha256 !== head) of(to, `is not what the seal of ${day} names: that has SHA-256 ${head ?? '(none)'}, and this ${end.sha256}`);
  for (let number = from; number <= to; number += 1) {
    const at = records.get(number)?.at;
    if (at !== undefined && dayOf(at) > day) of(number, `says that it was written at ${at}, and the seal of ${day} was before that`);
  }
  return problems;
}

async function missedSince({ store, signal }: AuditRoom, system: string, last: string | undefined, records: ReadonlyMap<number, SealedRecord>): Promise<AuditProblem[]> {
  const first = last === undefined ? dayOf([...records.values()].map(({ at }) => at).sort()[0] ?? '9999-12-31') : nextDay(last);
  let due = dayOf((await store.now(signal ? { signal } : {})).toISOString());
  for (let back = 0; back < sealedWithinDays; back += 1) due = dayBefore(due);
  if (first > due) return [];
  return [{ number: null, day: first, key: layout.auditSeal(system, first), problem: first === due ? 'is missing' : `is missing, and so are those up to ${due}` }];
}

const gone = (from: string, to: string): string => (from === to ? `the seal of ${from} before it is missing` : `the seals of ${from} to ${to} before it are missing`);

async function sealedDays({ store, signal }: AuditRoom, system: string): Promise<[string, { versions: number; hidden: number }][]> {
  return [...(await countVersions(store, layout.auditSeals(system), parseSealKey, signal ? { signal } : {}))].sort(([a], [b]) => (a < b ? -1 : 1));
}
