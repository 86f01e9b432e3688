import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { BSON } from 'mongodb';
import { encodeBlockStart, encodeNamespaceEnd, encodePrelude, terminator, type PreludeEntry } from '../../../../../activities/engines/mongodb/mongodump/archive-format.ts';
import { Crc64 } from '../../../../../activities/engines/mongodb/mongodump/crc64.ts';
import { encodeMetadata } from '../../../../../activities/engines/mongodb/mongodump/metadata.ts';
import { planImport } from '../../../../../activities/engines/mongodb/mongodump/plan-import.ts';
import { describeError, HoldfastError } from '../../../../../workflows/domain/errors.ts';
import { collect } from '../../../../conformance/store.ts';
import { ref, storePlace, type StorePlace } from '../../../../harness/engine-place.ts';
import { tempDir } from '../../../../harness/temp-dir.ts';
import { underLoad, unpackedFolder } from './dump-place.ts';

const plan = (place: StorePlace, path: string) => planImport(place.context, { ...ref, backup: 'i1', epoch: 1, path, why: 'test', requestedBy: 'test' });

async function refusal(place: StorePlace, path: string): Promise<{ message: string; hint: string | null }> {
  const error = await plan(place, path).then(() => undefined, (thrown: unknown) => thrown);
  assert.ok(error instanceof HoldfastError, `${path}: ${String(error)}`);
  assert.deepEqual([error.type, error.retryable], ['BadInput', false], error.message);
  assert.deepEqual(await collect(place.context.store, ''), [], 'nothing is in the store');
  return describeError(error);
}

const entry = (collection: string): PreludeEntry => ({
  db: 'd',
  collection,
  metadata: encodeMetadata({ options: {}, indexes: [], uuid: undefined, collectionName: collection, type: 'collection' }),
  size: 0,
  type: 'collection',
});

/** One namespace of an archive: its documents and its end. */
function block(db: string, collection: string, documents: object[]): Buffer {
  const crc = new Crc64();
  const raw = documents.map((document) => Buffer.from(BSON.serialize(document)));
  for (const bytes of raw) crc.add(bytes);
  return Buffer.concat([encodeBlockStart({ db, collection }), ...raw, terminator, encodeNamespaceEnd({ db, collection }, crc.value())]);
}

const prelude = (entries: PreludeEntry[]): Buffer => encodePrelude({ concurrentCollections: 1, serverVersion: '6.0.5', toolVersion: '100.9.4', entries });
const logEntry: PreludeEntry = { db: '', collection: 'oplog', metadata: '', size: 0, type: '' };

test('an archive that is not one, is damaged or cut off, is refused with its place, what stood there and what was expected', async (t) => {
  const place = await storePlace(t);
  const directory = tempDir(t, 'holdfast-bad-');
  const whole = gunzipSync(readFileSync(underLoad));
  const flipped = Buffer.from(whole);
  flipped[whole.length >> 1]! ^= 1;
  const cases: [string, Buffer, RegExp][] = [
    ['empty', Buffer.alloc(0), /byte 0: expected the first bytes of a mongodump archive, found the end of the file/],
    ['wrong-magic', Buffer.concat([Buffer.from('PK\x03\x04'), whole.subarray(4)]), /byte 0: expected the first bytes of a mongodump archive \(6de29981\), found 504b0304/],
    ['truncated', whole.subarray(0, whole.length - 100), /byte \d+: expected .*, found the end of the file/],
    ['truncated-gzip', readFileSync(underLoad).subarray(0, 5_000), /byte \d+: expected gzip that goes on to its end, found: unexpected end of file/],
    ['damaged-gzip', Buffer.concat([gzipSync(whole).subarray(0, 2_000), Buffer.alloc(2_000, 7)]), /byte \d+: expected .*, found /],
    ['flipped', flipped, /byte \d+: expected .*, found /],
    ['version', Buffer.concat([whole.subarray(0, 4), BSON.serialize({ concurrent_collections: 4, version: '0.2', server_version: '9', tool_version: '200' }), terminator]), /byte 4: expected archive version 0\.1, found version 0\.2/],
    ['unknown-collection', Buffer.concat([prelude([entry('a')]), block('d', 'a', [{ _id: 1 }]), block('d', 'stranger', [{ _id: 1 }])]), /expected a block of a collection that the prelude names, found one of d\.stranger/],
    ['twice', Buffer.concat([prelude([entry('a'), entry('a')]), block('d', 'a', [{ _id: 1 }])]), /expected each collection once, found d\.a twice/],
    ['silent', Buffer.concat([prelude([entry('a'), entry('b')]), block('d', 'a', [{ _id: 1 }])]), /expected documents \(or the end\) of d\.b, which the prelude names, found the end of the file/],
    ['no-metadata', Buffer.concat([prelude([{ ...entry('a'), metadata: '' }]), block('d', 'a', [])]), /expected metadata of d\.a/],
    ['bad-metadata', Buffer.concat([prelude([{ ...entry('a'), metadata: '{"indexes": 7}' }]), block('d', 'a', [])]), /metadata of d\.a: expected a list of indexes, found 7/],
    ['empty-log', Buffer.concat([prelude([entry('a'), logEntry]), block('d', 'a', [{ _id: 1 }]), block('', 'oplog', [])]), /expected at least the entry of the log that the dump began at, found an empty log/],
    ['bad-log', Buffer.concat([prelude([entry('a'), logEntry]), block('d', 'a', [{ _id: 1 }]), block('', 'oplog', [{ hello: 1 }])]), /expected an entry of the log .*, found another document/],
  ];
  for (const [name, bytes, expected] of cases) {
    const path = join(directory, name);
    writeFileSync(path, bytes);
    const { message } = await refusal(place, path);
    assert.ok(message.startsWith(path), message);
    assert.match(message, expected);
  }
  assert.match((await refusal(place, join(directory, 'nothing'))).message, /nothing: expected a dump, found nothing/);
});

