import { layout, parseRecordKey } from '../../workflows/domain/layout.ts';
import type { AuditRead } from '../../workflows/domain/audit.ts';
import { auditRecordSchema, type AuditRecord } from '../../workflows/domain/manifest.ts';
import { findSigned } from '../store/signed-object.ts';
import { sameAct, type AuditRoom } from './record-act.ts';

/**
 * Reads a system's whole audit, and holds each record against the one before it. What is not believed is passed over and named.
 *
 * What it cannot see: records at the end that are gone with all their versions. Only a lock, or a copy elsewhere, is proof against that.
 */
export async function readAudit({ store, keys, ...options }: AuditRoom, system: string): Promise<AuditRead> {
  const read: AuditRead = { entries: [], records: 0, problems: [] };
  const acts: AuditRecord[] = [];
  let last = { number: 0, sha256: null as string | null };
  for (const [number, { versions, hidden }] of await listNumbers(store, system, options)) {
    const key = layout.auditRecord(system, number);
    const problem = (what: string): void => void read.problems.push({ number, key, problem: what });
    const { found, rejected } = await findSigned(store, keys, auditRecordSchema, key, options);
    for (const { why } of rejected) problem(why);
    if (hidden > 0) problem('a delete marker was laid over it');
    if (versions > 1) problem(`written over: there are ${versions} versions, the oldest is believed`);
    if (!found) continue;
    read.records += 1;
    if (number !== last.number + 1) problem(missing(last.number + 1, number - 1));
    else if (found.body.previous !== last.sha256) problem(`does not follow the record before it: that has SHA-256 ${last.sha256 ?? '(none)'}, and this names ${found.body.previous ?? '(none)'}`);
    last = { number, sha256: found.ref.sha256 };
    if (acts.some((act) => sameAct(act, found.body))) continue;
    acts.push(found.body);
    if (acts.length > lookedBack) acts.shift();
    const { at, by, act, outcome, about, workflow, workflowId, runId } = found.body;
    read.entries.push({ number, at, by, act, outcome, about, workflow, workflowId, runId });
  }
  return read;
}

/** A try that is repeated comes soon after the first. */
const lookedBack = 100;

const missing = (from: number, to: number): string => (from === to ? `record ${from} before it is missing or not believed` : `records ${from} to ${to} before it are missing or not believed`);

async function listNumbers(store: AuditRoom['store'], system: string, options: { signal?: AbortSignal }): Promise<Map<number, { versions: number; hidden: number }>> {
  const numbers = new Map<number, { versions: number; hidden: number }>();
  for await (const { key, isDeleteMarker } of store.list(layout.auditRecords(system), options)) {
    const number = parseRecordKey(key);
    if (number === undefined) continue;
    const seen = numbers.get(number) ?? { versions: 0, hidden: 0 };
    if (isDeleteMarker) seen.hidden += 1;
    else seen.versions += 1;
    numbers.set(number, seen);
  }
  return numbers;
}
