import { hostname } from 'node:os';
import type { ActToRecord } from '../../workflows/contract.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { auditRecordSchema, type AuditRecord } from '../../workflows/domain/act-records.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { appendRecord, type Chain, type ChainRoom } from '../store/record-chain.ts';

export type AuditRoom = ChainRoom;

export const auditChain = (system: string): Chain<AuditRecord> => ({ schema: auditRecordSchema, prefix: layout.auditRecords(system), key: (number) => layout.auditRecord(system, number) });

/**
 * Adds one record to the end of a system's audit, with the store's time; where that has gone back, with that of the record before.
 *
 * Killed before the put: nothing is written, and what is asked for has not begun. Killed after it: the next try finds its own record at the end; where
 * another came in between it writes a second one under the same run, of which `readAudit` shows the first.
 */
export async function recordAct(room: AuditRoom, act: ActToRecord): Promise<{ number: number }> {
  const make = async (place: { number: number; previous: string | null }, last: AuditRecord | undefined): Promise<AuditRecord> => {
    const now = (await room.store.now(room.signal ? { signal: room.signal } : {})).toISOString();
    return { format: formatVersion, kind: 'audit', ...act, ...place, worker: hostname(), at: last && last.at > now ? last.at : now };
  };
  return { number: (await appendRecord(room, auditChain(act.system), (last) => sameAct(last, act), make)).number };
}

type Told = Pick<AuditRecord, 'runId' | 'act' | 'outcome' | 'about'>;

export const sameAct = (one: Told, other: Told): boolean => one.runId === other.runId && one.act === other.act && one.outcome === other.outcome && one.about === other.about;
