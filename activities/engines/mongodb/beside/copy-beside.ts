import { setTimeout as sleep } from 'node:timers/promises';
import type { Document, MongoClient } from 'mongodb';
import type { TargetRef } from '../../../../workflows/contract.ts';
import { copyName, type CopiedCollection } from '../../../../workflows/domain/beside.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { explicitSpec } from '../build-indexes.ts';
import { requireClaim } from '../claim-target.ts';
import { fromPrimary, withoutValues, withSource, withTarget } from '../connect.ts';
import { scanCollection } from '../equality/scan-collection.ts';
import { HashSum } from '../../base/hash-sum.ts';
import { readCatalogue, type ListedCollection } from '../list-collections.ts';
import { splitNamespace } from '../namespaces.ts';
import { sendable } from '../ordered-documents.ts';
import { whatIsThere } from './check-beside.ts';
import { insertRaw } from './insert-raw.ts';

export interface CopyInput {
  target: TargetRef;
  point: RecoveryPoint;
}

/**
 * Copies what was restored and proved on the run's own server into the living source, each collection under a name that carries the run, with options,
 * collation, validator and indexes; then reads it back, and compares count and Σ SHA-256 of the documents.
 *
 * Nothing expires by age in a copy: documents of an earlier moment would be gone within a minute. A swap turns that on again.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | before a copy is made | nothing | makes it |
 * | in its middle | a copy that is not equal | drops it, and copies again: the name carries the run, and was nobody's when the run began |
 * | after it | a copy that is equal | adopts it |
 *
 * @throws ValidationFailed - the copy does not hold what was restored. ReplayFailed - the living source refused a document. Unsupported - an encrypted collection.
 */
export async function copyBeside(context: SourceContext, { target, point }: CopyInput): Promise<{ copies: CopiedCollection[] }> {
  const names = point.only?.copies ?? [];
  return await withTarget(context, target, async (restored) => {
    await requireClaim(restored, target, point);
    const catalogue = new Map((await readCatalogue(restored)).map((collection) => [collection.ns, collection]));
    const found = names.map((ns) => requireRestored(catalogue.get(ns), ns));
    const progress = await meterOf(context, restored, names);
    return await withSource(context, async (living) => {
      const there = await whatIsThere(living, names.map((ns) => copyName(ns, target.run)));
      const copies: CopiedCollection[] = [];
      for (const collection of found) {
        const as = copyName(collection.ns, target.run);
        copies.push(await copyOne(context, { restored, living, collection, as, isThere: there.has(as), progress }));
      }
      return { copies };
    }, fromPrimary);
  });
}

function requireRestored(collection: ListedCollection | undefined, ns: string): ListedCollection {
  if (!collection) throw new HoldfastError('ValidationFailed', `${ns} was not restored`, { hint: 'retry the step that restores' });
  if (collection.options['encryptedFields']) throw new HoldfastError('Unsupported', `${ns} is encrypted by its clients (encryptedFields), and is three collections that know each other by name: it is not copied`, { hint: 'leave it out; take it from the run’s own server, by a partial restore without "mode"' });
  return collection;
}

type Advance = (bytes: number) => void;

async function meterOf(context: SourceContext, client: MongoClient, names: readonly string[]): Promise<Advance> {
  let of = 0;
  for (const ns of names) of += Number(((await client.db(splitNamespace(ns).database).command({ dataSize: ns, estimate: true })) as { size: unknown }).size);
  // Read to be copied, and read back.
  of *= 2;
  let done = 0;
  return (bytes) => context.progress({ phase: 'copy beside', done: (done += bytes), of, unit: 'bytes' });
}

interface Copying {
  restored: MongoClient;
  living: MongoClient;
  collection: ListedCollection;
  as: string;
  isThere: boolean;
  progress: Advance;
}

async function copyOne(context: SourceContext, copying: Copying): Promise<CopiedCollection> {
  const { restored, living, collection, as, isThere, progress } = copying;
  const { ns, idIndex } = collection;
  const { database, collection: name } = splitNamespace(as);
  const { options, expiries } = withoutExpiry(collection);
  const look = (batch: readonly Buffer[]): void => {
    context.signal.throwIfAborted();
    progress(sizeOf(batch));
  };
  if (isThere) {
    const held = await tallyOf(scanCollection(restored, ns), look);
    if (isSame(held, await tallyOf(scanCollection(living, as), look)) && (await makeIndexes(living, collection, as))) return { ns, as, ...held, expiries };
    await living.db(database).dropCollection(name, { writeConcern: { w: 'majority' } });
  }
  const sent = Object.fromEntries(Object.entries({ ...options, ...(idIndex ? { idIndex } : {}) }).map(([option, value]) => [option, sendable(value)]));
  await living.db(database).command({ create: name, ...sent, writeConcern: { w: 'majority' } });
  // While it is empty: a build over documents would ask for more of a server that serves.
  if (!(await makeIndexes(living, collection, as))) throw new HoldfastError('TargetNotEmpty', `${as} has other indexes than it was made with`, { hint: 'see who else writes there, then retry' });
  const rest = restOf(context);
  const held = await tallyOf(scanCollection(restored, ns), async (batch) => {
    await insertRaw(living, as, batch);
    look(batch);
    await rest(sizeOf(batch));
  });
  const copied = await tallyOf(scanCollection(living, as), look);
  if (isSame(held, copied)) return { ns, as, ...held, expiries };
  throw new HoldfastError('ValidationFailed', `${as} is not what was restored: ${copied.documents} documents of ${held.documents}, Σ SHA-256 not equal`, { hint: 'see who else writes there, then retry' });
}

