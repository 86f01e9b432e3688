import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { BSON, type MongoClient, type Timestamp } from 'mongodb';
import { dumpGroup } from '../../../../../activities/engines/mongodb/dump-group.ts';
import { encodeBlockStart, encodeNamespaceEnd, encodePrelude, nameOf, terminator, type Namespace } from '../../../../../activities/engines/mongodb/mongodump/archive-format.ts';
import { Crc64 } from '../../../../../activities/engines/mongodb/mongodump/crc64.ts';
import { exportContents } from '../../../../../activities/engines/mongodb/mongodump/export-contents.ts';
import { toFileName } from '../../../../../activities/engines/mongodb/mongodump/folder-names.ts';
import { encodeMetadata, parseMetadata } from '../../../../../activities/engines/mongodb/mongodump/metadata.ts';
import { ArchiveParser } from '../../../../../activities/engines/mongodb/mongodump/read-archive.ts';
import { archiveBytes } from '../../../../../activities/engines/mongodb/mongodump/write-dump.ts';
import { positionOf, timestampOf } from '../../../../../activities/engines/mongodb/bson-position.ts';
import { planDump } from '../../../../../activities/engines/mongodb/plan-dump.ts';
import { splitDocuments } from '../../../../../activities/engines/mongodb/raw-documents.ts';
import { sealBackup } from '../../../../../activities/engines/mongodb/seal-backup.ts';
import { startTool } from '../../../../../activities/tool/run-tool.ts';
import { backupInput, enginePlace, ref, storePlace } from '../../../../harness/engine-place.ts';
import { startMongod } from '../../../../harness/mongod.ts';
import { tempDir } from '../../../../harness/temp-dir.ts';
import { archivedUpTo, pointAt, positionNow, recover, startArchive } from '../replay-place.ts';
import { expectedOf, exportTo, importDump, importedPoint, stateOf, underLoad, unpackedFolder } from './dump-place.ts';

const onPath = (program: string): string | undefined =>
  (process.env['PATH'] ?? '').split(':').map((directory) => join(directory, program)).find((path) => {
    try {
      readFileSync(path, { flag: 'r' }).subarray(0, 1);
      return true;
    } catch {
      return false;
    }
  });
const mongorestore = onPath('mongorestore');
const mongodump = onPath('mongodump');
const withPrograms = { timeout: 240_000, skip: mongorestore && mongodump ? false : 'the real mongodump and mongorestore are not on PATH' };

interface LogEntry {
  ts: Timestamp;
  op: string;
  ns: string;
  o: Record<string, unknown>;
}

const run = async (program: string, args: string[]): Promise<void> => void (await startTool({ path: program }, args, { collectStdout: true }).done);

async function restoreByTool(t: TestContext, args: string[]): Promise<MongoClient> {
  const server = await startMongod(t, { replicaSet: 'rs9' });
  await run(mongorestore!, ['--port', String(server.port), '--quiet', '--bypassDocumentValidation', ...args]);
  return await server.connect();
}

const fileOf = ({ db, collection }: Namespace): string => `${db}/${toFileName(collection)}`;

/** Documents and metadata of an archive, by the names that they have in a folder. A collection without documents has none. */
function readArchive(bytes: Buffer): { documents: Map<string, Buffer>; metadata: Map<string, string> } {
  const parser = new ArchiveParser('archive');
  const documents = new Map<string, Buffer>();
  const metadata = new Map<string, string>();
  for (const event of parser.push(bytes)) {
    if (event.kind === 'prelude') for (const entry of event.prelude.entries) metadata.set(`${fileOf(entry)}.metadata.json`, entry.metadata);
    if (event.kind === 'documents') documents.set(fileOf(event.of), Buffer.concat([documents.get(fileOf(event.of)) ?? Buffer.alloc(0), ...event.documents]));
  }
  parser.end();
  return { documents, metadata };
}

test('what the real program wrote, parsed and written again, is the same bytes wherever the format says which', async () => {
  const original = gunzipSync(readFileSync(underLoad));
  const pieces: Buffer[] = [];
  const sums = new Map<string, Crc64>();
  const parser = new ArchiveParser(underLoad);
  let open = '';
  for (const event of parser.push(original)) {
    if (event.kind === 'prelude') {
      for (const { metadata } of event.prelude.entries) if (metadata !== '') assert.equal(encodeMetadata(parseMetadata(metadata, 'fixture')), metadata);
      pieces.push(encodePrelude(event.prelude));
      continue;
    }
    const name = nameOf(event.of);
    const crc = sums.get(name) ?? new Crc64();
    sums.set(name, crc);
    if (event.kind === 'documents') {
      if (open !== name) pieces.push(...(open === '' ? [] : [terminator]), encodeBlockStart(event.of));
      open = name;
      for (const document of event.documents) crc.add(document);
      pieces.push(...event.documents);
      continue;
    }
    if (open !== '') pieces.push(terminator);
    // An empty collection has an empty block, of which the parser says nothing.
    if (crc.value() === 0n) pieces.push(encodeBlockStart(event.of), terminator);
    pieces.push(encodeNamespaceEnd(event.of, crc.value()));
    open = '';
  }
  parser.end();
  assert.ok(Buffer.concat(pieces).equals(original));
});

