import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { BSON, Binary, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID, type Document, type MongoClient } from 'mongodb';
import { listCollections } from '../../../../activities/engines/mongodb/list-collections.ts';
import { decodeOrdered, parseOrdered, sendable, stringifyOrdered } from '../../../../activities/engines/mongodb/ordered-documents.ts';
import { rawDocument, WireConnection } from '../../../../activities/engines/mongodb/wire.ts';
import { backUp, enginePlace, type EnginePlace } from '../../../harness/engine-place.ts';
import { archivedUpTo, pointAt, positionNow, readState, recover, startArchive, withSlices } from './replay-place.ts';

const element = (type: number, name: string, value: Uint8Array = Buffer.alloc(0)): Buffer => Buffer.concat([Buffer.from([type]), Buffer.from(`${name}\0`), value]);
const int = (n: number): Buffer => Buffer.from([n, 0, 0, 0]);
const double = (hex: string): Buffer => Buffer.from(hex, 'hex');
const text = (value: string): Buffer => Buffer.concat([int(Buffer.byteLength(value) + 1), Buffer.from(`${value}\0`)]);

/** What no driver writes, but servers hold: made byte by byte. `at` is the `_id`. */
function oddDocuments(at: number): Buffer[] {
  const id = element(0x10, '_id', int(at));
  const next = (n: number): Buffer => element(0x10, '_id', int(at + n));
  return [
    rawDocument([id, element(0x10, 'twice', int(1)), element(0x10, 'twice', int(2))]),
    rawDocument([next(1), element(0x10, 'b', int(1)), element(0x10, '2024', int(2)), element(0x10, '1', int(3))]),
    rawDocument([next(2), element(0x01, 'nan', double('010000000000f87f')), element(0x01, 'other nan', double('000000000000f8ff')), element(0x01, 'minus zero', double('0000000000000080'))]),
    rawDocument([next(3), element(0x06, 'undefined'), element(0x0e, 'symbol', text('s')), element(0x0c, 'pointer', Buffer.concat([text('db.c'), Buffer.alloc(12, 7)]))]),
    rawDocument([next(4), element(0x13, 'decimal', Buffer.from('0000000000000000000000000000007c', 'hex')), element(0x13, 'signalling', Buffer.from('0100000000000000000000000000007e', 'hex')), element(0x13, 'zero', Buffer.from('00000000000000000000000000004830', 'hex'))]),
    rawDocument([next(5), element(0x05, 'old binary', Buffer.concat([int(6), Buffer.from([2]), int(2), Buffer.from([1, 2])])), element(0x0b, 'regex', Buffer.from('a/b\0xi\0'))]),
    rawDocument([next(6), element(0x04, 'list', rawDocument([element(0x10, '5', int(1)), element(0x10, 'x', int(2))]))]),
    rawDocument([next(7), element(0x11, 'zero', Buffer.alloc(8)), element(0x03, 'in', rawDocument([element(0x11, 'zero', Buffer.alloc(8))]))]),
  ];
}

const ids: unknown[] = [
  'text', new Double(1.5), new Double(Number.NaN), new Double(-0.5), Long.MIN_VALUE, Decimal128.fromString('1E+6111'), new Date(-62_135_596_800_000), new Date(8.64e15),
  new Binary(Buffer.from([1]), 0x80), new UUID(), true, null, new MinKey(), new MaxKey(), new ObjectId(), new Timestamp({ t: 1, i: 1 }), new BSON.Code('x'),
  new Map<string, unknown>([['b', 1], ['2', { a: [] }], ['1', '']]), { a: { b: new Int32(1) } }, {},
];

function deep(levels: number): Document {
  let document: Document = { end: true };
  for (let level = 0; level < levels; level += 1) document = { d: document };
  return document;
}