test('a folder whose files do not belong together is refused, and names the file', async (t) => {
  const place = await storePlace(t);
  const database = (folder: string): string => join(folder, 'fixture');
  const cases: [string, (folder: string) => void, RegExp][] = [
    ['metadata of another collection', (folder) => renameBoth(database(folder), 'other'), /other\.metadata\.json: expected metadata of fixture\.other, as its name says, found that of fixture\./],
    ['documents are missing', (folder) => rmSync(join(database(folder), `${one}.bson`)), /\.bson: expected the documents of fixture\..*, which .*metadata\.json describes, found no such file/],
    ['metadata is missing', (folder) => rmSync(join(database(folder), `${one}.metadata.json`)), /expected metadata of fixture\..* found none/],
    ['gzip mixed', (folder) => packOne(join(database(folder), `${one}.bson`)), /expected gzip \(\.gz\), as .*\.bson\.gz beside it is/],
    ['metadata is no JSON', (folder) => writeFileSync(join(database(folder), `${one}.metadata.json`), '{"indexes": ['), /metadata\.json: expected a collection's metadata as Extended JSON/],
    ['documents are cut off', (folder) => writeFileSync(join(database(folder), `${one}.bson`), Buffer.from([100, 0, 0, 0, 2])), /\.bson: byte 5: expected the rest of a document, found the end of the file/],
    ['documents are none', (folder) => writeFileSync(join(database(folder), `${one}.bson`), 'hello world, this is text'), /\.bson: byte 0: expected a document .*, found a length of \d+/],
    ['prelude is none', (folder) => writeFileSync(join(folder, 'prelude.json'), 'hello'), /prelude\.json: expected a JSON object/],
    ['empty', (folder) => rmSync(folder, { recursive: true }), /expected a folder that mongodump wrote/],
  ];
  for (const [name, damage, expected] of cases) {
    const folder = await unpackedFolder(t);
    damage(folder);
    if (name === 'empty') mkdirSync(folder);
    const { message } = await refusal(place, folder);
    assert.match(message, expected, name);
  }
});

/** A collection of the fixture. */
const one = 'indexed';

function renameBoth(directory: string, to: string): void {
  for (const ending of ['bson', 'metadata.json']) renameSync(join(directory, `${one}.${ending}`), join(directory, `${to}.${ending}`));
}

function packOne(path: string): void {
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
  rmSync(path);
}

test('only what lies in an allowed directory is read, by its name and by what the name leads to', async (t) => {
  const place = await storePlace(t);
  const allowed = tempDir(t, 'holdfast-allowed-');
  const outside = tempDir(t, 'holdfast-outside-');
  place.context.system.exchange.directories = [allowed];
  const secret = join(outside, 'secret.archive');
  copyFileSync(underLoad, secret);

  for (const path of [secret, '/etc/passwd', '/etc/no-such-file', `${allowed}/../${outside.split('/').at(-1)}/secret.archive`, `${allowed}-more/x`]) {
    const { message, hint } = await refusal(place, path);
    assert.match(message, /lies in no directory that place exchanges dumps in; these are: /, path);
    assert.match(hint!, /exchange\.directories in systems\/place\.yaml/);
  }
  symlinkSync(secret, join(allowed, 'link.archive'));
  symlinkSync(outside, join(allowed, 'linked'));
  for (const path of ['link.archive', 'linked', 'linked/secret.archive']) assert.match((await refusal(place, join(allowed, path))).message, /leads, by a symbolic link, out of the directories/);

  const folder = join(allowed, 'folder');
  mkdirSync(join(folder, 'd'), { recursive: true });
  symlinkSync(secret, join(folder, 'd', 'a.bson'));
  assert.match((await refusal(place, folder)).message, /a\.bson: expected a file that mongodump wrote, found a symbolic link/);
  rmSync(join(folder, 'd'), { recursive: true });
  symlinkSync(outside, join(folder, 'd'));
  assert.match((await refusal(place, folder)).message, /\/d: expected a file that mongodump wrote, found a symbolic link/);

  place.context.system.exchange.directories = [];
  const { message, hint } = await refusal(place, join(allowed, 'x'));
  assert.match(`${message} ${hint}`, /these are: none name directories of the data workers under exchange\.directories/);

  // A directory that is itself reached by a link allows what lies in it, under either name.
  place.context.system.exchange.directories = [join(outside, 'way')];
  symlinkSync(allowed, join(outside, 'way'));
  rmSync(join(allowed, 'link.archive'));
  linkSync(secret, join(allowed, 'link.archive'));
  chmodSync(allowed, 0o700);
  for (const path of [join(outside, 'way', 'link.archive'), join(allowed, 'link.archive')]) assert.equal((await plan(place, path)).origin.form, 'archive');
});