test('file names are those of the real program', async (t) => {
  const names = await readdir(join(await unpackedFolder(t), 'fixture'));
  assert.ok(names.includes(`${toFileName('odd name.with dots & ünïcode')}.bson`));
});

for (const form of ['archive', 'archive gzip', 'folder', 'folder gzip'] as const) {
  test(`an import exported again as ${form} is restored by the real mongorestore to the same hashes`, withPrograms, async (t) => {
    const place = await enginePlace(t);
    await importDump(place.context, await unpackedFolder(t), 'i1');
    const directory = tempDir(t, 'holdfast-export-');
    await chmod(directory, 0o700);
    const gzip = form.endsWith('gzip');
    const path = join(directory, 'out');
    const { hasLog } = await exportTo(place.context, await importedPoint(place.context, 'i1'), { path, gzip, form: form.startsWith('archive') ? 'archive' : 'folder' });
    assert.equal(hasLog, false);
    assert.deepEqual(await readdir(directory), ['out'], 'nothing under another name is left');
    const client = await restoreByTool(t, [...(gzip ? ['--gzip'] : []), ...(form.startsWith('archive') ? [`--archive=${path}`] : [path])]);
    const expected = expectedOf('folder');
    const found = await stateOf(client, Object.keys(expected.databases));
    for (const [database, { collections, counts, types, indexes }] of Object.entries(expected.databases)) {
      assert.deepEqual(found.databases[database]!.collections, collections);
      assert.deepEqual(found.databases[database]!.counts, counts);
      assert.deepEqual(found.databases[database]!.types, types);
      assert.deepEqual(found.databases[database]!.indexes, indexes);
    }
    assert.deepEqual(found.users, expected.users);
  });
}

/** A transaction that is prepared, and stays open until it is told. */
async function prepare(client: MongoClient, ids: readonly number[]): Promise<{ commit(at?: Timestamp): Promise<void>; abort(): Promise<void> }> {
  const session = client.startSession();
  session.startTransaction();
  for (const _id of ids) await client.db('d').collection<{ _id: number }>('c').insertOne({ _id }, { session });
  const { prepareTimestamp } = await client.db('admin').command({ prepareTransaction: 1, writeConcern: { w: 'majority' } }, { session });
  return {
    commit: async (at = prepareTimestamp as Timestamp) => {
      await client.db('admin').command({ commitTransaction: 1, commitTimestamp: at }, { session });
      await session.endSession();
    },
    abort: async () => {
      await session.abortTransaction();
      await session.endSession();
    },
  };
}

