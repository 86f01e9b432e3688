import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { BSON } from 'mongodb';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { runTool } from '../../../activities/tool/run-tool.ts';
import { newGpgPair } from '../../harness/gpg.ts';
import { startKms } from '../../harness/kms.ts';
import { openerProgram, openerPython } from '../../harness/opener.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { backUpByTool, tar, toolPlace } from '../../harness/tool-place.ts';

/** The kept backup of format 1: what opens it must open it for ever. */
const fixture = join(import.meta.dirname, '..', '..', 'fixtures', 'format-1');
const secrets = JSON.parse(readFileSync(join(fixture, 'test-keys.json'), 'utf8')) as Record<string, string>;
const python = await openerPython();
const skip = 'missing' in python ? python.missing : false;

function place(t: TestContext, change: { key?: string; publicKey?: string } = {}) {
  const directory = tempDir(t);
  const store = join(directory, 'store');
  cpSync(join(fixture, 'store'), store, { recursive: true });
  writeFileSync(join(directory, 'system.key'), change.key ?? secrets['${KEY}']!);
  writeFileSync(join(directory, 'signing.pub'), change.publicKey ?? secrets['${PUBLIC}']!);
  const out = join(directory, 'opened');
  const args = ['--directory', store, '--system', 'place', '--source', 'documents', '--out', out,
    '--key-file', join(directory, 'system.key'), '--public-key', join(directory, 'signing.pub')];
  const run = async (extra: string[] = []) => await runTool({ path: (python as { path: string }).path }, [openerProgram, ...args, ...extra], { timeoutMs: 60_000 });
  const one = (pattern: string): string => join(store, globSync(pattern, { cwd: store, exclude: (name) => name.endsWith('.lock') }).sort()[0]!);
  return { out, run, one };
}

const documentsIn = (bytes: Buffer): Buffer[] => {
  const documents: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readInt32LE(at)) documents.push(bytes.subarray(at, at + bytes.readInt32LE(at)));
  return documents;
};

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
}

test('a backup opens without Holdfast: every document, its options, and the log behind it', { skip, timeout: 120_000 }, async (t) => {
  const { out, run, one } = place(t);
  const { stdout } = await run();
  assert.match(stdout, /library\.books {2}400 documents {2}as proved/);

  const { body: manifest } = JSON.parse(readFileSync(one('holdfast/place/documents/*/backups/format-1/manifest.json@/*'), 'utf8')) as {
    body: { units: { name: string; documents: number; hashSum: string | null }[] };
  };
  assert.equal(manifest.units.length, 4);
  for (const unit of manifest.units) {
    const [database, ...rest] = unit.name.split('.');
    const documents = documentsIn(readFileSync(join(out, database!, `${rest.join('.')}.bson`)));
    const sum = documents.reduce((total, document) => total + BigInt(`0x${createHash('sha256').update(document).digest('hex')}`), 0n) % 2n ** 256n;
    assert.equal(documents.length, unit.documents);
    if (unit.hashSum !== null) assert.equal(sum.toString(16).padStart(64, '0'), unit.hashSum);
  }
  const detail = JSON.parse(readFileSync(join(out, 'library', 'books.detail.json'), 'utf8')) as { indexes: unknown[] };
  assert.equal(detail.indexes.length, 2);
  assert.equal(statSync(out).mode & 0o777, 0o700);

  const expected = JSON.parse(readFileSync(join(fixture, 'expected.json'), 'utf8')) as { position: string };
  const last = BSON.deserialize(documentsIn(readFileSync(join(out, 'log.bson'))).at(-1)!) as { ts: BSON.Timestamp };
  assert.equal(`${String(last.ts.t).padStart(10, '0')}-${String(last.ts.i).padStart(10, '0')}`, expected.position);
});

const damages: { what: string; change?: { key?: string; publicKey?: string }; pattern?: string; says: RegExp }[] = [
  { what: 'a flipped bit in a part', pattern: 'holdfast/place/documents/*/backups/format-1/parts/*/*/*@/*', says: /parts\/.*not the bytes that were written/ },
  { what: 'a flipped bit in an index', pattern: 'holdfast/place/documents/*/backups/format-1/groups/*@/*', says: /groups\/.*not the bytes that were written/ },
  { what: 'a flipped bit in a slice', pattern: 'holdfast/place/documents/*/slices/*0000000504_*@/*', says: /slices\/.*does not open/ },
  { what: 'the key of another system', change: { key: 'ab'.repeat(32) }, says: /does not open under key/ },
  { what: 'a key that is none', change: { key: 'secret' }, says: /64 hex digits/ },
  {
    what: 'a signature that is not trusted',
    change: { publicKey: '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n' },
    says: /left out: .*manifest\.json: signed by key .*\n.*no backup/,
  },
];

