import { basename } from 'node:path';
import type { ImportPlanRef, SourceRef } from '../../../../workflows/contract.ts';
import { importTimeline, type BackupScope } from '../../../../workflows/domain/layout.ts';
import { logPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { ImportOrigin } from '../../../../workflows/domain/manifest.ts';
import type { ObjectRef } from '../../../../workflows/domain/stored-object.ts';
import type { SourceContext } from '../../../context.ts';
import { allowedDump } from '../../../exchange/allowed-path.ts';
import { assertEpoch } from '../../../store/epoch.ts';
import { createBackupKey } from '../../../stream/backup-key.ts';
import { findPlan, planHead, planRef, putPlan } from '../../base/plan.ts';
import { encodeDetail, planSchema, sealBounds, type Plan, type PlanUnit } from '../plan.ts';
import { dumpedCollections, newUuid, type DumpedCollection, type DumpedCollections } from './dumped-collections.ts';
import { openDump, type Dump } from './open-dump.ts';
import { scanDump, type ScannedDump } from './scan-dump.ts';

export interface PlanImportInput extends SourceRef {
  backup: string;
  epoch: number;
  /** on this machine */
  path: string;
  why: string;
  requestedBy: string;
}

/** The one group of an import: the documents of a dump come in one stream. */
const importGroupName = 'dump';
export const importRange = 'all';
/** A workflow's history holds what it is told: of names that were left out, only so many. */
const leftOutTold = 100;

/**
 * Reads a dump once from end to end and writes down what importing it will write. Nothing is in the store before the
 * whole dump was found good.
 *
 * Safe to repeat: the plan is put only where none is, and a second call returns the first one's.
 *
 * @throws BadInput - not in an allowed directory, no dump, or a damaged one; names file, place and what was expected.
 */
export async function planImport(context: SourceContext, input: PlanImportInput): Promise<ImportPlanRef> {
  const scope: BackupScope = { system: input.system, source: input.source, timeline: importTimeline(input.backup), backup: input.backup };
  const adopted = await findPlan(context, planSchema, scope);
  if (adopted) return importRef(adopted);

  const dump = await openDump(await allowedDump(context, input.path));
  const scanned = await scanDump(context, dump);
  await assertEpoch(context.store, input.system, input.epoch, { signal: context.signal });
  return importRef(await putPlan(context, planSchema, await makePlan(context, scope, input, dump, scanned)));
}

function importRef(stored: { plan: Plan; ref: ObjectRef }): ImportPlanRef {
  const { origin } = stored.plan.imported!;
  return { ...planRef(stored), origin: { ...origin, leftOut: origin.leftOut.slice(0, leftOutTold), leftOutCount: origin.leftOut.length } };
}

async function makePlan(context: SourceContext, scope: BackupScope, input: PlanImportInput, dump: Dump, scanned: ScannedDump): Promise<Plan> {
  const { log, prelude } = scanned;
  const dumped = dumpedCollections(prelude.entries, context.source, dump.path);
  const { key, manifestKey } = await createBackupKey(context.store, context.keys, scope);
  // Without a log it is of no position: the second in which it was written stands for it.
  const writtenAt = logPosition(Math.floor(dump.writtenAtMs / 1000), 0);
  const start: LogPosition = log?.from ?? writtenAt;
  const units = dumped.collections.map((collection) => planUnit(collection, dumped, scanned));
  const estimatedBytes = units.reduce((sum, unit) => sum + unit.estimatedBytes, 0);
  return {
    ...planHead(scope, input),
    startedAt: new Date().toISOString(),
    versions: {
      ...(prelude.serverVersion ? { mongodb: prelude.serverVersion } : {}),
      ...(scanned.featureVersion ? { featureCompatibility: scanned.featureVersion } : {}),
      node: process.versions.node,
    },
    logFrom: start,
    readAt: start,
    changing: [],
    key: manifestKey,
    units,
    groups: [{ group: importGroupName, estimatedBytes, ranges: units.map((unit) => ({ unit: unit.id, range: importRange, estimatedBytes: unit.estimatedBytes })) }],
    bounds: await sealBounds(key, scope, new Map()),
    imported: { path: dump.path, identity: dump.identity, end: log?.to ?? writtenAt, origin: originOf(dump, scanned, dumped) },
  };
}

function planUnit({ uuid, ns, detail }: DumpedCollection, { homes, views }: DumpedCollections, { sizes, uuids, log }: ScannedDump): PlanUnit {
  const from = [...homes].filter(([, home]) => home === ns).map(([name]) => sizes.get(name)?.plainBytes ?? 0);
  const synthetic = views.get(ns)?.reduce((sum, { length }) => sum + length, 0) ?? 0;
  return {
    id: uuid ?? uuids.get(ns) ?? newUuid(),
    name: ns,
    kind: 'collection',
    capped: detail.options['capped'] === true,
    fuzzy: fuzzyWhy(log),
    estimatedBytes: from.reduce((sum, bytes) => sum + bytes, synthetic),
    detail: encodeDetail(detail),
  };
}

const fuzzyWhy = (log: ImportOrigin['log']): string =>
  log ? 'mongodump read it over a while: it is whole only at the end of the log in the dump' : 'mongodump read it over a while, and the dump holds no log';

function originOf(dump: Dump, { log, prelude, sizes }: ScannedDump, { leftOut }: DumpedCollections): ImportOrigin {
  const sum = (field: 'documents' | 'plainBytes'): number => [...sizes.values()].reduce((total, size) => total + size[field], 0);
  return {
    program: 'mongodump',
    form: dump.form,
    gzip: dump.gzip,
    name: basename(dump.path),
    toolVersion: prelude.toolVersion,
    documents: sum('documents'),
    plainBytes: sum('plainBytes'),
    log,
    proof: { kind: 'none', why: `${fuzzyWhy(log)}; nobody compared it with its source` },
    leftOut,
  };
}