type Tally = Pick<CopiedCollection, 'documents' | 'bytes' | 'hashSum'>;

const isSame = (one: Tally, other: Tally): boolean => one.documents === other.documents && one.hashSum === other.hashSum;

async function tallyOf(batches: AsyncIterable<Buffer[]>, onBatch: (batch: readonly Buffer[]) => void | Promise<void>): Promise<Tally> {
  const sum = new HashSum();
  let [documents, bytes] = [0, 0];
  for await (const batch of batches) {
    await onBatch(batch);
    for (const document of batch) sum.add(document);
    documents += batch.length;
    bytes += sizeOf(batch);
  }
  return { documents, bytes, hashSum: sum.hex() };
}

const sizeOf = (batch: readonly Buffer[]): number => batch.reduce((size, document) => size + document.length, 0);

/** Keeps to the bytes a second that the system file lets a source bear. */
function restOf({ source, signal }: SourceContext): (bytes: number) => Promise<void> {
  const { bytesPerSecond } = source.limits;
  let freeAtMs = 0;
  return async (bytes) => {
    if (bytesPerSecond === undefined) return;
    freeAtMs = Math.max(performance.now(), freeAtMs) + (bytes / bytesPerSecond) * 1000;
    await sleep(Math.max(0, freeAtMs - performance.now()), undefined, { signal });
  };
}

function withoutExpiry({ options: { expireAfterSeconds, ...options }, indexes }: ListedCollection): { options: Document; expiries: CopiedCollection['expiries'] } {
  const ofIndexes = indexes.flatMap((index) => (index['expireAfterSeconds'] === undefined ? [] : [{ index: String(index['name']), afterSeconds: Number(index['expireAfterSeconds']) }]));
  return { options, expiries: [...(expireAfterSeconds === undefined ? [] : [{ index: null, afterSeconds: Number(expireAfterSeconds) }]), ...ofIndexes] };
}

/** IndexOptionsConflict, IndexKeySpecsConflict: a copy that had its name for a while expires by age again. */
const conflictCodes = new Set([85, 86]);

/** @returns false: an index of the name is there, and another one. */
async function makeIndexes(client: MongoClient, { indexes, options }: ListedCollection, as: string): Promise<boolean> {
  if (indexes.length === 0) return true;
  const { database, collection } = splitNamespace(as);
  const specs = indexes.map(({ expireAfterSeconds: _age, ...spec }) => explicitSpec(spec, 'collation' in options));
  try {
    await client.db(database).command({ createIndexes: collection, indexes: sendable(specs), writeConcern: { w: 'majority' } });
    return true;
  } catch (error) {
    if (conflictCodes.has(Number((error as { code?: unknown }).code))) return false;
    (error as Error).message = withoutValues((error as Error).message);
    throw error;
  }
}

/**
 * Undo of `copyBeside`: drops the run's copies. One that is not any more what was copied holds what somebody wrote into it since, and is left. Safe to repeat.
 * @param copied - as `copyBeside` said; what is not in it was not finished, and is dropped.
 */
export async function dropCopies(context: SourceContext, { target, names, copied }: { target: TargetRef; names: readonly string[]; copied: readonly CopiedCollection[] }): Promise<{ summary: string }> {
  return await withSource(context, async (living) => {
    const there = await whatIsThere(living, names.map((ns) => copyName(ns, target.run)));
    const left: string[] = [];
    for (const [done, as] of [...there.keys()].entries()) {
      const look = (): void => {
        context.signal.throwIfAborted();
        context.progress({ phase: 'drop copies', done, of: there.size, unit: 'objects' });
      };
      look();
      const of = copied.find((one) => one.as === as);
      if (of && !isSame(of, await tallyOf(scanCollection(living, as), look))) {
        left.push(as);
        continue;
      }
      const { database, collection } = splitNamespace(as);
      await living.db(database).dropCollection(collection, { writeConcern: { w: 'majority' } });
    }
    const dropped = `${there.size - left.length} copies of run ${target.run} were dropped`;
    return { summary: left.length > 0 ? `${dropped}; left, as somebody has written into them: ${left.join(', ')}` : dropped };
  }, fromPrimary);
}