/** Everything of one round, under names of its own: once in the base, once in the log. */
async function writeEveryKind(client: MongoClient, wire: WireConnection, round: string): Promise<void> {
  const db = client.db(`kinds-${round}`);
  const name = (of: string): string => `${of}.${round}`;
  const insertRaw = async (collection: string, documents: Buffer[]): Promise<void> => {
    const reply = await wire.run({ insert: collection, ordered: true, $db: db.databaseName }, { field: 'documents', documents });
    assert.deepEqual([reply['ok'], reply['writeErrors']], [1, undefined]);
  };
  await insertRaw(name('raw'), oddDocuments(1));
  await db.collection<Document>(name('ids')).insertMany(ids.map((_id, n) => ({ _id: _id as never, n })));
  await db.collection<Document>(name('ids')).updateMany({ n: { $mod: [2, 0] } }, { $set: { touched: round } });
  // An upsert is how an application comes by a Timestamp(0,0): an insert would get the server's time.
  for (const _id of ['zero', 'zero too']) await db.collection<{ _id: string }>(name('ids')).updateOne({ _id }, { $set: { first: 1, zero: new Timestamp(0n) } }, { upsert: true });
  assert.equal(await db.collection(name('ids')).countDocuments({ zero: new Timestamp(0n) }), 2);
  await db.collection<Document>(name('odd names')).insertMany([
    { _id: 1 as never, '': 1, 'a.b': { $x: 1, '': { '.': [] } }, $set: 1, 'ключ ☃': 1, ['x'.repeat(3_000)]: 1, '0': 'zero', __proto: 1 },
    deep(95),
  ]);
  for (const odd of ['per%20cent', 'spaces  inside', 'ünï☃', 'a..b', 'systematic', 'l'.repeat(180)]) await db.collection<Document>(odd).insertOne({ odd });
  await client.db(`Ünï-${round}-%`).collection<Document>('c').insertOne({ round });

  const validator = { $jsonSchema: { properties: { b: { bsonType: 'int' }, '2024': { enum: [new Map<string, unknown>([['z', 1], ['1', 2]])] } } } };
  await db.createCollection(name('validated'), { validator, validationAction: 'error' });
  await db.collection<Document>(name('validated')).insertMany([{ b: 'breaks it' }, { b: 1 }], { bypassDocumentValidation: true });
  await db.createCollection(name('series'), { timeseries: { timeField: 'at', metaField: 'm', granularity: 'minutes' }, expireAfterSeconds: 3600 });
  await db.collection<Document>(name('series')).insertMany(Array.from({ length: 50 }, (_, n) => ({ at: new Date(Date.now() + n * 1000), m: { n: n % 3 }, v: n })));
  await db.collection<Document>(name('series')).createIndex({ 'm.n': 1, at: -1 });
  await db.createCollection(name('view'), { viewOn: name('series'), pipeline: [{ $match: { v: { $gt: 5 } } }] });
  await db.createCollection(name('view of view'), { viewOn: name('view'), pipeline: [{ $project: new Map([['v', 1], ['2', 1]]) as unknown as Document }] });
  await db.createCollection(name('clustered'), { clusteredIndex: { key: { _id: 1 }, unique: true }, expireAfterSeconds: 86_400 });
  await db.collection<Document>(name('clustered')).insertMany([{ _id: new Date() as never }, { _id: 'b' as never }, { _id: 3 as never }]);
  await db.createCollection(name('collated'), { collation: { locale: 'fr', strength: 2, backwards: true } });
  await db.collection<Document>(name('collated')).insertMany([{ _id: 'é' as never, s: 'É' }, { _id: 'f' as never, s: 'e' }]);
  await db.createCollection(name('images'), { changeStreamPreAndPostImages: { enabled: true } });
  await db.createCollection(name('capped'), { capped: true, size: 4096, max: 5 });
  await db.collection<Document>(name('capped')).insertMany(Array.from({ length: 9 }, (_, n) => ({ _id: (100 - n) as never })));

  const indexes: Document[] = [
    { key: new Map([['a', 1], ['2024', 1]]), name: 'numeric key' }, { key: new Map([['a', -1], ['1', 1], ['0', -1]]), name: 'numeric keys' },
    { key: { u: 1 }, name: 'unique', unique: true, sparse: true }, { key: { p: '2dsphere' }, name: 'sphere', '2dsphereIndexVersion': 3 },
    { key: { f: '2d' }, name: 'flat', bits: 20, min: -200, max: 200 }, { key: { s: 'text', 't.x': 'text' }, name: 'text', weights: { s: 5 }, default_language: 'german' },
    { key: { when: 1 }, name: 'ttl', expireAfterSeconds: 0 }, { key: { a: 1 }, name: 'partial', partialFilterExpression: { in: { $eq: new Map([['b', 1], ['1', 1]]) } } },
    { key: { h: 'hashed' }, name: 'hashed' }, { key: { b: 1, h: 'hashed' }, name: 'compound hashed' }, { key: { '$**': 1 }, name: 'wild', wildcardProjection: { a: 1, 'b.c': 1 } },
    { key: { 'w.$**': 1 }, name: 'wild below' }, { key: { a: 1, c: 1 }, name: 'collated', collation: { locale: 'de', numericOrdering: true } },
    { key: { hidden: 1 }, name: 'hidden', hidden: true }, { key: { odd: 1 }, name: 'odd name. with $ and spaces' },
  ];
  await db.collection<Document>(name('indexed')).insertOne({ a: 1, '2024': 1, s: 'text', when: new Date(Date.now() + 3_600_000), p: [1, 2], f: [1, 2] });
  await db.command({ createIndexes: name('indexed'), indexes });
  await db.command({ collMod: name('indexed'), index: { name: 'hidden', hidden: false } });
  await db.command({ collMod: name('indexed'), index: { name: 'ttl', expireAfterSeconds: 7200 } });

  await db.command({ createRole: 'looker', privileges: [{ resource: { db: db.databaseName, collection: '' }, actions: ['find'] }], roles: [] });
  await db.command({ createRole: 'clerk', privileges: [], roles: ['looker', 'read'], authenticationRestrictions: [{ clientSource: ['127.0.0.1'] }] });
  await db.command({ createRole: 'leaver', privileges: [], roles: ['clerk'] });
  await db.command({ createUser: 'ada', pwd: 'x', roles: ['clerk', 'leaver'] });
}

