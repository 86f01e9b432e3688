import { UUID, type Document, type MongoClient } from 'mongodb';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Manifest, Unit } from '../../../workflows/domain/manifest.ts';
import type { ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { claimTarget, markPrepared, noteSelection } from './claim-target.ts';
import { adminOf, withTarget } from './connect.ts';
import { controlCollections, controlDatabase } from './control.ts';
import { readCatalogue } from './list-collections.ts';
import { splitNamespace } from './namespaces.ts';
import { sendable } from './ordered-documents.ts';
import { decodeDetail } from './plan.ts';
import { readGroupIndex, readManifest, requireEngine } from '../base/read-base.ts';
import { chosenUnits, findSelection } from './selection/find-selection.ts';
import type { Selection } from './selection/selection.ts';

export interface PreparedRestore {
  groups: { group: string; index: ObjectRef; plainBytes: number; pieces: number }[];
  plainBytes: number;
}

/**
 * Checks the base (signature, key, indexes), claims the target for the run, and makes every collection with the
 * source's own UUID and options, empty and without secondary indexes.
 *
 * UUIDs are kept because the log names collections by them: on a target with others, inserts fail and a replayed
 * `create` moves the restored data aside.
 *
 * A partial restore makes, and gets groups of, the chosen collections only: what is chosen is found again in base and log, and noted in
 * the target for the steps after this one. With nothing of it in the base, there is no group: the log brings it.
 *
 * Safe to repeat: goes on where it was stopped, and does nothing once it was finished.
 *
 * @throws TargetNotEmpty - something there that this run did not make. @throws Tampered, WrongKey, ObjectMissing, NewerFormat.
 */
export async function prepareRestore(context: SourceContext, input: { target: TargetRef; point: RecoveryPoint }): Promise<PreparedRestore> {
  const { target, point } = input;
  const manifest = await readManifest(context, point);
  requireEngine(manifest, 'mongodb');
  const selection = await findSelection(context, point, manifest);
  const units = chosenUnits(manifest, selection);
  // Before anything is made: with the wrong key nothing could be restored.
  await openBackupKey(context.store, context.keys, manifest, manifest.key);
  const groups = await checkIndexes(context, manifest, selection);
  if (groups.length > 1) context.groupsFollow?.();

  await withTarget(context, target, async (client) => {
    await requireSameServer(client, manifest);
    const { prepared } = await claimTarget(client, target, manifest, point.only);
    if (prepared) return;
    if (selection) await noteSelection(client, selection, groups.map(({ group }) => group));
    await createCollections(context, client, units);
    await seedIndexCatalogue(client, units);
    await markPrepared(client, manifest);
  });
  return { groups, plainBytes: groups.reduce((sum, { plainBytes }) => sum + plainBytes, 0) };
}

/**
 * Each index is what its manifest says, and together they hold what the units say.
 * @returns the groups that hold something to restore, and how much: for a part of the collections not all do.
 */
async function checkIndexes(context: SourceContext, manifest: Manifest, selection: Selection | null): Promise<PreparedRestore['groups']> {
  const documents = new Map<string, number>();
  const groups: PreparedRestore['groups'] = [];
  for (const [done, group] of manifest.groups.entries()) {
    const index = await readGroupIndex(context, manifest.backup, group);
    for (const part of index.parts) documents.set(part.unit, (documents.get(part.unit) ?? 0) + part.documents);
    const wanted = index.parts.filter(({ unit }) => !selection || selection.uuids.has(unit));
    if (!selection || wanted.length > 0) groups.push({ group: group.group, index: group.index, plainBytes: wanted.reduce((sum, { plainBytes }) => sum + plainBytes, 0), pieces: wanted.length });
    context.progress({ phase: 'check base', done, of: manifest.groups.length, unit: 'objects' });
  }
  for (const unit of manifest.units) {
    const found = documents.get(unit.id) ?? 0;
    if (found === unit.documents) continue;
    throw new HoldfastError('Tampered', `${unit.name}: the manifest of backup ${manifest.backup} says ${unit.documents} documents, its parts hold ${found}`);
  }
  return groups;
}

/** Bytes on disk mean what the server that reads them takes them for: the major is the source's own. */
async function requireSameServer(client: MongoClient, manifest: Manifest): Promise<void> {
  const admin = adminOf(client);
  const { version } = await admin.command({ buildInfo: 1 }) as { version: string };
  const major = (text: string): string => text.split('.')[0]!;
  const wanted = manifest.versions['mongodb'] ?? version;
  if (major(version) !== major(wanted) && process.env['HOLDFAST_FORCE_SERVER'] !== '1') {
    throw new HoldfastError('Unsupported', `the target runs MongoDB ${version}, backup ${manifest.backup} was made of ${wanted}`, {
      hint: `provision ${major(wanted)}.x, or set HOLDFAST_FORCE_SERVER=1 to go on`,
    });
  }
  const feature = manifest.versions['featureCompatibility'];
  const { featureCompatibilityVersion: now } = await admin.command({ getParameter: 1, featureCompatibilityVersion: 1 }) as { featureCompatibilityVersion: Document };
  if (feature && now['version'] !== feature) await admin.command({ setFeatureCompatibilityVersion: feature });
}

/** Collections that one command makes. */
const madeTogether = 100;

async function createCollections(context: SourceContext, client: MongoClient, units: readonly Unit[]): Promise<void> {
  const existing = new Map((await readCatalogue(client)).map(({ ns, uuid }) => [ns, uuid]));
  const missing = units.filter((unit) => existing.get(unit.name) !== unit.id);
  for (const { name } of missing) {
    const uuid = existing.get(name);
    if (uuid) throw new HoldfastError('TargetNotEmpty', `${name} is already on the target, as another collection (${uuid})`);
  }
  for (let at = 0; at < missing.length; at += madeTogether) {
    context.signal.throwIfAborted();
    context.progress({ phase: 'create collections', done: units.length - missing.length + at, of: units.length, unit: 'objects' });
    await applyAll(client, missing.slice(at, at + madeTogether).map(creationOf));
  }
}

/** Makes one empty collection with the source's UUID and options. Also used to begin a capped one again. */
export async function createCollection(client: MongoClient, unit: Unit): Promise<void> {
  await applyAll(client, [creationOf(unit)]);
}

function creationOf(unit: Unit): Document {
  const { database, collection } = splitNamespace(unit.name);
  const { options, idIndex } = decodeDetail(unit.detail);
  return { op: 'c', ns: `${database}.$cmd`, ui: new UUID(unit.id), o: sendable({ create: collection, ...options, ...(idIndex ? { idIndex } : {}) }) };
}

/** The server stops at the first that it refuses, and the command fails with its reason. */
async function applyAll(client: MongoClient, applyOps: Document[]): Promise<void> {
  const { results } = await adminOf(client).command({ applyOps }) as { results: boolean[] };
  if (results.length !== applyOps.length || results.includes(false)) throw new HoldfastError('TargetUnavailable', `the target made ${results.filter(Boolean).length} of ${applyOps.length} collections`);
}

/**
 * What the indexes were at the base: replay folds the log's index commands into it, and `buildIndexes` builds what it
 * says at the end. One that is there already is left: it may have been folded into.
 */
async function seedIndexCatalogue(client: MongoClient, units: readonly Unit[]): Promise<void> {
  const documents = units.map((unit) => ({ _id: unit.id as never, ns: unit.name, indexes: sendable(decodeDetail(unit.detail).indexes) as Document[] }));
  const catalogue = client.db(controlDatabase).collection(controlCollections.indexes);
  const known = new Set((await catalogue.find({}, { projection: { _id: 1 } }).toArray()).map(({ _id }) => String(_id)));
  const missing = documents.filter(({ _id }) => !known.has(_id));
  if (missing.length > 0) await catalogue.insertMany(missing);
}