for (const { what, change, pattern, says } of damages) {
  test(`${what} is named, and the opener ends with 1`, { skip, timeout: 120_000 }, async (t) => {
    const { run, one } = place(t, change);
    if (pattern) flip(one(pattern));
    await assert.rejects(run(), (failure: unknown) => {
      assert.ok(failure instanceof HoldfastError);
      assert.match(failure.message, /ended with code 1/);
      assert.match(failure.message, says);
      assert.doesNotMatch(failure.message, /Traceback/);
      return true;
    });
  });
}

test('what a program dumped opens as it was written, and is named without proof', { skip, timeout: 60_000 }, async (t) => {
  const content = randomBytes(20_000_000);
  const tools = toolPlace(t, { ...tar, dump: { argv: ['cat', '{{uri}}/large'] } });
  writeFileSync(join(tools.sourcePath, 'large'), content);
  await backUpByTool(await tools.open(), 'b1');
  const out = join(tools.directory, 'opened');
  const { stdout } = await runTool({ path: (python as { path: string }).path }, [
    openerProgram, '--directory', tools.storePath, '--system', 'tools', '--source', 'files', '--out', out,
    '--key-file', join(tools.directory, 'aes'), '--public-key', join(tools.directory, 'public'),
  ]);
  assert.match(stdout, /files\.stream {2}20000000 bytes of cat \(tar .*\) {2}no proof: only cat knows what is in its dump/);
  assert.ok(readFileSync(join(out, 'files.stream')).equals(content));
});

test('without the system’s key it opens by whoever else it was wrapped for: gpg, age, KMS; and what the system has not signed it does not believe', { skip, timeout: 120_000 }, async (t) => {
  const kms = await startKms(t);
  const pair = await newGpgPair(t);
  const privateKey = await generateX25519Identity();
  const publicKey = await identityToRecipient(privateKey);
  const keyId = 'missing' in kms ? undefined : await kms.createKey();
  const tools = toolPlace(t, { ...tar, dump: { argv: ['cat', '{{uri}}/large'] } }, ({ key }) => {
    key.recipients = {
      paper: { kind: 'age', publicKey },
      ...(pair ? { ops: { kind: 'gpg' as const, publicKey: 'file:ops.asc' } } : {}),
      ...('missing' in kms ? {} : { cloud: { kind: 'kms' as const, keyId: keyId!, region: kms.settings.region, endpoint: kms.settings.endpoint!, credentials: { accessKeyId: 'file:access', secretAccessKey: 'file:access' } } }),
    };
  });
  for (const [name, content] of [['ops.asc', pair?.publicKey], ['paper.key', privateKey], ['access', 'test']] as const) if (content !== undefined) tools.secret(name, content);
  const content = randomBytes(200_000);
  writeFileSync(join(tools.sourcePath, 'large'), content);
  await backUpByTool(await tools.open(), 'b1');
  const age = `${process.execPath} ${join(import.meta.dirname, '..', '..', 'harness', 'age-decrypt.ts')} ${join(tools.directory, 'paper.key')}`;
  const open = async (name: string, args: string[]): Promise<boolean> => {
    const out = join(tools.directory, name);
    await runTool({ path: (python as { path: string }).path }, [
      openerProgram, '--directory', tools.storePath, '--system', 'tools', '--source', 'files', '--out', out, '--public-key', join(tools.directory, 'public'), ...args,
    ], { env: { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }, timeoutMs: 60_000 });
    return readFileSync(join(out, 'files.stream')).equals(content);
  };
  assert.ok(await open('by-age', ['--unwrap-with', age]));
  if (pair) assert.ok(await open('by-gpg', ['--unwrap-with', `${pair.program} --homedir ${pair.home} --batch --no-tty --decrypt`]));
  if (!('missing' in kms)) assert.ok(await open('by-kms', ['--kms-region', kms.settings.region, '--kms-endpoint', kms.settings.endpoint!]));
  await assert.rejects(open('by-nothing', []), /64 hex digits/);
  await assert.rejects(open('by-false', ['--unwrap-with', 'false']), /paper\.json: false does not open it/);
  await assert.rejects(open('by-echo', ['--unwrap-with', 'echo []']), /paper\.json: opens to something that is no key/);
  const paper = join(tools.storePath, globSync('holdfast/tools/files/*/backups/b1/keys/*.paper.json@/*', { cwd: tools.storePath, exclude: (name) => name.endsWith('.lock') })[0]!);
  const { signature: _, ...unsigned } = JSON.parse(readFileSync(paper, 'utf8')) as Record<string, unknown>;
  writeFileSync(paper, JSON.stringify(unsigned));
  await assert.rejects(open('by-unsigned', ['--unwrap-with', age]), /paper\.json: is not signed/);
});
