import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { EvidenceProblem, EvidenceRead } from '../../workflows/domain/evidence.ts';
import type { JournalOf } from '../../workflows/domain/journal.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { auditRecordSchema, type AuditRecord, type Evidence } from '../../workflows/domain/act-records.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { keysUnder } from '../store/keys-under.ts';
import { findSigned, type Found } from '../store/signed-object.ts';
import type { AuditRoom } from '../audit/record-act.ts';
import { evidenceAct, isFile, nameOf, readBundles } from './bundles.ts';

/** The audit as evidence is held against it: each record that is believed, by number. */
export type AuditRecords = ReadonlyMap<number, Found<AuditRecord>>;

export async function readAuditRecords({ store, keys, signal }: AuditRoom, system: string): Promise<AuditRecords> {
  const records = new Map<number, Found<AuditRecord>>();
  for await (const key of keysUnder(store, layout.auditRecords(system), signal)) {
    const { found } = await findSigned(store, keys, auditRecordSchema, key, signal ? { signal } : {});
    if (found) records.set(found.body.number, found);
  }
  return records;
}

/** Every run and incident that has left anything in the store, or whose evidence the audit names. */
export async function listEvidence({ store, signal }: AuditRoom, system: string, audit: AuditRecords): Promise<JournalOf[]> {
  const seen = new Map<string, JournalOf>();
  const add = (folder: string | undefined, id: string | undefined): void => {
    if ((folder === 'runs' || folder === 'incidents') && id) seen.set(`${folder}/${id}`, { in: folder, id });
  };
  for (const folder of ['runs', 'incidents'] as const) {
    for await (const key of keysUnder(store, layout.recordOf(system, { in: folder, id: '' }).replace(/\/+$/, '/'), signal)) add(folder, key.split('/')[2]);
  }
  for (const { body } of audit.values()) if (body.act === evidenceAct) add(...(body.about.split('/').slice(1, 3) as [string, string]));
  return [...seen.values()];
}

/**
 * Holds the evidence of one run against its signature, its files and the audit. What is wrong is named by the object that it is wrong with; nothing is changed.
 *
 * A file that no bundle names and that came later than the newest of them was put there by somebody else; one that came earlier a killed try has left.
 */
export async function readEvidence(room: AuditRoom, system: string, of: JournalOf, audit: AuditRecords): Promise<EvidenceRead> {
  const problems: EvidenceProblem[] = [];
  const bundles = await readBundles(room, system, of, problems);
  const newest = bundles.at(-1);
  const said = [...audit.values()].filter(({ body }) => body.act === evidenceAct && body.about.startsWith(`${layout.evidenceBundles(system, of)}`));
  for (const { body } of said) {
    if (!bundles.some(({ ref }) => nameOf(ref) === body.about)) problems.push({ object: body.about.split(' ')[0]!, problem: `record ${body.number} of the audit names it, and no such bundle is believed` });
  }
  if (!newest) {
    if (problems.length === 0 && (await hasReport(room, system, of))) problems.push({ object: layout.evidenceBundles(system, of), problem: 'there is no bundle: nobody signed what lies beside it' });
    return { of, at: null, outcome: null, bundle: null, files: 0, problems };
  }
  if (!said.some(({ body }) => body.about === nameOf(newest.ref))) problems.push({ object: newest.ref.key, problem: 'no record of the audit names it' });
  for (const { body, ref } of bundles) problems.push(...holdAgainstAudit(body, ref, audit));
  problems.push(...(await readFiles(room, newest.body)), ...lackOf(newest.body), ...(await slippedIn(room, system, of, bundles)));
  return { of, at: newest.body.at, outcome: newest.body.outcome, bundle: newest.ref, files: newest.body.files.length, problems };
}

function holdAgainstAudit({ audit: head }: Evidence, { key }: ObjectRef, audit: AuditRecords): EvidenceProblem[] {
  if (head === null) return [];
  const record = audit.get(head.number);
  if (!record) return [{ object: key, problem: `was written when the audit had record ${head.number}, and that is missing or not believed` }];
  return record.ref.sha256 === head.sha256 ? [] : [{ object: key, problem: `names record ${head.number} of the audit with SHA-256 ${head.sha256}, and that has ${record.ref.sha256}` }];
}

async function readFiles({ store, signal }: AuditRoom, { files }: Evidence): Promise<EvidenceProblem[]> {
  const problems: EvidenceProblem[] = [];
  for (const file of files) {
    try {
      await store.get(file, signal ? { signal } : {});
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.retryable) throw error;
      problems.push({ object: file.key, problem: error.message });
    }
  }
  return problems;
}

/** What every run leaves, and pages of a journal without a hole. */
export function lackOf({ system, files, ...of }: Evidence): EvidenceProblem[] {
  const folder = layout.recordOf(system, of);
  const has = (name: string): boolean => files.some(({ key }) => key === `${folder}${name}`);
  const wanted = of.in === 'runs' ? (has('report.json') || !files.some(({ key }) => key.startsWith(`${folder}diverged-`)) ? ['report.json', 'report.md', 'report.html'] : []) : ['incident.json', 'incident.md'];
  const pages = files.filter(({ key }) => key.startsWith(layout.journal(system, of))).length;
  const journal = Array.from({ length: pages }, (_, index) => layout.journalPage(system, of, index + 1).slice(folder.length));
  return [...wanted, ...journal].filter((name) => !has(name)).map((name) => ({ object: `${folder}${name}`, problem: 'the bundle lacks it' }));
}

async function slippedIn({ store, signal }: AuditRoom, system: string, of: JournalOf, bundles: Found<Evidence>[]): Promise<EvidenceProblem[]> {
  const named = new Set(bundles.flatMap(({ body }) => body.files.map(({ key, versionId }) => `${key} ${versionId}`)));
  const last = bundles.at(-1)!.body.at;
  const problems: EvidenceProblem[] = [];
  for await (const { key, versionId, isDeleteMarker, modifiedAt } of store.list(layout.recordOf(system, of), signal ? { signal } : {})) {
    // The lines that came when the report was written are of no bundle, and are not taken for more than that.
    if (!isFile({ system, ...of }, key) || key.startsWith(layout.journal(system, of))) continue;
    if (isDeleteMarker) problems.push({ object: key, problem: 'a delete marker was laid over it' });
    else if (!named.has(`${key} ${versionId}`) && modifiedAt > last) problems.push({ object: key, problem: `version ${versionId} of ${modifiedAt} is of no bundle: somebody else put it there` });
  }
  return problems;
}

/** A run that goes on has pages of its journal at most. */
async function hasReport({ store, signal }: AuditRoom, system: string, of: JournalOf): Promise<boolean> {
  for await (const key of keysUnder(store, layout.recordOf(system, of), signal)) if (!key.startsWith(layout.journal(system, of))) return true;
  return false;
}
