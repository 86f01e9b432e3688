import { setImmediate as turn } from 'node:timers/promises';
import { Binary, Int32, MongoServerError, ObjectId, type ClientSession, type Document, type MongoClient } from 'mongodb';
import { randomDocument, type Random } from './random.ts';
import { randomUpdate } from './random-update.ts';

type Doc = Document & { _id: never };
type Act = (writer: RandomWriter, random: Random, session?: ClientSession) => Promise<unknown>;

const databases = ['one', 'two'] as const;
const collections = ['a', 'b', 'c', 'd', 'e'] as const;

/** Random writes of several workers at once. What the server refuses is refused: only what it logs counts. */
export class RandomWriter {
  readonly client: MongoClient;
  readonly #random: Random;
  readonly done = new Map<string, number>();

  constructor(client: MongoClient, random: Random) {
    this.client = client;
    this.#random = random;
  }

  /** `acts` writes, shared by `workers` that run side by side; returns when all are over and nothing is open. */
  async burst(acts: number, workers = 4, options: { ddl?: boolean } = {}): Promise<void> {
    let left = acts;
    const kinds = Object.entries(acts_).filter(([, { ddl }]) => options.ddl !== false || !ddl);
    await Promise.all(Array.from({ length: workers }, async () => {
      while (left > 0) {
        left -= 1;
        const [name, { act }] = this.#random.weighted(kinds.map((kind) => [kind[1].weight, kind] as const));
        await this.attempt(name, () => act(this, this.#random));
        await turn();
      }
    }));
  }

  async attempt(name: string, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
      this.done.set(name, (this.done.get(name) ?? 0) + 1);
    } catch (error) {
      if (!(error instanceof MongoServerError)) throw error;
      this.done.set(`${name} refused`, (this.done.get(`${name} refused`) ?? 0) + 1);
    }
  }

  collection(random: Random) {
    return this.client.db(random.pick(databases)).collection<Doc>(random.pick(collections));
  }
}

const someId = (random: Random): never =>
  random.weighted<() => unknown>([[6, () => new Int32(random.below(60))], [2, () => `k${random.below(20)}`], [1, () => new ObjectId(String(random.below(20)).padStart(24, '0'))], [1, () => ({ x: new Int32(random.below(5)) })]])() as never;
const some = (random: Random, most: number) => Array.from({ length: 1 + random.below(most) }, () => randomDocument(random, someId(random)) as unknown as Doc);

const insert: Act = (w, r, session) => w.collection(r).insertMany(some(r, 8), { ordered: false, session });
/** With ids that are not taken: in a transaction a duplicate would abort all of it. */
const insertNew: Act = (w, r, session) =>
  w.collection(r).insertMany(some(r, 5).map((document) => new Map<string, unknown>([...(document as unknown as Map<string, unknown>), ['_id', new Int32(1000 + r.below(1e9))]]) as unknown as Doc), { session });
const update: Act = (w, r, session) => {
  const { u, arrayFilters } = randomUpdate(r);
  const many = r.chance(0.2) && !(u instanceof Map);
  // As a command: the driver's helpers refuse maps and forms that the server takes.
  const { db, name } = place(w, r);
  return db.command({ update: name, updates: [{ q: many ? { n: { $lt: r.below(50) } } : { _id: someId(r) }, u, multi: many, upsert: !many && r.chance(0.2), ...(arrayFilters ? { arrayFilters } : {}) }] }, { session });
};
const remove: Act = (w, r, session) => (r.chance(0.2) ? w.collection(r).deleteMany({ n: { $lt: r.below(30) } } as never, { session }) : w.collection(r).deleteOne({ _id: someId(r) }, { session }));
const place = (w: RandomWriter, r: Random) => ({ db: w.client.db(r.pick(databases)), name: r.pick(collections) });

const transaction: Act = async (w, r) => {
  await w.client.withSession(async (session) => {
    session.startTransaction();
    try {
      for (let n = 2 + r.below(6); n > 0; n -= 1) await r.weighted([[3, insertNew], [3, update], [2, remove]])(w, r, session);
      if (r.chance(0.1)) await w.client.db(r.pick(databases)).createCollection(`made${r.below(3)}`, { session });
      await (r.chance(0.8) ? session.commitTransaction() : session.abortTransaction());
    } catch (error) {
      if (session.inTransaction()) await session.abortTransaction();
      throw error;
    }
  });
};

/** More than 16 MiB of entries: the server writes it as a chain of several. */
const largeTransaction: Act = async (w, r) => {
  await w.client.withSession(async (session) => {
    session.startTransaction();
    const collection = w.client.db('large').collection<Doc>('files');
    for (let n = 0; n < 3; n += 1) {
      const doc = { _id: r.below(3), bytes: new Binary(Buffer.alloc(6 * 1024 * 1024, r.below(256))), n: r.below(100) };
      await collection.replaceOne({ _id: doc._id as never }, doc as never, { upsert: true, session });
      await collection.updateOne({ _id: r.below(3) as never }, { $inc: { n: 1 } }, { session });
    }
    await session.commitTransaction();
  });
};

const findAndModify: Act = (w, r) => {
  const { db, name } = place(w, r);
  return db.command({ findAndModify: name, query: { _id: someId(r) }, ...(r.chance(0.3) ? { remove: true } : { update: { $inc: { n: new Int32(1) } }, new: r.chance(0.5), upsert: r.chance(0.3) }) });
};

const create: Act = (w, r) => {
  const { db, name } = place(w, r);
  return db.createCollection(name, r.pick<Document>([{}, { validator: { n: { $ne: 7 } }, validationLevel: 'moderate' }, { collation: { locale: 'en', strength: 2 } }, { changeStreamPreAndPostImages: { enabled: true } }]));
};
const rename: Act = (w, r) => {
  const from = place(w, r);
  const to = place(w, r);
  return w.client.db('admin').command({ renameCollection: `${from.db.databaseName}.${from.name}`, to: `${r.chance(0.8) ? from.db.databaseName : to.db.databaseName}.${to.name}`, dropTarget: r.chance(0.7) });
};
const createIndex: Act = (w, r) => w.collection(r).createIndex(
  r.pick<Record<string, 1 | -1 | 'hashed'>>([{ n: 1 }, { n: -1, a: 1 }, { 'sub.q': 1 }, { a: 1, b: 1 }, { c: 'hashed' }, { 'sub.deep.$**': 1 }, { list: 1 }]),
  r.pick([{}, { sparse: true }, { hidden: true }, { partialFilterExpression: { n: { $gt: 5 } } }, { unique: true, sparse: true }]),
);
const dropIndex: Act = async (w, r) => {
  const collection = w.collection(r);
  if (r.chance(0.2)) return await collection.dropIndexes();
  return await collection.dropIndex(r.pick(['n_1', 'n_-1_a_1', 'sub.q_1', 'c_hashed']));
};
const collMod: Act = (w, r) => {
  const { db, name } = place(w, r);
  return db.command({ collMod: name, ...r.pick([{ validator: { n: { $ne: 8 } } }, { index: { name: 'n_1', hidden: r.chance(0.5) } }, { validationAction: 'warn' }, { index: { keyPattern: { 'sub.q': 1 }, hidden: true }, validationLevel: 'off' }]) });
};
const out: Act = (w, r) => {
  const to = place(w, r);
  return w.collection(r).aggregate([{ $match: { n: { $lt: 60 } } }, { $out: { db: to.db.databaseName, coll: to.name } }]).toArray();
};
const merge: Act = (w, r) => {
  const to = place(w, r);
  return w.collection(r).aggregate([{ $limit: 20 }, { $merge: { into: { db: to.db.databaseName, coll: to.name }, whenMatched: 'merge' } }]).toArray();
};
const capped: Act = async (w, r) => {
  if (r.chance(0.2)) return await w.client.db(r.pick(databases)).command({ convertToCapped: r.pick(collections), size: 500_000 });
  if (r.chance(0.1)) await w.client.db('odd').createCollection('ring', { capped: true, size: 20_000, max: 30 });
  return await w.client.db('odd').collection('ring').insertMany(Array.from({ length: 5 }, () => ({ n: new Int32(r.below(9)) })));
};
const series: Act = async (w, r) => {
  if (r.chance(0.05)) return await w.client.db('odd').collection('series').drop();
  if (r.chance(0.3)) await w.client.db('odd').createCollection('series', { timeseries: { timeField: 'at', metaField: 'm' } }).catch(() => undefined);
  return await w.client.db('odd').collection('series').insertMany(Array.from({ length: 5 }, (_, i) => ({ at: new Date(1_700_000_000_000 + r.below(100_000) + i), m: r.below(3), v: r.next() })));
};
const view: Act = async (w, r) => {
  const name = `view${r.below(2)}`;
  if (r.chance(0.4)) return await w.client.db('odd').collection(name).drop();
  return await w.client.db('odd').createCollection(name, { viewOn: 'ring', pipeline: [{ $match: { n: r.below(9) } }] });
};
const user: Act = async (w, r) => {
  const name = `user${r.below(3)}`;
  const admin = w.client.db('admin');
  if (r.chance(0.4)) return await admin.command({ dropUser: name });
  return await admin.command({ createUser: name, pwd: 'x', roles: ['read'] });
};

const role: Act = (w, r) => {
  const name = () => `role${r.below(3)}`;
  const privileges = [{ resource: { db: r.pick(databases), collection: r.pick(collections) }, actions: r.pick([['find'], ['find', 'insert'], ['remove']]) }];
  return w.client.db('admin').command(r.weighted<() => Document>([
    [3, () => ({ createRole: name(), privileges, roles: r.chance(0.3) ? [name()] : [] })],
    [2, () => ({ updateRole: name(), privileges })],
    [1, () => ({ grantRolesToUser: `user${r.below(3)}`, roles: [name()] })],
    [1, () => ({ dropRole: name() })],
  ])());
};

/** Underscored: `acts` is what the callers count. */
const acts_: Record<string, { weight: number; act: Act; ddl?: true }> = {
  insert: { weight: 30, act: insert },
  update: { weight: 60, act: update },
  remove: { weight: 12, act: remove },
  findAndModify: { weight: 8, act: findAndModify },
  transaction: { weight: 14, act: transaction },
  largeTransaction: { weight: 0.25, act: largeTransaction },
  merge: { weight: 2, act: merge },
  create: { weight: 3, act: create, ddl: true },
  drop: { weight: 1, act: (w, r) => w.collection(r).drop(), ddl: true },
  rename: { weight: 2, act: rename, ddl: true },
  createIndex: { weight: 5, act: createIndex, ddl: true },
  dropIndex: { weight: 2, act: dropIndex, ddl: true },
  collMod: { weight: 3, act: collMod, ddl: true },
  out: { weight: 1.5, act: out, ddl: true },
  capped: { weight: 2, act: capped, ddl: true },
  series: { weight: 3, act: series, ddl: true },
  view: { weight: 1, act: view, ddl: true },
  user: { weight: 1, act: user, ddl: true },
  role: { weight: 1.5, act: role, ddl: true },
  dropDatabase: { weight: 0.1, act: (w, r) => w.client.db(r.pick(databases)).dropDatabase(), ddl: true },
};
