import { readFileSync } from 'node:fs';
import type { IncidentRecord } from '../../workflows/domain/incident-record.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { JournalOf } from '../../workflows/domain/journal.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion, type ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { Evidence } from '../../workflows/domain/act-records.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { auditChain, recordAct, type AuditRoom } from '../audit/record-act.ts';
import { sha256Hex } from '../store/checks.ts';
import { findLastNumber } from '../store/record-chain.ts';
import { findSigned, putSigned } from '../store/signed-object.ts';
import type { ObjectVersion } from '../store/store.ts';
import { evidenceAct, isFile, nameOf, readBundles } from './bundles.ts';

/** What a bundle tells of its run beside its files. */
export type EvidenceOf = Pick<Evidence, 'system' | 'in' | 'id' | 'workflowId' | 'outcome' | 'finishedAt' | 'points' | 'proofs' | 'decisions'>;

/**
 * Signs all that was written of a run, and writes its digest into the audit.
 *
 * Killed before the put: files without a bundle, which the next try puts again and names. After it: a bundle that the audit does not name; the next try puts another, and the audit names
 * that. Twice: another bundle that tells the same.
 *
 * @param written - what was put just now; whatever else lies below the run goes by its oldest version, which nobody could write over.
 */
export async function sealEvidence(room: AuditRoom, of: EvidenceOf, written: readonly ObjectRef[]): Promise<ObjectRef> {
  const { store, keys } = room;
  const options = room.signal ? { signal: room.signal } : {};
  const files = [...written, ...(await otherFiles(room, of, new Set(written.map(({ key }) => key))))].sort((a, b) => (a.key < b.key ? -1 : 1));
  const audit = await readHead(room, of.system);
  for (let ms = (await store.now(options)).getTime(); ; ms += 1) {
    const body: Evidence = { format: formatVersion, kind: 'evidence', ...of, at: new Date(ms).toISOString(), files, tools: toolVersions(), audit };
    try {
      const bundle = await putSigned(store, keys, layout.evidenceBundle(of.system, of, body.at), body, { ifAbsent: true, ...options });
      await recordAct(room, { system: of.system, by: null, act: evidenceAct, outcome: 'done', about: nameOf(bundle), workflow: of.in === 'runs' ? 'runRecovery' : 'runIncident', workflowId: of.workflowId, runId: of.id });
      return bundle;
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    }
  }
}

export const evidenceOfRun = (report: RunReport): EvidenceOf => ({
  system: report.system,
  in: 'runs',
  id: report.runId,
  workflowId: report.workflowId,
  outcome: report.outcome,
  finishedAt: report.finishedAt,
  points: report.points.map(({ source, timeline, base, log, limit }) => ({ source, timeline, backup: base.backup, manifest: base.manifest, from: log.from, limit })),
  proofs: report.validation.map(({ id, ok, effect, collectionCount }) => ({ id, ok, effect, collections: collectionCount })),
  decisions: report.state.gates.flatMap(({ gate, decisions }) => decisions.map(({ by, decision, at, proof, reason }) => ({ gate, by, decision, at, proof, reason }))),
});

export const evidenceOfIncident = ({ state }: IncidentRecord): EvidenceOf => ({
  system: state.system, in: 'incidents', id: state.id, workflowId: `incident/${state.system}`, outcome: state.status, finishedAt: state.journal.at(-1)?.at ?? state.startedAt, points: [], proofs: [], decisions: [],
});

/** Of a report that comes when the run is over: what the newest bundle tells of the run, so that the newest still tells of all of it. */
export async function evidenceAfterwards(room: AuditRoom, system: string, id: string, finishedAt: string): Promise<EvidenceOf> {
  const newest = (await readBundles(room, system, { in: 'runs', id })).at(-1)?.body;
  const { workflowId = `recover/${system}`, outcome = 'not known', points = [], proofs = [], decisions = [] } = newest ?? {};
  return { system, in: 'runs', id, workflowId, outcome, finishedAt: newest?.finishedAt ?? finishedAt, points, proofs, decisions };
}

async function otherFiles(room: AuditRoom, of: { system: string } & JournalOf, known: ReadonlySet<string>): Promise<ObjectRef[]> {
  const { store, signal } = room;
  const options = signal ? { signal } : {};
  const before = (await readBundles(room, of.system, of)).at(-1)?.body.files.filter(({ key }) => !known.has(key)) ?? [];
  known = new Set([...known, ...before.map(({ key }) => key)]);
  const oldest = new Map<string, ObjectVersion>();
  for await (const version of store.list(layout.recordOf(of.system, of), options)) {
    if (!version.isDeleteMarker && isFile(of, version.key) && !known.has(version.key) && !oldest.has(version.key)) oldest.set(version.key, version);
  }
  const files: ObjectRef[] = [...before];
  for (const { key, versionId } of oldest.values()) {
    const bytes = await store.getVersion({ key, versionId }, options);
    files.push({ key, versionId, bytes: bytes.length, sha256: sha256Hex(bytes) });
  }
  return files;
}

async function readHead({ store, keys, signal }: AuditRoom, system: string): Promise<Evidence['audit']> {
  const options = signal ? { signal } : {};
  const chain = auditChain(system);
  const number = await findLastNumber(store, chain, options);
  if (number === 0) return null;
  const { found } = await findSigned(store, keys, chain.schema, chain.key(number), options);
  return found ? { number, sha256: found.ref.sha256 } : null;
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
const toolVersions = (): Record<string, string> => ({ holdfast: version, node: process.versions.node, openssl: process.versions.openssl, zstd: process.versions['zstd'] ?? 'unknown' });
