import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkSegment, endOf, kindOfFile, makePiece, numberBefore, numberOfName, parseLsn, readPiece, readSegment, segmentName } from '../../../../activities/engines/postgres-physical/segment.ts';
import { TarFiles } from '../../../../activities/engines/postgres-physical/tar-files.ts';
import { ToDisk } from '../../../../activities/engines/postgres-physical/to-disk.ts';
import { checkList, TarWatch } from '../../../../activities/engines/postgres-physical/tar-watch.ts';
import { findVerifier, verifyFiles } from '../../../../activities/engines/postgres-physical/verify-files.ts';
import { findPostgresProgram } from '../../../../activities/tool/find-postgres.ts';
import { postgresMissing } from '../../../harness/postgres.ts';
import { tempDir } from '../../../harness/temp-dir.ts';

const mib16 = 2 ** 24;

/** A segment as its first page says: the rest is nobody's business here. */
function segmentOf({ number, system = 7n, bytes = mib16 }: { number: number; system?: bigint; bytes?: number }): Buffer {
  const plain = Buffer.alloc(bytes);
  plain.writeUInt16LE(0xd116, 0);
  plain.writeUInt16LE(2, 2);
  plain.writeBigUInt64LE(BigInt(number) * BigInt(bytes), 8);
  plain.writeBigUInt64LE(system, 24);
  plain.writeUInt32LE(bytes, 32);
  return plain;
}

test('names of segments count as the log does, at every size of segment', () => {
  for (const bytes of [2 ** 20, mib16, 2 ** 30]) {
    const perFile = 2 ** 32 / bytes;
    for (const number of [0, 1, perFile - 1, perFile, 3 * perFile + 1]) assert.equal(numberOfName(segmentName({ timeline: 17, number, bytes }), bytes), number);
  }
  assert.equal(segmentName({ timeline: 1, number: 0xa7, bytes: mib16 }), '0000000100000000000000A7');
  assert.equal(segmentName({ timeline: 1, number: 256, bytes: mib16 }), '000000010000000100000000');
  assert.ok(segmentName({ timeline: 1, number: 255, bytes: mib16 }) < segmentName({ timeline: 1, number: 256, bytes: mib16 }));
  assert.deepEqual(['0000000100000000000000A7', '00000002.history', '0000000100000000000000A7.00000028.backup', '0000000100000000000000A7.partial', 'A7'].map(kindOfFile), ['segment', 'history', 'backup', 'partial', 'unknown']);
  // A log that ends with a segment does not need the next one.
  assert.equal(numberBefore(parseLsn('0/3000000'), mib16), 2);
  assert.equal(numberBefore(parseLsn('0/3000001'), mib16), 3);
  assert.equal(numberBefore(parseLsn('1/0'), mib16), 255);
});

test('a segment says what it is, and what is none is refused', () => {
  const plain = segmentOf({ number: 300, system: 2n ** 63n + 5n });
  assert.deepEqual(readSegment(plain, 'x'), { system: '9223372036854775813', number: 300, bytes: mib16 });
  const slice = (ordinal: number) => ({ key: 'k', from: `0000000000-${String(ordinal - 1).padStart(10, '0')}`, to: `0000000000-${String(ordinal).padStart(10, '0')}` });
  assert.equal(checkSegment(slice(300), plain), 1);
  assert.throws(() => checkSegment(slice(301), plain), /is of WAL segment 300, and not 301/);
  assert.throws(() => readSegment(plain.subarray(0, 20), 'x'), /it has 20 bytes/);
  assert.throws(() => readSegment(plain.subarray(0, 8192), 'x'), /it has 8192 bytes of 16777216/);
  assert.throws(() => readSegment(Buffer.alloc(mib16), 'x'), /no long header/);
});

test('pieces of a segment say where they belong, and a slice’s name whether one ends it', () => {
  const system = '9223372036854775813';
  const at = (seconds: number, ordinal: number): string => `${String(seconds).padStart(10, '0')}-${String(ordinal).padStart(10, '0')}`;
  const lsn = 300n * BigInt(mib16);
  const first = makePiece({ lsn, system, segmentBytes: mib16 }, [Buffer.alloc(1000, 1), Buffer.alloc(24, 2)]);
  const last = makePiece({ lsn: lsn + 1024n, system, segmentBytes: mib16 }, [Buffer.alloc(mib16 - 1024, 3)]);
  assert.deepEqual([readPiece(first, 'x').number, readPiece(first, 'x').offset, readPiece(first, 'x').body.length, endOf(readPiece(first, 'x'))], [300, 0, 1024, lsn + 1024n]);
  assert.equal(endOf(readPiece(last, 'x')), 301n * BigInt(mib16));
  // A position counts segments that are whole: 299 of them, until the last piece of 300 has come.
  assert.equal(checkSegment({ key: 'k', from: at(5, 299), to: at(6, 299) }, first), 1);
  assert.equal(checkSegment({ key: 'k', from: at(6, 299), to: at(6, 300) }, last), 1);
  assert.throws(() => checkSegment({ key: 'k', from: at(5, 299), to: at(6, 300) }, first), /does not end WAL segment 300/);
  assert.throws(() => checkSegment({ key: 'k', from: at(5, 300), to: at(6, 300) }, first), /is of WAL segment 300, and not 301/);
  assert.throws(() => makeAndRead(lsn + 1024n, mib16), /no piece of a WAL segment/);

  function makeAndRead(from: bigint, bytes: number): void {
    readPiece(makePiece({ lsn: from, system, segmentBytes: mib16 }, [Buffer.alloc(bytes)]), 'x');
  }
});