/** What the log changes of roles that lie in the base, or that it made itself. One that goes leaves those that had it: the server writes that as a transaction. */
async function changeRoles(client: MongoClient, round: string): Promise<void> {
  const db = client.db(`kinds-${round}`);
  const of = (collection: string, ...actions: string[]): Document => ({ resource: { db: db.databaseName, collection }, actions });
  await db.command({ updateRole: 'looker', privileges: [of('a', 'find', 'insert'), of('b', 'remove')], authenticationRestrictions: [{ serverAddress: ['127.0.0.1'] }] });
  await db.command({ grantPrivilegesToRole: 'clerk', privileges: [of('c', 'find')] });
  await db.command({ revokePrivilegesFromRole: 'looker', privileges: [of('b', 'remove')] });
  await db.command({ createRole: 'chief', privileges: [], roles: [] });
  await db.command({ grantRolesToRole: 'chief', roles: ['clerk', 'leaver'] });
  await db.command({ revokeRolesFromRole: 'clerk', roles: ['read'] });
  await db.command({ grantRolesToUser: 'ada', roles: ['chief'] });
  await db.command({ dropRole: 'leaver' });
  const gone = client.db(`gone-${round}`);
  for (const role of ['one', 'two']) await gone.command({ createRole: role, privileges: [], roles: [] });
  await gone.command({ dropAllRolesFromDatabase: 1 });
}

const largest = 16 * 1024 * 1024;

/** As large as the server takes one: inserted, replaced, changed in a little and in nearly all of it, and in a transaction. */
async function writeLargest(client: MongoClient): Promise<void> {
  const collection = client.db('kinds-log').collection<{ _id: number; n: Int32; bytes: Binary }>('largest');
  const bytes = (bytesOf: number): Binary => new Binary(randomBytes(bytesOf));
  const rest = BSON.calculateObjectSize({ _id: new Int32(1), n: new Int32(0), bytes: new Binary(Buffer.alloc(0)) });
  const full = largest - rest;
  for (const _id of [1, 2, 3]) await collection.insertOne({ _id, n: new Int32(0), bytes: bytes(full) });
  await collection.updateOne({ _id: 1 }, { $inc: { n: 1 } });
  await collection.updateOne({ _id: 2 }, { $set: { bytes: bytes(full) } });
  await collection.replaceOne({ _id: 3 }, { n: new Int32(2), bytes: bytes(full) });
  await client.withSession(async (session) => await session.withTransaction(async () => {
    // The server's own entry of a transaction has no room for one that is full.
    await collection.insertOne({ _id: 4, n: new Int32(0), bytes: bytes(full - 1024) }, { session });
    await collection.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session });
  }));
  assert.deepEqual(await collection.aggregate([{ $sort: { _id: 1 } }, { $project: { size: { $bsonSize: '$$ROOT' } } }]).toArray(), [1, 2, 3, 4].map((_id) => ({ _id, size: _id === 4 ? largest - 1024 : largest })));
}

/** What a role inherits the server gives in an order that depends on its memory. */
const sortInherited = <T extends Document>(role: T): T =>
  Object.fromEntries(Object.entries(role).map(([name, value]) => [name, name.startsWith('inherited') ? (value as unknown[]).map((one) => BSON.EJSON.stringify(one)).sort() : value])) as T;

