import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { findCheckedPoint } from '../../../activities/store/find-checked-point.ts';
import { encodeKey } from '../../../activities/store/local-names.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { verifyAndMark } from '../../../activities/store/mark-damage.ts';
import { readHistory, writeMark, type MarkToWrite } from '../../../activities/store/marks.ts';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import { findRecoveryPoint } from '../../../workflows/domain/find-recovery-point.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { describeCheck } from '../../../workflows/domain/point-check.ts';
import { describePoints, listPoints } from '../../../workflows/domain/list-points.ts';
import type { RecoveryTarget } from '../../../workflows/domain/recovery-point.ts';
import { slicePoint } from '../../../workflows/domain/point-mark.ts';
import { collect } from '../../conformance/store.ts';
import { at } from '../../harness/catalogs.ts';
import { keysFrom, newKeys, newSecrets } from '../../harness/keys.ts';
import { contextOf, of, scope, startFirstTimeline, writeBackup, writeHead, writeSlices } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

/** Bases at 10 and 30 on one log from 5 to 50. */
async function place(t: TestContext) {
  const path = tempDir(t);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  const secrets = newSecrets();
  const keys = await keysFrom(secrets);
  await startFirstTimeline(store, keys);
  await writeBackup(store, keys, 10);
  const newest = await writeBackup(store, keys, 30);
  await writeSlices(store, keys, [5, 15, 30, 40, 50]);
  const say = (point: string, state: MarkToWrite['state'], id = `${point} ${state}`) => writeMark({ store, keys }, { ...of, point, state, reason: 'orders of that night', by: 'dana', id });
  const catalog = () => rebuildCatalog({ store, keys }, of);
  const find = async (target: RecoveryTarget = {}) => findRecoveryPoint(await catalog(), target, { now: new Date().toISOString() });
  const checked = async (target: RecoveryTarget = {}) => await findCheckedPoint(contextOf(store, keys), target, { readForMs: 5_000, engine: { verifySlice } });
  const verify = async () => await verifyAndMark(contextOf(store, keys), {}, undefined, { verifySlice });
  const damage = async (object: { key: string; versionId: string }) => {
    const file = join(path, 'p', `${encodeKey(object.key)}@`, object.versionId);
    const bytes = await readFile(file);
    bytes[bytes.length >> 1]! ^= 4;
    await writeFile(file, bytes);
  };
  return { store, keys, secrets, newest, say, catalog, find, checked, verify, damage };
}
const slice = slicePoint({ timeline: scope.timeline, from: at(40), to: at(50) });

test('what is said of a base is kept, the latest counts, and a try that is repeated says it once', async (t) => {
  const { store, keys, say, catalog } = await place(t);
  const markOf = async () => (await catalog()).bases.find(({ backup }) => backup === 'b30')!.mark;
  await say('b30', 'suspect');
  assert.deepEqual(await say('b30', 'suspect'), await say('b30', 'suspect'));
  assert.deepEqual({ ...(await markOf())!.doubt, at: '' }, { is: 'suspect', by: 'dana', at: '', reason: 'orders of that night' });
  await Promise.all([say('b30', 'hold'), say('b30', 'bad')]);
  assert.deepEqual([(await markOf())?.doubt?.is, (await markOf())?.hold?.by], ['bad', 'dana']);
  await say('b30', 'good');
  assert.equal(await markOf(), undefined);
  const history = await readHistory({ store, keys }, of, 'b30');
  assert.deepEqual([history[0]!.state, history.length, history[3]!.state], ['suspect', 4, 'good']);
  assert.ok(history.every(({ at: instant }, n) => n === 0 || instant > history[n - 1]!.at), 'each is later than the one before it');
});

