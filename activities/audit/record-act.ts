import type { ActToRecord } from '../../workflows/contract.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { auditRecordSchema, formatVersion, type AuditRecord } from '../../workflows/domain/manifest.ts';
import { appendRecord, type ChainRoom } from '../store/record-chain.ts';

export type AuditRoom = ChainRoom;

/**
 * Adds one record to the end of a system's audit.
 *
 * Killed before the put: nothing is written, and what is asked for has not begun. Killed after it: the next try finds its own record at the end; where
 * another came in between it writes a second one under the same run, of which `readAudit` shows the first.
 */
export async function recordAct(room: AuditRoom, act: ActToRecord): Promise<{ number: number }> {
  const { system } = act;
  const chain = { schema: auditRecordSchema, prefix: layout.auditRecords(system), key: (number: number) => layout.auditRecord(system, number) };
  const make = (place: { number: number; previous: string | null }): AuditRecord => ({ format: formatVersion, kind: 'audit', ...act, ...place, at: new Date().toISOString() });
  return { number: (await appendRecord(room, chain, (last) => sameAct(last, act), make)).number };
}

export const sameAct = (one: Pick<AuditRecord, 'runId' | 'act' | 'outcome'>, other: Pick<AuditRecord, 'runId' | 'act' | 'outcome'>): boolean =>
  one.runId === other.runId && one.act === other.act && one.outcome === other.outcome;
