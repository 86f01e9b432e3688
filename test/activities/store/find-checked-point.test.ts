import assert from 'node:assert/strict';
import { readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { findCheckedPoint } from '../../../activities/store/find-checked-point.ts';
import { encodeKey } from '../../../activities/store/local-names.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { parseRangeKey } from '../../../workflows/domain/layout.ts';
import type { HoldfastError } from '../../../workflows/domain/errors.ts';
import { describeCheck } from '../../../workflows/domain/point-check.ts';
import type { RecoveryTarget } from '../../../workflows/domain/recovery-point.ts';
import { hours, minutes } from '../../../workflows/domain/units.ts';
import { at } from '../../harness/catalogs.ts';
import { writeWorld, type WorldObject } from '../../harness/hostile-world.ts';
import { keysFrom, newSecrets } from '../../harness/keys.ts';
import { rewriteFile } from '../../harness/rewrite-file.ts';
import { contextOf } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

// What each kind of damage does is in hostile.test.ts; here is what a check reads, and what it says of that.

async function place(t: TestContext) {
  const path = tempDir(t);
  const secrets = newSecrets();
  const keys = await keysFrom(secrets);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  const world = await writeWorld(store, keys);
  const fileOf = ({ key, versionId }: WorldObject): string => join(path, 'p', `${encodeKey(key)}@`, versionId);
  const flip = async (object: WorldObject): Promise<void> => {
    const bytes = await readFile(fileOf(object));
    bytes[bytes.length >> 1]! ^= 1;
    await rewriteFile(fileOf(object), bytes);
  };
  const find = async (target: RecoveryTarget = {}, readForMs = Infinity, by = keys, avoid: string[] = []) =>
    await findCheckedPoint(contextOf(store, by), target, { readForMs, engine: { verifySlice }, avoid });
  return { store, keys, secrets, world, fileOf, flip, find };
}

test('with no time to read, all is listed, and what was not read is said', async (t) => {
  const { find, flip, world, fileOf, keys } = await place(t);
  await flip(world['middle slice']);
  await flip(world.part);
  const point = await find({}, 0);
  assert.equal(point.base.backup, 'b80');
  assert.deepEqual([point.checked!.parts, point.checked!.log], [{ read: 0, of: 4 }, { slices: 0, to: null, whole: false }]);
  assert.match(describeCheck(point), /^read and authenticated 0 parts and 0 slices .*; not 4 of 4 parts \(listed at their versions\), nor the log: these are authenticated when they are used$/);
  // The restore is who meets the part, on a target that it has touched; the same moment is reached by the base before.
  const older = await find({}, 0, keys, ['b80']);
  assert.deepEqual([older.base.backup, older.limit], ['b60', point.limit]);
  await truncate(fileOf(world['other part']), 100);
  const listed = await find({}, 0);
  assert.equal(listed.base.backup, 'b60', 'a listing knows sizes');
  assert.match(describeCheck(listed), /Not believed, and not needed: .*b80\/manifest.json: its .*: 100 bytes, expected \d+$/);
});

test('all was read within a minute, however far the wall clock leaps meanwhile, and the summary says so', async (t) => {
  const { find } = await place(t);
  let leapsMs = Date.now();
  t.mock.method(Date, 'now', () => (leapsMs += hours(6)));
  const point = await find({}, minutes(1));
  assert.ok(point.checked!.tookMs < minutes(1), `${point.checked!.tookMs} ms`);
  assert.match(describeCheck(point), /^read and authenticated 4 parts and 4 slices \([\d.]+ KiB\) in \S+: all of it$/);
});

test('a target between the bases is checked with the base and the log that it needs, and what lies behind it does not matter', async (t) => {
  const { find, flip, world } = await place(t);
  await flip(world['middle slice']);
  const point = await find({ targetPosition: at(80) });
  assert.deepEqual([point.base.backup, point.checked!.log], ['b60', { slices: 3, to: at(85), whole: true }]);
  await flip(world['slice before the newest base']);
  await assert.rejects(find({ targetPosition: at(80) }), (error: HoldfastError) => {
    assert.equal(error.type, 'Tampered');
    assert.ok(error.message.includes(world['slice before the newest base'].key), error.message);
    assert.deepEqual([error.details['nearestBefore'], error.details['nearestAfter']], [at(66), at(81)]);
    assert.match(error.message, /HINT: nearest good points: before it 2025-11-21T03:00:06Z\.5 \(target position .*\); after it 2025-11-21T03:00:08Z\.0 \(target position/);
    return true;
  });
});

test('every base that reaches the moment is damaged: all are named', async (t) => {
  const { find, flip, world } = await place(t);
  await flip(world['newest manifest']);
  await flip(world['other manifest']);
  await assert.rejects(find(), (error: HoldfastError) => {
    for (const kind of ['newest manifest', 'other manifest'] as const) assert.ok(error.message.includes(world[kind].key), error.message);
    assert.match(error.message, /HINT: .*it was timeline t00000001: ask for target position/);
    return true;
  });
});

test('a wrong key is the key’s fault, not that of what it does not open', async (t) => {
  const { find, secrets } = await place(t);
  const other = await keysFrom({ ...secrets, '${AES}': newSecrets()['${AES}']! });
  await assert.rejects(find({}, Infinity, other), { name: 'WrongKey', message: /does not open/ });
});

test('the log’s size is that of the very slices that will be read, and no share of all by time', async (t) => {
  const { store, find, world } = await place(t);
  const point = await find({ targetPosition: at(80) }, 0);
  const needed = [];
  for await (const { key, bytes, isDeleteMarker } of store.list(world['middle slice'].key.replace(/[^/]+$/, ''))) {
    const range = parseRangeKey(key);
    if (!isDeleteMarker && range && range.to > point.log.from && range.from < at(80)) needed.push(bytes);
  }
  assert.ok(needed.length >= 3, String(needed));
  assert.deepEqual(point.log, { from: point.base.logFrom, slices: needed.length, storedBytes: needed.reduce((sum, bytes) => sum + bytes, 0) });
});