test('a base and the log after it, exported, holds of the log what came after the base and what was open at its start, and nothing else; imported again, or restored by mongorestore, it is what the source held', { timeout: 240_000 }, async (t) => {
  // Only shards prepare by themselves: the server's own switch for tests lets a replica set do it.
  const place = await enginePlace(t, { mongod: { setParameter: { enableTestCommands: true } } });
  const source = await place.source.connect();
  const db = source.db('d');
  const archive = startArchive({ ...place.context, source: { ...place.context.source, archive: { every: 100, bytes: 4096 } } });
  await db.collection<{ _id: number }>('c').insertMany(Array.from({ length: 500 }, (_, i) => ({ _id: i, n: i, tags: ['a'] })));
  await db.collection('c').createIndex({ n: 1 });
  const committed = await prepare(source, [9_101, 9_102]);
  const aborted = await prepare(source, [9_201]);
  // All of it lies before the base's start, and behind where its log begins.
  const over = [await prepare(source, [9_301]), await prepare(source, [9_401])] as const;
  await over[0].commit();
  await over[1].abort();
  await db.collection('c').updateOne({ _id: 400 as never }, { $set: { n: -1 } });
  // Who reads what is prepared waits for how it ends: the base has its instant, and is read behind that.
  const plan = await planDump(place.context, backupInput('b1'));
  await db.collection('c').insertOne({ _id: 9_002 as never });
  await committed.commit(timestampOf(await positionNow(source)));
  await aborted.abort();
  const groups = [];
  for (const { group } of plan.groups) groups.push(await dumpGroup(place.context, { ...ref, plan, epoch: 1, group }));
  await sealBackup(place.context, { ...ref, plan, epoch: 1, groups });
  await db.collection('c').updateMany({ _id: { $lt: 100 } as never }, { $inc: { n: 1 }, $push: { tags: 'b' } } as never);
  await db.collection('c').deleteMany({ _id: { $gt: 450, $lt: 9_000 } as never });
  await db.createCollection('series', { timeseries: { timeField: 'at', metaField: 'm' } });
  await db.collection('series').insertMany(Array.from({ length: 40 }, (_, i) => ({ at: new Date(1_763_700_000_000 + i * 1000), m: i % 3, v: i })));
  await db.collection('old').insertOne({ x: 1 });
  await db.renameCollection('old', 'renamed');
  await db.admin().command({ appendOplogNote: 1, data: { of: 'no effect' } });
  await source.withSession(async (session) => await session.withTransaction(async () => {
    await db.collection('c').insertOne({ _id: 9_001 as never, inTransaction: true }, { session });
    await source.db('e').collection('c').insertOne({ _id: 1 as never }, { session });
  }));
  await db.createCollection('aView', { viewOn: 'c', pipeline: [] });
  const position = await positionNow(source);
  const expected = await stateOf(source, ['d', 'e']);
  await db.collection('c').insertOne({ _id: 'behind the limit' as never });
  await archivedUpTo(place.context, await positionNow(source));
  await archive.stop();
  const point = await pointAt(place.context, position);
  const { start } = point.base;

  const log = await source.db('local').collection('oplog.rs').find().sort({ $natural: 1 }).toArray() as unknown as LogEntry[];
  const prepared = log.filter(({ o }) => o['prepare'] !== undefined);
  assert.equal(prepared.length, 4);
  assert.ok(prepared.every(({ ts }) => positionOf(ts) <= start), 'all were prepared before the base began');
  const due = log.filter(({ ts, op, ns }) => positionOf(ts) > start && positionOf(ts) <= position && op !== 'n' && !ns.startsWith('config.'));
  assert.ok(due.length > 150, `${due.length} of ${log.length} entries`);
  const wanted = [...prepared.slice(0, 2), ...due].map(({ ts }) => positionOf(ts));

  const directory = join(tempDir(t, 'holdfast-export-'), 'private');
  await mkdir(directory, { mode: 0o700 });
  for (const [form, gzip] of [['archive', false], ['folder', true]] as const) {
    const path = join(directory, `an odd name, ${form} ${gzip}`);
    const { hasLog, restoreCommand } = await exportTo(place.context, point, { path, form, gzip });
    assert.equal(hasLog, true);
    const written = form === 'archive' ? readArchive(readFileSync(path)).documents.get('/oplog')! : gunzipSync(readFileSync(join(path, 'oplog.bson')));
    const found = [...splitDocuments(written)].map((raw) => BSON.deserialize(raw) as unknown as LogEntry);
    assert.deepEqual(found.map(({ ts }) => positionOf(ts)), wanted, form);
    if (!withPrograms.skip) {
      // The command that it tells people is the one that is run, by a shell.
      const server = await startMongod(t, { replicaSet: 'rs9' });
      await run('/bin/sh', ['-c', `${restoreCommand} --quiet --port ${server.port}`]);
      assert.deepEqual((await stateOf(await server.connect(), ['d', 'e'])).databases, expected.databases, path);
      await server.stop();
    }
  }
  await importDump(place.context, join(directory, 'an odd name, archive false'), 'i1');
  assert.deepEqual((await recover(place, await importedPoint(place.context, 'i1'))).validation.problems, []);
  assert.deepEqual((await stateOf(await place.connectTarget(), ['d', 'e'])).databases, expected.databases);
});

test('whatever way the real mongodump dumps, it is imported, and exported to a whole archive', withPrograms, async (t) => {
  const place = await enginePlace(t);
  const server = await restoreByTool(t, ['--gzip', `--archive=${underLoad}`, '--oplogReplay']);
  const address = server.options.hosts[0]!;
  const directory = tempDir(t, 'holdfast-dumps-');
  for (const [form, args] of [['archive', [`--archive=${join(directory, 'archive')}`, '--oplog']], ['gz', [`--archive=${join(directory, 'gz')}`, '--gzip']], ['folder', ['--out', join(directory, 'folder'), '--gzip', '--oplog']]] as const) {
    await run(mongodump!, ['--port', String(address.port), '--quiet', ...args]);
    await importDump(place.context, join(directory, form), form);
    const contents = await exportContents(place.context, await importedPoint(place.context, form), '0.1.0');
    const bytes = await buffer(Readable.from(archiveBytes(contents), { objectMode: false }));
    const parser = new ArchiveParser(form);
    for (const event of parser.push(bytes)) assert.ok(event.kind !== 'prelude' || event.prelude.entries.length > 10);
    parser.end();
  }
});

