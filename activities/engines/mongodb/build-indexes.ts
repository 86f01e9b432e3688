import { BSON, type Document, type MongoClient } from 'mongodb';
import type { TargetRef } from '../../../workflows/contract.ts';
import { mib } from '../../../workflows/domain/units.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { inParallel } from '../../store/in-parallel.ts';
import { requireClaim } from './claim-target.ts';
import { withTarget, withoutValues } from './connect.ts';
import { controlCollections, controlDatabase } from './control.ts';
import { IndexBuilds } from './index-builds.ts';
import { readCatalogue } from './list-collections.ts';
import { readOrdered, sendable } from './ordered-documents.ts';

export interface BuiltIndexes {
  indexes: number;
  failed: { ns: string; index: string; why: string }[];
}

/** Collections whose indexes are built side by side: each build sorts in memory of its own (200 MB by default). */
const buildsAtOnce = 2;
/** What sorts less than this is built as many at once as are asked about: a system of thousands of collections waits for each. */
const smallBytes = mib(16);
const questionsAtOnce = 8;

interface Wanted {
  uuid: string;
  database: string;
  collection: string;
  /** names of what the catalogue lacks, or has with another specification */
  stale: string[];
  missing: Document[];
  bytes: number;
}

/**
 * Makes the target's indexes those of its index catalogue, all of one collection in one scan.
 *
 * Safe to repeat: builds only what is missing, and drops only what the catalogue lacks or has otherwise: a log that was
 * drained after an earlier build may have dropped or changed an index. An index that cannot be built is named in the result
 * and does not keep the others from being built.
 *
 * Progress is told in bytes of data, counted once for each index that is built over them.
 */
export async function buildIndexes(context: SourceContext, input: { target: TargetRef; point: RecoveryPoint }): Promise<BuiltIndexes> {
  const { target, point } = input;
  return await withTarget(context, target, async (client) => {
    await requireClaim(client, target, point);
    const wanted = await listWanted(client);
    const failed: BuiltIndexes['failed'] = [];
    const weightOf = ({ bytes, missing }: Wanted): number => Math.max(1, bytes) * missing.length;
    const of = wanted.reduce((sum, collection) => sum + weightOf(collection), 0);
    const underWay = new Map<string, number>();
    let done = 0;
    const report = (): void => {
      const begun = [...builds.shares].reduce((sum, [ns, share]) => sum + share * (underWay.get(ns) ?? 0), 0);
      context.progress({ phase: 'build indexes', done: Math.round(done + begun), of, unit: 'bytes', building: [...underWay.keys()].slice(0, 3).join(', ') });
    };
    const builds = new IndexBuilds(client, report);
    const build = async (collection: Wanted): Promise<void> => {
      const ns = `${collection.database}.${collection.collection}`;
      underWay.set(ns, weightOf(collection));
      report();
      try {
        for (const index of collection.stale) await client.db(collection.database).command({ dropIndexes: collection.collection, index });
        builds.begin(ns, collection.missing.length);
        if (collection.missing.length > 0) failed.push(...await buildAll(client, collection));
      } finally {
        builds.end(ns);
        underWay.delete(ns);
      }
      done += weightOf(collection);
      report();
    };
    await inParallel(wanted.filter(({ bytes }) => bytes > smallBytes), buildsAtOnce, build, context.signal);
    await inParallel(wanted.filter(({ bytes }) => bytes <= smallBytes), questionsAtOnce, build, context.signal);
    return { indexes: wanted.reduce((sum, { missing }) => sum + missing.length, 0) - failed.length, failed };
  });
}

/** Where the target differs from the catalogue, largest collection first: begun last, it would run on alone. */
async function listWanted(client: MongoClient): Promise<Wanted[]> {
  const catalogue = await readOrdered(client, controlDatabase, { find: controlCollections.indexes }) as { _id: string; indexes: Document[] }[];
  const collections = new Map((await readCatalogue(client)).map((collection) => [collection.uuid, collection]));
  const wanted: Wanted[] = [];
  await inParallel(catalogue, questionsAtOnce, async ({ _id: uuid, indexes }) => {
    const found = collections.get(uuid);
    if (!found) return;
    const { database, collection } = found;
    const existing = new Map(found.indexes.map((spec) => [String(spec['name']), comparable(spec)]));
    const named = new Map(indexes.map((spec) => [String(spec['name']), comparable(spec)]));
    const stale = [...existing].filter(([name, spec]) => named.get(name) !== spec).map(([name]) => name);
    const missing = indexes.filter(({ name }) => existing.get(String(name)) !== named.get(String(name))).map((spec) => explicitSpec(spec, 'collation' in found.options));
    if (stale.length + missing.length === 0) return;
    const { size } = await client.db(database).command({ dataSize: `${database}.${collection}`, estimate: true }) as { size: unknown };
    wanted.push({ uuid, database, collection, stale, missing, bytes: Number(size) });
  });
  return wanted.sort((a, b) => b.bytes - a.bytes);
}

/** A specification as text that is equal where the index is: the order of options says nothing, that of keys does. */
function comparable(spec: Document): string {
  const { ns: _ns, ui: _ui, ...rest } = spec;
  return BSON.EJSON.stringify(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)), { relaxed: true });
}

/** An index without collation on a collection that has one would inherit it: a simple one must say so. */
export function explicitSpec(spec: Document, inherits: boolean): Document {
  const { ns: _ns, ui: _ui, ...rest } = spec;
  return inherits && !('collation' in rest) ? { ...rest, collation: { locale: 'simple' } } : rest;
}

async function buildAll(client: MongoClient, { database, collection, missing }: Wanted): Promise<BuiltIndexes['failed']> {
  const build = async (indexes: Document[]): Promise<void> => void (await client.db(database).command({ createIndexes: collection, indexes: sendable(indexes) }));
  try {
    await build(missing);
    return [];
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  // One bad index fails the command as a whole: one by one, the others get built and the bad one gets a name.
  const failed: BuiltIndexes['failed'] = [];
  for (const spec of missing) {
    try {
      await build([spec]);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      failed.push({ ns: `${database}.${collection}`, index: String(spec['name']), why: withoutValues((error as Error).message) });
    }
  }
  return failed;
}

/** The server answered and said no; anything else is a lost connection, which another try helps. */
const isRefusal = (error: unknown): boolean => {
  const { name, code } = error as { name?: string; code?: unknown };
  // Interrupted, shutting down, primary stepping down: no answer about the index.
  return name === 'MongoServerError' && ![91, 189, 11600, 11601, 11602, 276].includes(Number(code));
};
