import type { ActToRecord } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, parseAuditKey } from '../../workflows/domain/layout.ts';
import { auditRecordSchema, formatVersion, type AuditRecord } from '../../workflows/domain/manifest.ts';
import { findSigned, putSigned, type Found } from '../store/signed-object.ts';
import type { ReadOptions, Store } from '../store/store.ts';
import type { Keys } from '../stream/keys.ts';

export interface AuditRoom {
  store: Store;
  keys: Keys;
  signal?: AbortSignal;
}

/**
 * Adds one record to the end of a system's audit. Records are put only where none is, so of two writers one gets the number and the other
 * looks again: there is one chain, whoever writes it.
 *
 * Killed before the put: nothing is written, and what is asked for has not begun. Killed after it: the next try finds its own record at the end; where
 * another came in between it writes a second one under the same run, of which `readAudit` shows the first.
 */
export async function recordAct({ store, keys, signal }: AuditRoom, act: ActToRecord): Promise<{ number: number }> {
  const options: ReadOptions = signal ? { signal } : {};
  for (;;) {
    const last = await findLastNumber(store, act.system, options);
    const before = await readRecord({ store, keys, ...options }, act.system, last);
    if (before && sameAct(before.body, act)) return { number: before.body.number };
    const record: AuditRecord = { format: formatVersion, kind: 'audit', ...act, number: last + 1, at: new Date().toISOString(), previous: before?.ref.sha256 ?? null };
    try {
      await putSigned(store, keys, layout.auditRecord(act.system, record.number), record, { ifAbsent: true, ...options });
      return { number: record.number };
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    }
  }
}

export const sameAct = (one: Pick<AuditRecord, 'runId' | 'act' | 'outcome'>, other: Pick<AuditRecord, 'runId' | 'act' | 'outcome'>): boolean =>
  one.runId === other.runId && one.act === other.act && one.outcome === other.outcome;

/** The record of a number, as it was first written; undefined: there is none that is believed. */
async function readRecord({ store, keys, ...options }: AuditRoom, system: string, number: number): Promise<Found<AuditRecord> | undefined> {
  if (number === 0) return undefined;
  return (await findSigned(store, keys, auditRecordSchema, layout.auditRecord(system, number), options)).found;
}

/**
 * The highest number that any version has, a hidden one too. Asks for what lies behind a number, in steps that double and are then halved: as many
 * short listings as a thousand thousand records have binary digits, twice.
 */
async function findLastNumber(store: Store, system: string, options: ReadOptions): Promise<number> {
  const someBehind = async (number: number): Promise<boolean> => {
    for await (const { key } of store.list(layout.auditRecords(system), { ...options, ...(number > 0 ? { startAfter: layout.auditRecord(system, number) } : {}) })) {
      if (parseAuditKey(key) !== undefined) return true;
    }
    return false;
  };
  if (!(await someBehind(0))) return 0;
  let low = 1;
  while (await someBehind(low * 2)) low *= 2;
  let high = low * 2;
  // Nothing lies behind `high`.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await someBehind(middle)) low = middle + 1;
    else high = middle;
  }
  return high;
}