test('what the real program wrote, imported and exported again, has its names and its bytes, file by file and namespace by namespace', async (t) => {
  const place = await storePlace(t);
  const folder = await unpackedFolder(t);
  await importDump(place.context, folder, 'i1');
  const point = await importedPoint(place.context, 'i1');
  const directory = tempDir(t, 'holdfast-export-');
  await chmod(directory, 0o700);
  const filesOf = async (root: string): Promise<string[]> => (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name))).sort();

  await exportTo(place.context, point, { path: join(directory, 'folder'), form: 'folder', gzip: false });
  // It was written database by database, so what is of all databases lies in one of them there, without metadata, and apart in ours; a prelude names the program that wrote it.
  const originals = new Map((await filesOf(folder)).filter((name) => !name.endsWith('prelude.json')).map((name) => [name.replace(/^fixture\/\$admin\./, 'admin/'), readFileSync(join(folder, name))]));
  const requireOriginal = (name: string, written: Buffer): void => assert.ok(originals.get(name)?.equals(written), `${name}: ${written.toString('latin1').slice(0, 500)}`);
  const isOurs = (name: string): boolean => /^(prelude\.json|admin\/.*\.metadata\.json)$/.test(name);
  const written = (await filesOf(join(directory, 'folder'))).filter((name) => !isOurs(name));
  assert.ok(written.length > 20);
  assert.deepEqual(written, [...originals.keys()].sort());
  for (const name of written) requireOriginal(name, readFileSync(join(directory, 'folder', name)));

  await exportTo(place.context, point, { path: join(directory, 'archive'), form: 'archive', gzip: false });
  const { documents, metadata } = readArchive(readFileSync(join(directory, 'archive')));
  assert.deepEqual([...metadata.keys()].filter((name) => !isOurs(name)).sort(), written.filter((name) => name.endsWith('.metadata.json')));
  for (const [name, text] of metadata) if (!isOurs(name)) requireOriginal(name, Buffer.from(text));
  // A collection without documents has a file without bytes, and no documents in an archive.
  assert.deepEqual([...documents.keys()].map((name) => `${name}.bson`).sort(), written.filter((name) => name.endsWith('.bson') && originals.get(name)!.length > 0));
  for (const [name, bytes] of documents) requireOriginal(`${name}.bson`, bytes);

  // An archive with a log, taken under load: its entries too, byte by byte.
  await importDump(place.context, underLoad, 'i2');
  const withLog = await importedPoint(place.context, 'i2');
  const original = readArchive(gunzipSync(readFileSync(underLoad)));
  assert.equal([...splitDocuments(original.documents.get('/oplog')!)].length, 130);
  await exportTo(place.context, withLog, { path: join(directory, 'archive with log'), form: 'archive', gzip: false });
  const again = readArchive(readFileSync(join(directory, 'archive with log')));
  assert.deepEqual([...again.documents.keys()].sort(), [...original.documents.keys()].sort());
  for (const [name, bytes] of original.documents) assert.ok(again.documents.get(name)!.equals(bytes), name);
  for (const [name, text] of original.metadata) if (!isOurs(name)) assert.equal(again.metadata.get(name), text);
  await exportTo(place.context, withLog, { path: join(directory, 'folder with log'), form: 'folder', gzip: false });
  for (const [name, bytes] of original.documents) assert.ok(readFileSync(join(directory, 'folder with log', `${name}.bson`)).equals(bytes), name);
});

test('an export asks for a directory of its owner’s alone, never writes over what is there, and leaves nothing when it is refused', async (t) => {
  const place = await storePlace(t);
  await importDump(place.context, await unpackedFolder(t), 'i1');
  const point = await importedPoint(place.context, 'i1');
  const directory = tempDir(t, 'holdfast-export-');
  const path = join(directory, 'out');
  await chmod(directory, 0o755);
  await assert.rejects(exportTo(place.context, point, { path, form: 'archive', gzip: false }), { name: 'BadInput', message: /0700.*found 755.*chmod 700/s });
  await chmod(directory, 0o700);
  await exportTo(place.context, point, { path, form: 'archive', gzip: false });
  for (const form of ['archive', 'folder'] as const) await assert.rejects(exportTo(place.context, point, { path, form, gzip: false }, 'run-2'), { name: 'BadInput', message: /expected nothing there/ });
  await symlink('/nowhere', join(directory, 'link'));
  await assert.rejects(exportTo(place.context, point, { path: join(directory, 'link'), form: 'archive', gzip: false }, 'run-2'), { name: 'BadInput', message: /expected nothing there/ });
  assert.deepEqual((await readdir(directory)).sort(), ['link', 'out']);
});
