import type { BackupSummary, DumpPlanRef, GroupRef, SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { firstOf } from '../../../workflows/domain/first-of.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { logPositionAt } from '../../../workflows/domain/log-position.ts';
import { manifestSchema, type GroupIndex, type Manifest } from '../../../workflows/domain/manifest.ts';
import { formatVersion, type ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { SourceContext } from '../../context.ts';
import { noteBase } from '../../store/base-list.ts';
import { assertEpoch } from '../../store/epoch.ts';
import { findSigned, putSigned } from '../../store/signed-object.ts';
import { InFlight } from './in-flight.ts';
import type { BasePlan, PlanRange } from './plan.ts';
import { readGroupIndex, readManifest } from './read-base.ts';

export interface SealBackupInput extends SourceRef {
  plan: DumpPlanRef;
  epoch: number;
  groups: GroupRef[];
}

/** What an engine says of the base that is sealed. */
export interface Sealing {
  plan: BasePlan;
  engine: string;
  /** names that a planned range may have been written under */
  rangesOf(range: string): string[];
  /** asked once every group is known to be whole, with the indexes as they were read back */
  describe(indexes: readonly GroupIndex[]): Promise<Pick<Manifest, 'units' | 'start' | 'end' | 'origin' | 'parents' | 'instead'>>;
}

/** Objects are locked longer, looked at, side by side: each is one small request. */
const requestsAtOnce = 16;

/**
 * Checks that what the groups left is the whole plan and lies in the store, then writes the signed manifest.
 *
 * Safe to repeat: the manifest is put only where none is; a second call returns the first one's. Then the base stands on its source's list of them, so that it is missed when it is gone.
 *
 * @throws EpochSuperseded - another control plane has the command: the backup stays invisible.
 * @throws Tampered - an index is not of this plan; ObjectMissing - a part is not in the store; BadInput - a group is missing.
 */
export async function sealBase(context: SourceContext, input: SealBackupInput, sealing: Sealing): Promise<BackupSummary> {
  const { store, keys, signal } = context;
  const { plan } = sealing;
  const adopted = await findManifest(context, plan);
  if (adopted) return await sealed(context, adopted.manifest, adopted.ref);

  const indexes = await readIndexes(context, sealing, input.groups);
  await requireParts(context, plan, indexes);
  const manifest = await manifestOf(sealing, input.groups, indexes);
  // Locks first: a manifest promises that what it names outlives it.
  await extendLocks(context, input.plan.plan, manifest, indexes);
  await assertEpoch(store, plan.system, input.epoch, { signal });
  await refuseExpired(context, plan);
  try {
    return await sealed(context, manifest, await putSigned(store, keys, layout.manifest(plan), manifest, { ifAbsent: true, signal }));
  } catch (error) {
    const theirs = error instanceof HoldfastError && error.type === 'AlreadyExists' ? await findManifest(context, plan) : undefined;
    if (!theirs) throw error;
    return await sealed(context, theirs.manifest, theirs.ref);
  }
}

/** A list that cannot be put, or whose newest one does not come back, costs the list and not the base: the verification behind the backup adds it. */
async function sealed({ store, keys, signal }: SourceContext, manifest: Manifest, ref: ObjectRef): Promise<BackupSummary> {
  await noteBase({ store, keys, signal }, manifest).catch((error: unknown) => {
    if (signal.aborted || !(error instanceof HoldfastError)) throw error;
  });
  return summaryOf(manifest, ref);
}

/** Retention takes what was not written to for a week without a manifest: of a backup that stood still for so long parts may be gone. */
async function refuseExpired({ store, signal }: SourceContext, plan: BasePlan): Promise<void> {
  const note = layout.expiredBase(plan);
  for await (const { key, isDeleteMarker } of store.list(note, { signal })) {
    if (key === note && !isDeleteMarker) throw new HoldfastError('ObjectMissing', `backup ${plan.backup} stood still for so long that retention has begun to take what was written of it (${note})`, { hint: 'take another backup' });
  }
}

async function findManifest(context: SourceContext, plan: BasePlan): Promise<{ manifest: Manifest; ref: ObjectRef } | undefined> {
  const { found } = await findSigned(context.store, context.keys, manifestSchema, layout.manifest(plan), { signal: context.signal });
  return found && { manifest: found.body, ref: found.ref };
}

/** Every group's index, read back at its exact version; together they hold every range of the plan once. */
async function readIndexes(context: SourceContext, { plan, rangesOf }: Sealing, groups: readonly GroupRef[]): Promise<GroupIndex[]> {
  const indexes: GroupIndex[] = [];
  for (const { group, ranges } of plan.groups) {
    const ref = groups.find((candidate) => candidate.group === group);
    if (!ref) throw new HoldfastError('BadInput', `group ${group} of backup ${plan.backup} was not dumped`);
    const index = await readGroupIndex(context, plan.backup, ref);
    const names = ({ unit, range }: PlanRange): string[] => rangesOf(range).map((name) => `${unit}/${name}`);
    const expected = new Set(ranges.flatMap(names));
    const found = index.ranges.map(({ unit, range }) => `${unit}/${range}`);
    const once = new Set(found);
    const stray = found.find((name) => !expected.has(name)) ?? (once.size < found.length ? found.find((name, at) => found.indexOf(name) !== at) : undefined);
    if (stray) throw new HoldfastError('Tampered', `${ref.index.key}: range ${stray} is not in the plan, or twice`);
    for (const range of ranges) {
      if (names(range).some((name) => once.has(name))) continue;
      throw new HoldfastError('Tampered', `${ref.index.key}: range ${range.unit}/${range.range} of the plan is missing`);
    }
    requireSums(index, ref.index.key);
    indexes.push(index);
  }
  return indexes;
}

/** Each range's parts have the documents and bytes that the range says, in order from 0. */
function requireSums(index: GroupIndex, where: string): void {
  const partsOf = Map.groupBy(index.parts, ({ unit, range }) => `${unit}/${range}`);
  for (const range of index.ranges) {
    const parts = partsOf.get(`${range.unit}/${range.range}`) ?? [];
    const documents = parts.reduce((sum, part) => sum + part.documents, 0);
    const bytes = parts.reduce((sum, part) => sum + part.plainBytes, 0);
    if (documents === range.documents && bytes === range.plainBytes && parts.every((part, at) => part.index === at)) continue;
    throw new HoldfastError('Tampered', `${where}: parts of ${range.unit}/${range.range} hold ${documents} documents and ${bytes} bytes, the range says ${range.documents} and ${range.plainBytes}`);
  }
}

/** Every part that an index names is in the store, with the version and size that it names. */
async function requireParts(context: SourceContext, plan: BasePlan, indexes: readonly GroupIndex[]): Promise<void> {
  const wanted = new Map(indexes.flatMap(({ parts }) => parts.map(({ object }) => [`${object.key} ${object.versionId}`, object])));
  const prefix = layout.parts(plan, '', '').replace(/\/+$/, '/');
  const all = wanted.size;
  for await (const version of context.store.list(prefix, { signal: context.signal })) {
    const name = `${version.key} ${version.versionId}`;
    if (wanted.get(name)?.bytes === version.bytes) wanted.delete(name);
    context.progress({ phase: 'check', done: all - wanted.size, of: all, unit: 'objects' });
  }
  const [missing] = wanted.values();
  if (!missing) return;
  throw new HoldfastError('ObjectMissing', `${wanted.size} of ${all} parts of backup ${plan.backup} are not in the store, the first: ${missing.key} (version ${missing.versionId}, ${missing.bytes} bytes)`);
}

async function manifestOf({ plan, engine, describe }: Sealing, groups: readonly GroupRef[], indexes: readonly GroupIndex[]): Promise<Manifest> {
  const { units, start, end, origin, parents, instead } = await describe(indexes);
  const listed = indexes.map((index) => {
    const { index: ref } = groups.find((group) => group.group === index.group)!;
    return {
      group: index.group,
      index: ref,
      parts: index.parts.length,
      plainBytes: index.parts.reduce((sum, part) => sum + part.plainBytes, 0),
      storedBytes: index.parts.reduce((sum, part) => sum + part.object.bytes, 0),
    };
  });
  const total = (field: 'parts' | 'plainBytes' | 'storedBytes'): number => listed.reduce((sum, group) => sum + group[field], 0);
  return {
    format: formatVersion,
    kind: 'base',
    system: plan.system,
    source: plan.source,
    timeline: plan.timeline,
    epoch: plan.epoch,
    backup: plan.backup,
    why: plan.why,
    requestedBy: plan.requestedBy,
    versions: plan.versions,
    engine,
    startedAt: plan.startedAt,
    finishedAt: new Date().toISOString(),
    logFrom: plan.logFrom,
    start,
    end,
    units,
    groups: listed,
    totals: {
      documents: units.reduce((sum, unit) => sum + unit.documents, 0),
      plainBytes: total('plainBytes'),
      storedBytes: total('storedBytes'),
      parts: total('parts'),
    },
    key: plan.key,
    ...(origin ? { origin } : {}),
    ...(parents ? { parents } : {}),
    ...(instead === undefined ? {} : { instead }),
  };
}

/** All that an incremental base is nothing without. */
async function objectsOfParents(context: SourceContext, { system, source, timeline, parents = [] }: Manifest): Promise<ObjectRef[]> {
  const objects: ObjectRef[] = [];
  for (const { backup, manifest: ref } of parents) {
    const parent = await readManifest(context, { system, source, base: { timeline, backup, manifest: ref } });
    objects.push(ref, ...parent.key.objects);
    for (const group of parent.groups) objects.push(group.index, ...(await readGroupIndex(context, backup, group)).parts.map(({ object }) => object));
  }
  return objects;
}

async function extendLocks(context: SourceContext, plan: ObjectRef, manifest: Manifest, indexes: readonly GroupIndex[]): Promise<void> {
  const config = context.system.stores.find(({ name }) => name === context.store.name);
  if (!config?.lock) return;
  const objects = [plan, ...manifest.key.objects, ...manifest.groups.map(({ index }) => index), ...indexes.flatMap(({ parts }) => parts.map(({ object }) => object)), ...(await objectsOfParents(context, manifest))];
  const requests = new InFlight(requestsAtOnce);
  try {
    for (const [done, object] of objects.entries()) {
      context.signal.throwIfAborted();
      await requests.add(async () => await context.store.extendLock(object));
      context.progress({ phase: 'lock', done, of: objects.length, unit: 'objects' });
    }
    await requests.settle();
  } finally {
    await requests.abandon();
  }
}

function summaryOf(manifest: Manifest, ref: ObjectRef): BackupSummary {
  return {
    system: manifest.system,
    source: manifest.source,
    timeline: manifest.timeline,
    backup: manifest.backup,
    manifest: ref,
    logFrom: manifest.logFrom,
    end: manifest.end,
    endAt: logPositionAt(manifest.end),
    units: manifest.units.length,
    ...manifest.totals,
    ...(manifest.origin?.form === 'stream' ? { program: manifest.origin.program } : {}),
    ...(manifest.parents ? { addsTo: manifest.parents.at(-1)!.backup } : {}),
    ...(manifest.instead === undefined ? {} : { instead: manifest.instead }),
    unproved: firstOf(unprovedOf(manifest), unprovedListed, (more) => ({ name: `and ${more} more`, why: 'the manifest says of each unit why it is fuzzy' })),
  };
}

/** A summary enters a workflow's history, which takes 2 MiB at most: thousands of collections may be fuzzy for one reason. */
const unprovedListed = 200;

function unprovedOf({ origin, units }: Manifest): BackupSummary['unproved'] {
  // Of what another program dumped nothing is proved, for one reason.
  if (origin) return [{ name: origin.form === 'stream' ? 'everything' : 'every collection', why: origin.proof.why }];
  return units.filter(({ fuzzy }) => fuzzy !== null).map(({ name, fuzzy }) => ({ name, why: fuzzy! }));
}