/** A tar as pg_basebackup writes one. */
function tarOf(files: Record<string, Buffer | { type: string; target?: string }>): Buffer {
  const blocks = Object.entries(files).flatMap(([path, of]) => {
    const header = Buffer.alloc(512);
    header.write(path, 0, 'latin1');
    if (!Buffer.isBuffer(of)) {
      header.write('0000700', 100);
      header.write(of.type, 156);
      header.write(of.target ?? '', 157);
      return [header];
    }
    const content = of;
    header.write('0000640', 100);
    header.write(content.length.toString(8).padStart(11, '0'), 124);
    header.write('0', 156);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function manifestOf(files: { Path: string; Size: number }[]): Buffer {
  const head = `{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": ${JSON.stringify(files)},\n"WAL-Ranges": [\n{ "Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000100" }\n],\n`;
  return Buffer.from(`${head}"Manifest-Checksum": "${createHash('sha256').update(head).digest('hex')}"}\n`);
}

test('of a base that passes, in pieces of any size, what the server lists must be there', () => {
  const files = { 'base/1/1': Buffer.alloc(1000, 1), 'base/1/2': Buffer.alloc(0), 'global/pg_control': Buffer.alloc(512, 2) };
  const listed = Object.entries(files).map(([Path, { length: Size }]) => ({ Path, Size }));
  const pass = (tar: Buffer, piece: number) => {
    const watch = new TarWatch();
    for (let at = 0; at < tar.length; at += piece) watch.add(tar.subarray(at, at + piece));
    const { text, at } = watch.list();
    return { ...checkList(text, [watch]), list: { at, bytes: text.length } };
  };
  for (const piece of [1, 7, 512, 1000, 1e6]) {
    const tar = tarOf({ ...files, backup_manifest: manifestOf(listed) });
    const { list, ...said } = pass(tar, piece);
    assert.deepEqual(said, { timeline: 1, startLsn: '0/2000028', endLsn: '0/2000100', files: 3 });
    assert.ok(tar.subarray(list.at, list.at + list.bytes).equals(manifestOf(listed)), 'where its list lies');
  }
  assert.throws(() => pass(tarOf(files), 512), /backup_manifest\) is missing/);
  const { 'base/1/1': _gone, ...fewer } = files;
  assert.throws(() => pass(tarOf({ ...fewer, backup_manifest: manifestOf(listed) }), 512), /base\/1\/1 has 1000 bytes by the server's list, and did not come/);
  assert.throws(() => pass(tarOf({ ...files, 'base/1/1': Buffer.alloc(999), backup_manifest: manifestOf(listed) }), 512), /and 999 came/);
  const altered = Buffer.from(manifestOf(listed).toString().replace('0/2000100', '0/2000200'));
  assert.throws(() => pass(tarOf({ ...files, backup_manifest: altered }), 512), /does not have the checksum/);
});

test('a base is unpacked, in pieces of any size, byte for byte; nothing leads out of its directory, and one that is cut is no base', async (t) => {
  const files = { 'base/1/1': Buffer.alloc(1000, 1), 'base/1/2': Buffer.alloc(0), 'base/1/large': Buffer.alloc(3 * 2 ** 20 + 5, 7), 'caf\u00e9': Buffer.from('by its bytes') };
  const folders = { './': { type: '5' }, 'base': { type: '5' }, 'base/1/': { type: '5' }, 'pg_tblspc': { type: '5' }, 'pg_tblspc/16400': { type: '2', target: '/srv/space' } };
  const unpack = async (tar: Buffer, piece = 512): Promise<string> => {
    const directory = tempDir(t);
    const toDisk = new ToDisk();
    const to = new TarFiles(directory, 'the tar', toDisk);
    try {
      for (let at = 0; at < tar.length; at += piece) await to.add(tar.subarray(at, at + piece));
      to.end();
      await toDisk.end();
    } finally {
      await to.leave();
      await toDisk.leave();
    }
    return directory;
  };
  for (const piece of [7, 512, 1e6]) {
    const directory = await unpack(tarOf({ ...folders, ...files }), piece);
    for (const [path, content] of Object.entries(files)) assert.ok(readFileSync(Buffer.from(join(directory, path), 'latin1')).equals(content), path);
    assert.deepEqual([statSync(join(directory, 'base/1/1')).mode & 0o777, statSync(join(directory, 'base/1')).mode & 0o777, readlinkSync(join(directory, 'pg_tblspc/16400'))], [0o640, 0o700, '/srv/space']);
  }
  for (const cut of [700, 512 + 1000, 512 + 1024]) await assert.rejects(unpack(tarOf({ one: Buffer.alloc(1000) }).subarray(0, cut)), /ends too early/);
  const outside = tempDir(t);
  for (const name of ['../out', '/out', 'base/../../out']) await assert.rejects(unpack(tarOf({ [name]: Buffer.alloc(1) })), /leads out of its directory/);
  await assert.rejects(unpack(tarOf({ link: { type: '2', target: join(outside, 'out') }, 'link/': Buffer.alloc(1) })), /comes twice/);
  assert.equal(existsSync(join(outside, 'out')), false);
  await assert.rejects(unpack(tarOf({ device: { type: '3' } })), /neither file nor directory nor link/);
});

test('files that are not what the server sent are damage; a check that is killed, or cannot read, is tried again, and what it lacks is named before', async (t) => {
  const missing = await postgresMissing();
  if (missing) return t.skip(missing);
  const base = tempDir(t);
  mkdirSync(join(base, 'pg_wal'));
  writeFileSync(join(base, 'kept'), Buffer.alloc(1000, 1));
  const says = async (type: string, message: RegExp): Promise<void> => await assert.rejects(verifyFiles(await findVerifier(17), { backup: 'b1' }, base), { type, message });
  const lists = (...files: { Path: string; Size: number }[]): void => writeFileSync(join(base, 'backup_manifest'), manifestOf(files));
  lists({ Path: 'kept', Size: 1001 });
  await says('Tampered', /^backup b1 is not what its server sent: .*"kept" has size 1000 on disk but size 1001 in the manifest.* HINT: take another recovery point/s);
  lists({ Path: 'kept', Size: 1000 }, { Path: 'gone', Size: 1 });
  await says('Tampered', /"gone" is present in the manifest but not on disk/);
  lists();
  await says('Tampered', /"kept" is present on disk but not in the manifest/);
  writeFileSync(join(base, 'backup_manifest'), manifestOf([]).toString().replace('0/2000100', '0/2000200'));
  await says('Tampered', /manifest checksum mismatch/);
  lists({ Path: 'kept', Size: 1000 });
  await says('Tampered', /could not (locate|find) .*WAL parsing failed/s);

  const before = process.env['HOLDFAST_PG_VERIFYBACKUP'];
  t.after(() => void (before === undefined ? delete process.env['HOLDFAST_PG_VERIFYBACKUP'] : (process.env['HOLDFAST_PG_VERIFYBACKUP'] = before)));
  const real = (await findPostgresProgram('pg_verifybackup', 17, 'same')).path;
  const bin = tempDir(t);
  const plant = (name: string, ends: string): string => {
    const path = join(bin, name);
    writeFileSync(path, `#!/bin/sh\n[ "$1" = --version ] && exec ${real} --version\n${ends}\n`, { mode: 0o755 });
    return path;
  };
  const waldump = plant('pg_waldump', '');
  for (const [ends, type, message] of [
    ['kill -9 $$', 'ToolFailed', /was ended by SIGKILL/],
    [`echo 'pg_verifybackup: error: could not read file "kept": Input/output error' >&2; exit 1`, 'ToolFailed', /Input\/output error/],
    // As where pg_waldump alone was killed.
    ["echo 'pg_verifybackup: error: WAL parsing failed for timeline 1' >&2; exit 1", 'ToolFailed', /WAL parsing failed/],
    ["echo 'checksum mismatch for file \"kept\"' >&2; exit 127", 'ToolFailed', /ended with code 127/],
    [`echo 'pg_verifybackup: error: program "pg_waldump" was found by "x" but was not the same version as pg_verifybackup' >&2; exit 1`, 'ToolMissing', /HINT: install the whole of PostgreSQL 17/],
  ] as const) {
    process.env['HOLDFAST_PG_VERIFYBACKUP'] = plant('pg_verifybackup', ends);
    await says(type, message);
  }
  rmSync(waldump);
  await assert.rejects(findVerifier(17), { type: 'ToolMissing', message: /reads the WAL of a base by \S+\/pg_waldump, which is no program that can be run HINT: install the whole of PostgreSQL 17 \(Debian: postgresql-17\)/ });
});