/** What of it has an order, or is seen by those who log in. */
async function readOrders(client: MongoClient, round: string): Promise<unknown> {
  const db = client.db(`kinds-${round}`);
  const capped = await db.collection(`capped.${round}`).find({}, { sort: { $natural: 1 } }).map(({ _id }) => _id as unknown).toArray();
  const { roles } = await db.command({ rolesInfo: 1, showPrivileges: true, showAuthenticationRestrictions: true }) as { roles: { role: string }[] };
  const { users } = await db.command({ usersInfo: 1, showCredentials: true }) as { users: Document[] };
  return { capped, roles: roles.map(sortInherited).sort((a, b) => (a.role < b.role ? -1 : 1)), users, view: await db.collection(`view of view.${round}`).find().sort({ v: 1 }).toArray() };
}

/** The bytes of every secondary index's keys, as the server gives them: no decoding of ours in between. */
async function keyBytes(client: MongoClient, place: EnginePlace): Promise<Record<string, string>> {
  const keys: Record<string, string> = {};
  for (const { database, collection, ns } of await listCollections(client, place.context.source)) {
    for await (const raw of client.db(database).runCursorCommand({ listIndexes: collection }, { raw: true } as never)) {
      const bytes = Buffer.from(raw as unknown as Uint8Array);
      const at = bytes.indexOf(Buffer.from('\x03key\0', 'latin1')) + 5;
      keys[`${ns} ${String(BSON.deserialize(bytes)['name'])}`] = bytes.subarray(at, at + bytes.readInt32LE(at)).toString('latin1');
    }
  }
  return keys;
}

test('every kind of document, name, collection and index comes back, from the base and from the log, byte for byte and in order', { timeout: 180_000 }, async (t) => {
  const place = await enginePlace(t, { mongod: { setParameter: { ttlMonitorEnabled: false } } });
  const context = withSlices(place.context, 100, 64 * 1024);
  const source = await place.source.connect();
  const wire = await WireConnection.connect('127.0.0.1', place.source.port);
  t.after(() => wire.close());
  await writeEveryKind(source, wire, 'base');
  const archive = startArchive(context);
  await backUp(context, 'b1');
  await writeEveryKind(source, wire, 'log');
  for (const round of ['base', 'log']) await changeRoles(source, round);
  await source.db('kinds-base').collection<{ _id: number }>('capped.base').insertMany([7, 1, 4].map((_id) => ({ _id })));
  await writeLargest(source);
  const position = await positionNow(source);
  await archivedUpTo(context, position);
  await archive.stop();
  const { validation } = await recover(place, await pointAt(context, position), context);
  assert.deepEqual(validation.problems, []);

  const target = await place.connectTarget();
  const [expected, restored] = [await readState(source, context, position), await readState(target, context)];
  for (const round of ['base', 'log']) assert.ok([...expected.values()].filter(({ ns }) => ns.includes(round)).length >= 18, round);
  assert.deepEqual([...restored.keys()].sort(), [...expected.keys()].sort());
  for (const [uuid, state] of expected) assert.deepEqual(restored.get(uuid), state, state.ns);
  const [keys, keysRestored] = [await keyBytes(source, place), await keyBytes(target, place)];
  assert.match(keys['kinds-base.indexed.base numeric key']!, /a\0.*2024\0/s);
  assert.deepEqual(keysRestored, keys);
  for (const round of ['base', 'log']) {
    const held = await readOrders(source, round) as { capped: number[]; roles: { role: string }[]; view: unknown[] };
    assert.deepEqual(await readOrders(target, round), held);
    assert.deepEqual([held.capped, held.roles.map(({ role }) => role)], [round === 'base' ? [93, 92, 7, 1, 4] : [96, 95, 94, 93, 92], ['chief', 'clerk', 'looker']]);
    assert.ok(held.view.length > 0);
  }
});

test('an object in order survives the way through JSON and BSON, whatever its names are', () => {
  const value = new Map<string, unknown>([
    ['b', new Map<string, unknown>([['2', 1], ['1', [new Map([['9', 1], ['a', 1], ['3', 1]])]], ['\u00017', 1], ['\u0001\u00018', 1], ['', 1]])],
    ['0', ',"5":1'], ['{"6":', '\\'], ['x', Long.MAX_VALUE],
  ]);
  const raw = Buffer.from(BSON.serialize(value, {}));
  const decoded = decodeOrdered(raw);
  assert.deepEqual(Buffer.from(BSON.serialize(sendable(decoded) as Document)), raw);
  const json = stringifyOrdered(decoded);
  assert.match(json, /^\{"b":\{"2":.*"1":\[\{"9":/);
  assert.deepEqual(Buffer.from(BSON.serialize(sendable(parseOrdered(json)) as Document)), raw);
});
