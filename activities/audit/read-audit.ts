import { layout, parseRecordKey } from '../../workflows/domain/layout.ts';
import { dayOf, type AuditRead } from '../../workflows/domain/audit.ts';
import { auditRecordSchema, type AuditRecord } from '../../workflows/domain/act-records.ts';
import { findSigned } from '../store/signed-object.ts';
import { countVersions } from './count-versions.ts';
import { readSeals, type SealedRecord } from './read-seals.ts';
import { sameAct, type AuditRoom } from './record-act.ts';

/**
 * Reads a system's whole audit, and holds each record against the one before it, and all of them against the seals. What is not believed is passed over and named.
 *
 * What it cannot see: records at the end, of no day that is sealed yet, that are gone with all their versions. The lock is what keeps those.
 */
export async function readAudit({ store, keys, ...options }: AuditRoom, system: string): Promise<AuditRead> {
  const read: AuditRead = { entries: [], records: 0, sealed: { days: 0, upTo: null, unsealed: 0 }, problems: [] };
  const acts: AuditRecord[] = [];
  const records = new Map<number, SealedRecord>();
  let highest = 0;
  let isSealing = false;
  let last = { number: 0, sha256: null as string | null, at: '' };
  for (const [number, { versions, hidden }] of await countVersions(store, layout.auditRecords(system), parseRecordKey, options)) {
    highest = number;
    const key = layout.auditRecord(system, number);
    const { found, rejected } = await findSigned(store, keys, auditRecordSchema, key, options);
    const problem = (what: string): void => void read.problems.push({ number, day: found ? dayOf(found.body.at) : null, key, problem: what });
    for (const { why } of rejected) problem(why);
    if (hidden > 0) problem('a delete marker was laid over it');
    if (versions > 1) problem(`written over: there are ${versions} versions, the oldest is believed`);
    if (!found) continue;
    const { at, by, act, outcome, from, about, workflow, workflowId, runId } = found.body;
    read.records += 1;
    if (number !== last.number + 1) problem(missing(last.number + 1, number - 1));
    else if (found.body.previous !== last.sha256) problem(`does not follow the record before it: that has SHA-256 ${last.sha256 ?? '(none)'}, and this names ${found.body.previous ?? '(none)'}`);
    else if (at < last.at) problem(`says that it was written at ${at}, before the record before it (${last.at})`);
    const { sha256 } = found.ref;
    last = { number, sha256, at };
    records.set(number, { sha256, at });
    isSealing ||= act === 'seal-audit' && outcome === 'permitted';
    if (acts.some((one) => sameAct(one, found.body))) continue;
    acts.push(found.body);
    if (acts.length > lookedBack) acts.shift();
    read.entries.push({ number, at, by, act, outcome, from, about, workflow, workflowId, runId });
  }
  const { sealed, problems } = await readSeals({ store, keys, ...options }, system, { records, highest, isSealing });
  return { ...read, sealed, problems: [...read.problems, ...problems] };
}

/** A try that is repeated comes soon after the first. */
const lookedBack = 100;

const missing = (from: number, to: number): string => (from === to ? `record ${from} before it is missing or not believed` : `records ${from} to ${to} before it are missing or not believed`);