test('the latest never takes a suspect or bad base, who names it is given it, and list and check say so by name', async (t) => {
  const { say, catalog, find, checked } = await place(t);
  const { limit } = await find();
  await say('b30', 'suspect');
  assert.deepEqual([(await find()).base.backup, (await find()).limit, (await find({ point: 'b30' })).base.backup], ['b10', limit, 'b30']);
  assert.match(describePoints(listPoints(await catalog(), { limit: 9 })).join('\n'), /base b30, .*; marked suspect by dana at .*: orders of that night/);
  assert.match((await checked()).checked!.passedOver[0]!.why, /is marked suspect by dana/);
  assert.match(describeCheck(await checked()), /Not believed, and not needed: .*b30\/manifest\.json: is marked suspect by dana/);
  assert.match(describeCheck(await checked({ point: 'b30' })), /Base b30 is marked suspect by dana at .*: orders of that night$/);
  assert.equal((await checked({ point: 'b30' })).base.mark?.doubt?.is, 'suspect');
  await say('b10', 'bad');
  await assert.rejects(find(), { name: 'NoRecoveryPoint', message: /base b10 .*marked bad by dana.*base b30 .*marked suspect by dana/ });
});

test('a slice that is marked cuts the log there, until somebody says that it is good', async (t) => {
  const { say, find } = await place(t);
  await say(slice, 'bad');
  await assert.rejects(find(), { name: 'Tampered', message: /is marked bad by dana at .*: orders of that night/ });
  assert.equal((await find({ targetPosition: at(41) })).limit, at(41));
  await say(slice, 'good');
  assert.equal((await find()).reaches, at(50));
});

test('a mark of nothing is refused, and one that is not signed by us says nothing, and is named', async (t) => {
  const { store, say, catalog } = await place(t);
  await assert.rejects(say('b31', 'bad'), { name: 'NoRecoveryPoint', message: /no base, import or slice b31/ });
  await assert.rejects(say(slicePoint({ timeline: scope.timeline, from: at(40), to: at(49) }), 'bad'), { name: 'NoRecoveryPoint' });
  const instant = new Date().toISOString();
  await putSigned(store, await newKeys(), layout.mark(of, 'b30', instant), { format: 1, kind: 'mark', ...of, point: 'b30', state: 'bad', reason: 'no', by: 'eve', at: instant, id: 'x' });
  const { bases, rejected } = await catalog();
  assert.ok(bases.every(({ mark }) => mark === undefined));
  assert.match(rejected.map(({ key, why }) => `${key}: ${why}`).join(), /demo\/documents\/marks\/b30\/.*signed by/);
});

test('a verification marks what it found bad, once', async (t) => {
  const { store, keys, newest, verify, damage, find, catalog } = await place(t);
  assert.equal((await verify()).ok, true);
  assert.deepEqual(await collect(store, layout.marks(of.system, of.source)), []);
  await damage(newest.parts[2]!.object);
  const [damaged] = await collect(store, layout.slice(scope, at(30), at(40)));
  await damage(damaged!);
  assert.equal((await verify()).ok, false);
  const said = (await catalog()).bases.find(({ backup }) => backup === 'b30')!.mark!.doubt!;
  assert.deepEqual([said.is, said.by], ['bad', 'verification']);
  assert.match(said.reason, /parts\/u2\//);
  const marks = await collect(store, layout.marks(of.system, of.source));
  assert.equal(marks.length, 2);
  await assert.rejects(find(), { name: 'Tampered', message: /slices\/.* is marked bad by verification/ });
  assert.equal((await find({ targetPosition: at(25) })).base.backup, 'b10');
  await verifyAndMark(contextOf(store, keys), { backup: 'b30' }, undefined, { verifySlice });
  assert.equal((await collect(store, layout.marks(of.system, of.source))).length, 2);
});

test('of what is missing, a slice in the middle or the end of the log, there is nothing to mark', async (t) => {
  const { store, keys, verify } = await place(t);
  await writeHead(store, keys, 40, 50);
  for (const [from, to] of [[40, 50], [15, 30]] as const) {
    const [version] = await collect(store, layout.slice(scope, at(from), at(to)));
    await store.deleteVersion(version!);
    assert.equal((await verify()).ok, false);
  }
  assert.deepEqual(await collect(store, layout.marks(of.system, of.source)), []);
});

test('what only does not open because this worker has another key is marked by nobody', async (t) => {
  const { store, secrets } = await place(t);
  const other = await keysFrom({ ...secrets, '${AES}': newSecrets()['${AES}']! });
  const { ok, problems } = await verifyAndMark(contextOf(store, other), {}, undefined, { verifySlice });
  assert.equal(ok, false);
  assert.ok(problems.length > 0);
  assert.deepEqual(await collect(store, layout.marks(of.system, of.source)), []);
});
