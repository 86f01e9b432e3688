import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { BSON, Long, MongoClient, Timestamp, type Db, type Document } from 'mongodb';
import type { SwapInput } from '../../../../workflows/contract.ts';
import type { SwapPair } from '../../../../workflows/domain/beside.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { sumCollection } from '../../../../activities/engines/mongodb/equality/scan-collection.ts';
import { readCatalogue, type ListedCollection } from '../../../../activities/engines/mongodb/list-collections.ts';
import { besideRole } from '../../../../activities/engines/mongodb/rights.ts';
import { narrowPoint } from '../../../../activities/engines/mongodb/selection/find-selection.ts';
import { backUp, enginePlace, type EnginePlace } from '../../../harness/engine-place.ts';
import { archivedUpTo, pointAt, positionNow, recover, startArchive, withSlices } from './replay-place.ts';

export type Numbered = { _id: number; n: number };
export const numbered = (db: Db, name: string) => db.collection<Numbered>(name);
export const fill = async (db: Db, name: string, count: number, from = 0): Promise<void> => void (await numbered(db, name).insertMany(Array.from({ length: count }, (_, i) => ({ _id: from + i, n: i }))));

/** Of each kind what makes a copy differ that is not careful. */
export async function makeKinds(client: MongoClient): Promise<void> {
  const shop = client.db('shop');
  await fill(shop, 'orders', 3_000);
  await shop.collection('orders').createIndexes([
    { key: { n: 1 }, name: 'sparse', sparse: true },
    { key: { '2024': 1, a: -1 }, name: 'numbers' } as never,
    { key: { n: 1, x: 1 }, name: 'part', unique: true, partialFilterExpression: { x: { $exists: true } } },
    { key: { word: 1 }, name: 'german', collation: { locale: 'de', strength: 1 } },
    { key: { '$**': 1 }, name: 'wild', wildcardProjection: { free: 1 } },
    { key: { at: '2dsphere' }, name: 'sphere' },
    { key: { note: 'text' }, name: 'words', default_language: 'german' },
    { key: { h: 'hashed' }, name: 'hash' },
    { key: { gone: 1 }, name: 'unseen', hidden: true },
  ]);
  // A validator that came after the documents that break it.
  await shop.createCollection('strict', { collation: { locale: 'fr', caseLevel: true } });
  await fill(shop, 'strict', 20);
  await shop.command({ collMod: 'strict', validator: { $jsonSchema: { required: ['name'], properties: { name: { bsonType: 'string' } } } }, validationLevel: 'strict', validationAction: 'error' });
  await shop.collection('strict').createIndex({ n: 1 }, { name: 'simple', collation: { locale: 'simple' } });
  await shop.createCollection('ring', { capped: true, size: 4096, max: 50 });
  await fill(shop, 'ring', 80);
  await shop.createCollection('clustered', { clusteredIndex: { key: { _id: 1 }, unique: true } });
  await fill(shop, 'clustered', 10);
  await shop.createCollection('images', { changeStreamPreAndPostImages: { enabled: true } });
  await shop.createCollection('sessions');
  await shop.collection('sessions').createIndex({ at: 1 }, { name: 'age', expireAfterSeconds: 1_000_000 });
  await shop.collection('sessions').insertOne({ at: new Date(0) });
  // What the driver has no words for: by update, which no server alters. A field of Timestamp(0,0), also twice.
  const odd = shop.collection<Document & { _id: unknown }>('odd');
  await odd.insertMany([
    { _id: 1, '2': 'two', '1': 'one', long: Long.fromNumber(5), double: new BSON.Double(5), decimal: BSON.Decimal128.fromString('1.10'), re: new BSON.BSONRegExp('a', 'im'), code: new BSON.Code('x', { y: 1 }), min: new BSON.MinKey(), symbol: new BSON.BSONSymbol('s') },
    { _id: { a: 1, b: [1, null] }, first: new Timestamp({ t: 0, i: 1 }), text: 'between', second: new Timestamp({ t: 0, i: 1 }), nested: { ts: new Timestamp({ t: 0, i: 0 }) } },
  ]);
  await odd.updateOne({ text: 'between' }, { $set: { first: new Timestamp({ t: 0, i: 0 }), second: new Timestamp({ t: 0, i: 0 }) } });
  await shop.createCollection('none');
  await shop.createCollection('readings', { timeseries: { timeField: 'at' } });
  await shop.createCollection('view', { viewOn: 'orders', pipeline: [] });
}

export interface World {
  place: EnginePlace;
  context: EnginePlace['context'];
  /** as root, who is never held up */
  root: MongoClient;
  /** a user who is */
  app: MongoClient;
  point: RecoveryPoint;
  archive: ReturnType<typeof startArchive>;
}

/** A source with a base, a log that runs, and a moment behind it that writes came after; restored and proved on the run's own server. */
export async function restored(t: TestContext, { before, after, only, auth = true, mode = 'swap' }: { before(client: MongoClient): Promise<void>; after?(client: MongoClient): Promise<void>; only: string[]; auth?: boolean; mode?: 'beside' | 'swap' }): Promise<World> {
  const place = await enginePlace(t, { mongod: { auth } });
  const context = withSlices(place.context, 100, 64 * 1024);
  const root = await place.source.connect();
  if (auth) {
    await root.db('admin').command({ grantRolesToUser: 'holdfast', roles: [{ role: besideRole.name, db: 'admin' }] });
    await root.db('admin').command({ createUser: 'app', pwd: 'app', roles: ['readWriteAnyDatabase'] });
  }
  const app = auth ? await connectAs(t, place, 'app', 'app') : root;
  await before(root);
  const archive = startArchive(context);
  t.after(async () => await archive.stop());
  await backUp(context, 'b1');
  // Behind the base's own end.
  await root.db('elsewhere').collection('ticks').insertOne({ at: new Date() });
  const position = await positionNow(root);
  await archivedUpTo(context, position);
  const point = await narrowPoint(context, { point: await pointAt(context, position), only, copies: { run: place.target.run, mode } });
  await after?.(root);
  const { validation } = await recover(place, point, context);
  assert.deepEqual(validation.problems, []);
  return { place, context, root, app, point, archive };
}

async function connectAs(t: TestContext, place: EnginePlace, username: string, password: string): Promise<MongoClient> {
  const client = new MongoClient(place.source.uri, { auth: { username, password }, authSource: 'admin', retryWrites: false });
  t.after(async () => await client.close());
  return await client.connect();
}

export const refusal = async (of: Promise<unknown>): Promise<HoldfastError> => {
  try {
    await of;
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('was not refused');
};

export const listed = async (client: MongoClient): Promise<Map<string, ListedCollection>> => new Map((await readCatalogue(client)).map((one) => [one.ns, one]));
export const sumOf = async (client: MongoClient, ns: string) => await sumCollection(client, ns, () => undefined);
/** The run of `enginePlace`’s target. */
export const run = 'run-1';
export const swapOf = ({ place }: World, pairs: readonly SwapPair[]): SwapInput => ({ target: place.target, pairs, epoch: 0 });
