import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { sealBase } from '../../../activities/engines/base/seal-base.ts';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { evidenceOfRun, sealEvidence } from '../../../activities/evidence/seal-evidence.ts';
import { expire } from '../../../activities/retention/expire.ts';
import { makeRetentionPlan, planForRun } from '../../../activities/retention/make-plan.ts';
import type { SourceContext } from '../../../activities/context.ts';
import { claimEpoch } from '../../../activities/store/epoch.ts';
import { writeHold } from '../../../activities/store/holds.ts';
import { encodeKey } from '../../../activities/store/local-names.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { writeMark } from '../../../activities/store/marks.ts';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import { requireRoom } from '../../../activities/store/require-room.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import { openS3Store } from '../../../activities/store/s3.ts';
import type { Store } from '../../../activities/store/store.ts';
import { verifyRecoveryPoint } from '../../../activities/store/verify.ts';
import type { Keys } from '../../../activities/stream/keys.ts';
import type { DumpPlanRef } from '../../../workflows/contract.ts';
import type { HoldfastError } from '../../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../../workflows/domain/find-recovery-point.ts';
import { importTimeline, layout } from '../../../workflows/domain/layout.ts';
import type { Manifest } from '../../../workflows/domain/manifest.ts';
import type { Expired } from '../../../workflows/domain/retention/describe-retention.ts';
import { rulesSchema } from '../../../workflows/domain/retention/rules.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import type { RecoveryTarget } from '../../../workflows/domain/recovery-point.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { hours, parseBytes } from '../../../workflows/domain/units.ts';
import { collect } from '../../conformance/store.ts';
import { altered } from '../../harness/altered-store.ts';
import { at } from '../../harness/catalogs.ts';
import { newKeys } from '../../harness/keys.ts';
import { startObjectStore } from '../../harness/object-store.ts';
import { dyingStore } from '../../harness/odd-store.ts';
import { contextOf, of, scope, startFirstTimeline, writeBackup, writeGap, writeHead, writeSlices } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

/**
 * Everything here was stored in this minute, so by the store's clock nothing is old: the rule is a size. Three bases on one log, the second of them read over a while;
 * the first goes, and the log from 5 to 15 and from 30 to 40, which no base that stays needs.
 */
const twoNewest = { atMost: '19KiB', atLeast: 2, log: '0h' };

interface Place {
  store: Store;
  keys: Keys;
  context(rules?: object, more?: Partial<SourceContext>): SourceContext;
}

function placeOf(store: Store, keys: Keys): Place {
  return {
    store,
    keys,
    context: (rules = twoNewest, more = {}) => {
      const system = { system: of.system, stores: [], retention: { wait: 0, sources: { [of.source]: rulesSchema.parse(rules) } } } as unknown as System;
      return { ...contextOf(store, keys), system, ...more };
    },
  };
}

async function writeSource(store: Store, keys: Keys): Promise<void> {
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  await startFirstTimeline(store, keys);
  await writeSlices(store, keys, [5, 15, 25, 30, 40, 50, 60]);
  for (const [from, to] of [[15, 25], [30, 40], [50, 60]] as const) await writeHead(store, keys, from, to);
  for (const [end, options] of [[10, {}], [28, { start: 26, logFrom: 24 }], [45, {}]] as const) await writeBackup(store, keys, end, options);
}

async function place(t: TestContext, lockMs?: number): Promise<Place> {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p', lockMs });
  const keys = await newKeys();
  await writeSource(store, keys);
  return placeOf(store, keys);
}

const find = async ({ store, keys }: Place, target: RecoveryTarget = {}) => findRecoveryPoint(await rebuildCatalog({ store, keys }, of), target, { now: new Date().toISOString() });
const keysOf = async ({ store }: Place, prefix: string): Promise<string[]> => [...new Set((await collect(store, prefix)).map(({ key }) => key.slice(prefix.length)))];
const apply = async (to: Place, context = to.context()): Promise<Expired> => await expire(context, { plan: (await planForRun(context, { run: 'run-1', limit: 50 })).plan!, run: 'run-1', backupRuns: false });

const slice = (from: number, to: number): string => layout.slice(scope, at(from), at(to)).slice(layout.slices(scope).length);

/** Nothing that stays is harmed, at whatever line it was killed. */
async function checkKept(to: Place, limits: Record<'latest' | 'b28' | 'b45', string>): Promise<void> {
  assert.deepEqual({ latest: (await find(to)).limit, b28: (await find(to, { point: 'b28' })).limit, b45: (await find(to, { point: 'b45' })).limit }, limits);
}
const limitsOf = async (to: Place) => ({ latest: (await find(to)).limit, b28: (await find(to, { point: 'b28' })).limit, b45: (await find(to, { point: 'b45' })).limit });

async function checkDone(to: Place): Promise<void> {
  assert.deepEqual([...new Set((await keysOf(to, layout.backups(scope))).map((key) => key.split('/')[0]))], ['b28', 'b45']);
  assert.deepEqual(await keysOf(to, layout.slices(scope)), [slice(15, 25), slice(25, 30), slice(40, 50), slice(50, 60)]);
  assert.deepEqual(await keysOf(to, layout.heads(scope)), [`${at(25)}.json`, `${at(60)}.json`]);
  assert.deepEqual(await keysOf(to, layout.expiredBases(of.system, of.source)), []);
  for (const backup of ['b28', 'b45']) {
    const { ok, problems } = await verifyRecoveryPoint(to.context(), { backup }, { verifySlice });
    assert.ok(ok, `${backup}: ${JSON.stringify(problems)}`);
  }
}

test('a directory that accubooks has filled refuses the next base, and retention makes room in it, long before any is 30 days old', async (t) => {
  const file = parse(readFileSync(new URL('../../../systems/accubooks.yaml', import.meta.url), 'utf8')) as { stores: [{ quota: string }]; retention: { sources: { database: { atMost: string } } } };
  const rules = file.retention.sources.database;
  const quota = 1_000_000;
  const atMost = Math.floor((quota * parseBytes(rules.atMost)!) / parseBytes(file.stores[0].quota)!);
  const path = tempDir(t);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p', quotaBytes: quota });
  const to = placeOf(store, await newKeys());
  await claimEpoch(store, to.keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  await startFirstTimeline(store, to.keys);
  await writeSlices(store, to.keys, [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]);
  const context = to.context({ ...rules, atMost: `${atMost}B`, log: '0h' });
  Object.assign(context.system, { stores: [{ kind: 'local', name: 'test', path, prefix: 'p', quota }] });
  const partBytes = 40_000;
  const largest = 4 * partBytes + 20_000;
  let end = 10;
  const refused = async (): Promise<boolean> => await requireRoom(context, largest).then(() => false, (error: HoldfastError) => error.name === 'StoreFull' && /HINT: let retention take what may go/.test(error.message));
  for (; !(await refused()); end += 10) await writeBackup(store, to.keys, end, { partBytes });
  assert.ok(end >= 40, `${end / 10 - 1} bases fit`);
  assert.ok((await apply(to, context)).bases > 0);
  await requireRoom(context, largest);
  await writeBackup(store, to.keys, end, { partBytes });
  assert.equal((await find(to)).base.backup, `b${end}`);
});

test('a dry run touches nothing, and says of each base and each stretch of log why it stays or goes', async (t) => {
  const to = await place(t);
  const before = await collect(to.store, '');
  const { plan, log } = await makeRetentionPlan(to.context());
  assert.deepEqual(plan.bases.map(({ backup, goes }) => [backup, goes]), [['b45', false], ['b28', false], ['b10', true]]);
  assert.deepEqual(log.map(({ goes, slices }) => [goes, slices]), [[true, 1], [false, 2], [true, 1], [false, 1], [false, 1]]);
  assert.ok([...plan.bases, ...log].every(({ why }) => why.length > 0));
  assert.deepEqual(await collect(to.store, ''), before);
});

test('what goes is gone whole, what stays verifies without a false alarm, and another run finds nothing to do', async (t) => {
  const to = await place(t);
  const limits = await limitsOf(to);
  const done = await apply(to);
  assert.deepEqual([done.bases, done.slices, done.left], [1, 2, []]);
  await checkDone(to);
  await checkKept(to, limits);
  await assert.rejects(find(to, { targetPosition: at(35) }), { name: 'ChainBroken', message: /retention took the log/ });
  const again = await apply(to);
  assert.deepEqual([again.bases, again.slices, again.objects], [0, 0, 0]);
});

test('killed before and after every single act, it leaves whole bases or rests that nobody sees, and the next try finishes', async (t) => {
  const to = await place(t);
  const limits = await limitsOf(to);
  const { plan } = await planForRun(to.context(), { run: 'run-1', limit: 50 });
  const bases = new Set((await rebuildCatalog(to, of)).bases.map(({ backup }) => backup));
  let kills = 0;
  for (let done = false; !done; kills += 1) {
    const { store, killed } = dyingStore(to.store, kills, ['deleteVersion']);
    const outcome = await expire(to.context(twoNewest, { store }), { plan: plan!, run: 'run-1', backupRuns: false }).then(() => 'done', (error: unknown) => error);
    if (outcome !== 'done') assert.equal(outcome, killed);
    done = outcome === 'done';
    await checkKept(to, limits);
    const seen = (await rebuildCatalog(to, of)).bases.map(({ backup }) => backup);
    assert.ok(seen.every((backup) => bases.has(backup)));
    for (const backup of seen.includes('b10') ? ['b10'] : []) assert.ok((await verifyRecoveryPoint(to.context(), { backup }, { verifySlice })).problems.every(({ key }) => !key.includes('/b10/')), 'as long as it is seen it is whole');
    assert.ok(kills < 200);
  }
  assert.ok(kills > 10, `${kills} kills`);
  await checkDone(to);
});

test('the S3 server is killed in the middle: the next try finishes what was begun; what it has locked is named, stays whole, and keeps its log', async (t) => {
  const server = await startObjectStore(t);
  await server.createBucket('bucket', { lock: true });
  const options = { name: 'test', endpoint: server.endpoint, region: server.region, bucket: 'bucket', prefix: 'p', pathStyle: true, credentials: server };
  const store = openS3Store(options);
  const locking = openS3Store({ ...options, lock: { mode: 'governance', retain: hours(1) } });
  // It gives up soon. The others wait: a server that makes its first volumes, or has just come back and looks for those that it has, refuses for a moment.
  const hasty = openS3Store({ ...options, retryAfterMs: [50] });
  t.after(() => [store, locking, hasty].forEach((one) => one.close()));
  const keys = await newKeys();
  await writeSource(store, keys);
  const to = placeOf(store, keys);
  const limits = await limitsOf(to);
  const manifest = (await find(to, { point: 'b10' })).base.manifest;
  const plan = (await planForRun(to.context(), { run: 'run-1', limit: 50 })).plan!;
  const { deleteVersion } = hasty;
  let deletions = 0;
  hasty.deleteVersion = async (version) => {
    deletions += 1;
    if (deletions === 5) await server.stop();
    await deleteVersion.call(hasty, version);
  };
  await assert.rejects(expire(to.context(twoNewest, { store: hasty }), { plan, run: 'run-1', backupRuns: false }), { name: 'StoreUnavailable' });
  await server.start();
  assert.deepEqual((await rebuildCatalog(to, of)).bases.map(({ backup }) => backup), ['b28', 'b45'], 'its manifest was the first to go');
  assert.notDeepEqual(await keysOf(to, layout.backupFolder({ ...scope, backup: manifest.key.split('/').at(-2)! })), []);
  await checkKept(to, limits);
  assert.equal((await expire(to.context(), { plan, run: 'run-1', backupRuns: false })).bases, 1, 'one is gone, though an earlier try began it');
  await checkDone(to);

  const fuzzy = (await find(to, { point: 'b28' })).base.manifest;
  // This server says of an object whose lock was extended that it was stored then: the newest stays the newest.
  for (const locked of [fuzzy, (await find(to, { point: 'b45' })).base.manifest]) await locking.extendLock(locked);
  const one = { atMost: '10KiB', atLeast: 1, log: '0h' };
  const done = await apply(to, to.context(one));
  assert.deepEqual([done.bases, done.slices, done.left.map(({ what }) => what)], [0, 0, [fuzzy.key]]);
  await checkDone(to);
});

test('what is held, marked or read since the plan was made stays, and is named', async (t) => {
  const to = await place(t);
  const plan = (await planForRun(to.context(), { run: 'run-1', limit: 50 })).plan!;
  const id = { ...of, point: 'b10', by: 'dana' };
  await writeMark(to, { ...id, state: 'hold', reason: 'a court asks for it', id: '1' });
  const held = await expire(to.context(), { plan, run: 'run-1', backupRuns: false });
  assert.match(held.left[0]!.why, /it was to go, and stays: held by dana at .*: a court asks for it/);
  await writeMark(to, { ...id, state: 'good', reason: 'it does not any more', id: '2' });
  await writeHold(to.store, to.keys, 'run-9', await find(to, { point: 'b10' }), 'run run-9 reads it');
  assert.match((await expire(to.context(), { plan, run: 'run-1', backupRuns: false })).left[0]!.why, /run run-9 reads it/);
  assert.equal((await find(to, { point: 'b10' })).base.backup, 'b10');
});

test('a run that begins to read a base in the moment before it is let go keeps it', async (t) => {
  const to = await place(t);
  const plan = (await planForRun(to.context(), { run: 'run-1', limit: 50 })).plan!;
  const point = await find(to, { point: 'b10' });
  let noted = 0;
  const put: Store['put'] = async (key, ...rest) => {
    const ref = await to.store.put(key, ...rest);
    if (!key.startsWith(layout.expiredBases(of.system, of.source))) return ref;
    noted += 1;
    await writeHold(to.store, to.keys, 'run-9', point, 'run run-9 reads it');
    return ref;
  };
  const { bases, left } = await expire(to.context(twoNewest, { store: altered(to.store, { put }) }), { plan, run: 'run-1', backupRuns: false });
  assert.equal(noted, 1);
  assert.deepEqual([bases, left], [0, [{ what: 'base b10', why: 'it was to go, and stays: run run-9 reads it' }]]);
  assert.equal((await find(to, { point: 'b10' })).limit, point.limit, 'its log is there, too');
  assert.deepEqual(await keysOf(to, layout.expiredBases(of.system, of.source)), []);
});

test('a run that begins to read an old moment while log is let go keeps what is there of it', async (t) => {
  const to = await place(t);
  // More slices than go between two looks, behind the base of an old month that stays and before what the window needs.
  await writeSlices(to.store, to.keys, Array.from({ length: 141 }, (_, n) => 100 + n));
  await writeBackup(to.store, to.keys, 230);
  const rules = { atLeast: 4, log: '0h' };
  const approved = (await planForRun(to.context(rules), { run: 'run-1', limit: 50 })).plan!;
  const point = await find(to, { point: 'b28' });
  let gone = 0;
  // A hold is flushed to the disk, a deletion is not: where that takes long, all slices would be gone before the hold is there.
  let held: Promise<void> | undefined;
  const deleteVersion: Store['deleteVersion'] = async (version) => {
    if (version.key.startsWith(layout.slices(scope)) && (gone += 1) === 50) held = writeHold(to.store, to.keys, 'run-9', { ...point, log: { ...point.log, from: at(100) }, limit: at(231) }, 'run run-9 reads it');
    await held;
    await to.store.deleteVersion(version);
  };
  const store = altered(to.store, { deleteVersion });
  const { slices } = await expire(to.context(rules, { store }), { plan: approved, run: 'run-1', backupRuns: false });
  assert.ok(slices >= 50 && slices <= 120, `${slices} slices are gone: the hold was met at the next look`);
  await expire(to.context(rules), { plan: approved, run: 'run-1', backupRuns: false });
  const left = (await keysOf(to, layout.slices(scope))).length;
  assert.ok(left > 25, `${left} are left while it reads`);
});

test('what was never sealed is taken a week after its last object, never while a backup runs, and whoever seals it then is refused', async (t) => {
  const path = tempDir(t);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  const keys = await newKeys();
  await writeSource(store, keys);
  const to = placeOf(store, keys);
  const rest = { ...scope, backup: 'b99' };
  const import70 = { ...scope, timeline: importTimeline('b98'), backup: 'b98' };
  for (const of98 of [rest, import70]) for (const name of ['1.a', '2.b']) await store.put(layout.part(of98, 'u1', 'all', name), Buffer.from('left behind'));
  const age = async (of98: typeof rest, days: number): Promise<void> => {
    const when = new Date(Date.now() - hours(24 * days));
    for (const { key, versionId } of await collect(store, layout.backupFolder(of98))) await utimes(join(path, 'p', `${encodeKey(key)}@`, versionId), when, when);
  };
  const context = to.context({ atLeast: 3, every: '1d' });
  const goes = async (): Promise<[string, boolean][]> => (await makeRetentionPlan(context)).plan.unfinished.map((one) => [one.backup, one.goes]);
  assert.deepEqual(await goes(), [['b99', false], ['b98', false]]);
  await age(rest, 8);
  assert.deepEqual(await goes(), [['b99', true], ['b98', false]]);
  const plan = (await planForRun(context, { run: 'run-1', limit: 50 })).plan!;
  assert.equal((await expire(context, { plan, run: 'run-1', backupRuns: true })).unfinished, 0);
  // One more part since the plan: it runs.
  await store.put(layout.part(rest, 'u1', 'all', '3.c'), Buffer.from('it runs'));
  assert.equal((await expire(context, { plan, run: 'run-1', backupRuns: false })).unfinished, 0);
  assert.equal((await keysOf(to, layout.backupFolder(rest))).length, 3);
  await age(rest, 8);
  await age(import70, 8);
  const done = await apply(to, context);
  assert.deepEqual([done.unfinished, done.bases, done.left], [2, 0, []]);
  assert.deepEqual([await keysOf(to, layout.backupFolder(rest)), await keysOf(to, layout.imports(of.system, of.source)), await keysOf(to, layout.expiredBases(of.system, of.source))], [[], [], []]);
  assert.equal((await rebuildCatalog(to, of)).bases.length, 3);
  // It was begun to be taken, and its workflow wakes up.
  const head = { format: 1 as const, ...of, timeline: scope.timeline, backup: 'b99', epoch: 1 };
  await putSigned(store, keys, layout.expiredBase(head), { ...head, kind: 'expired-base' as const, run: 'run-1', at: new Date().toISOString() });
  const dump = { ...head, kind: 'plan' as const, why: '', requestedBy: '', startedAt: new Date().toISOString(), versions: {}, logFrom: at(5), key: { id: 'k', objects: [] }, groups: [], units: [] };
  const sealing = { plan: dump, engine: 'mongodb', rangesOf: () => [], describe: () => Promise.resolve({ units: [], start: at(5), end: at(5) }) };
  const ref = { backup: 'b99', timeline: scope.timeline, plan: (await collect(store, layout.timelines(of.system, of.source)))[0]! } as unknown as DumpPlanRef;
  await assert.rejects(sealBase(context, { ...of, plan: ref, epoch: 1, groups: [] }, sealing), { name: 'ObjectMissing', message: /retention has begun to take what was written of it/ });
  await deleteNote();
  assert.equal((await sealBase(context, { ...of, plan: ref, epoch: 1, groups: [] }, sealing)).backup, 'b99', 'without the note it would be sealed');

  async function deleteNote(): Promise<void> {
    for (const version of await collect(store, layout.expiredBase(head))) await store.deleteVersion(version);
  }
});

test('what a run last restored and found equal stays, by the newest signed report that says so; one that nobody signed protects nothing', async (t) => {
  const to = await place(t);
  const point = await find(to, { point: 'b10' });
  const write = async (run: string, more: object): Promise<void> => {
    const report = { format: 1, system: of.system, runId: run, workflowId: 'recover/demo', outcome: 'done', finishedAt: '2026-11-01T10:00:00.000Z', points: [point], validation: [{ id: 'equality', ok: true, effect: 'gate', collectionCount: 1 }], state: { run, steps: [], gates: [] }, ...more } as unknown as RunReport;
    const written = await to.store.put(layout.evidence(of.system, run, 'report.json'), Buffer.from(JSON.stringify(report)));
    if (run !== 'forged') await sealEvidence(to, evidenceOfRun(report), [written]);
  };
  const whyOf = async (): Promise<string | undefined> => (await makeRetentionPlan(to.context())).plan.bases.find(({ backup, goes }) => backup === 'b10' && !goes)?.why.join('; ');
  await write('aborted', { outcome: 'aborted' });
  await write('partial', { state: { run: 'partial', steps: [], gates: [], only: ['a.b'] } });
  await write('unequal', { validation: [{ id: 'equality', ok: false, effect: 'gate', collectionCount: 1 }] });
  await write('unproved', { validation: [] });
  await write('forged', {});
  assert.equal(await whyOf(), undefined);
  await write('drill-7', {});
  assert.match((await whyOf()) ?? '', /^the last that was restored and found equal \(run drill-7, 2026-11-01T10:00:00\.000Z\)/);
  await write('drill-8', { points: [await find(to, { point: 'b45' })] });
  assert.equal(await whyOf(), undefined);
});

test('a worker whose clock is days wrong, or six hours either way, plans the same: ages are by the store’s time', async (t) => {
  const to = await place(t);
  const dayOld = async (): Promise<string[]> => (await makeRetentionPlan(to.context({ daily: '1d', log: '5h', atMost: '19KiB' }))).plan.bases.map(({ backup, goes: is }) => `${backup} ${is}`);
  const right = await dayOld();
  const log = (await makeRetentionPlan(to.context({ log: '5h' }))).plan.keptLog;
  for (const wrong of [6, -6]) {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + hours(wrong) });
    assert.deepEqual(await dayOld(), right, `${wrong} hours`);
    const kept = (await makeRetentionPlan(to.context({ log: '5h' }))).plan.keptLog;
    assert.deepEqual(kept.map(({ why }) => why), log.map(({ why }) => why));
    t.mock.timers.reset();
  }
  const goes = async (): Promise<string[]> => (await makeRetentionPlan(to.context({ every: '1d', log: '1d' }))).plan.bases.filter((one) => one.goes).map(({ backup }) => backup);
  assert.deepEqual(await goes(), []);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + hours(24 * 40) });
  assert.deepEqual(await goes(), []);
  t.mock.timers.reset();
});

test('an import goes whole, and only by its own rule', async (t) => {
  const to = await place(t);
  const timeline = importTimeline('b70');
  await writeBackup(to.store, to.keys, 70, { timeline });
  await writeSlices(to.store, to.keys, [65, 75], timeline);
  assert.equal((await apply(to, to.context({ atLeast: 3, log: '7d' }))).bases, 0);
  assert.equal((await apply(to, to.context({ atLeast: 3, log: '7d', imports: '0h' }))).bases, 1);
  assert.deepEqual(await keysOf(to, layout.imports(of.system, of.source)), []);
});

test('a control plane that was superseded lets nothing go', async (t) => {
  const to = await place(t);
  const plan = (await planForRun(to.context(), { run: 'run-1', limit: 50 })).plan!;
  await claimEpoch(to.store, to.keys, of.system, 'another', { why: 'test', takeOver: true });
  await assert.rejects(expire(to.context(), { plan, run: 'run-1', backupRuns: false }), { name: 'EpochSuperseded' });
  assert.equal((await find(to, { point: 'b10' })).base.backup, 'b10');
});

test('a gap that was declared, and a slice that somebody has marked, hold nothing up', async (t) => {
  const to = await place(t);
  await writeGap(to.store, to.keys, 60, 70);
  await writeMark(to, { ...of, point: `${scope.timeline}.${slice(5, 15)}`, state: 'bad', reason: 'does not open', by: 'verification', id: '1' });
  const { plan } = await makeRetentionPlan(to.context());
  assert.deepEqual([plan.notes, plan.bases.at(-1)!.goes], [[], true]);
});

/** b10 with its log goes for its size, and b20 and b22, which add to it. */
async function placeOfChain(t: TestContext): Promise<Place & { apart: Partial<SourceContext> }> {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  await startFirstTimeline(store, keys);
  const parents: NonNullable<Manifest['parents']> = [];
  for (const end of [10, 20, 22]) {
    const own = [...parents];
    const { ref } = await writeBackup(store, keys, end, { alterManifest: (manifest) => void (own.length > 0 && Object.assign(manifest, { parents: own })) });
    parents.push({ backup: `b${end}`, manifest: ref, plainBytes: 1 });
  }
  await writeBackup(store, keys, 45);
  return { ...placeOf(store, keys), apart: { source: { engine: 'postgres-physical' } as SourceContext['source'] } };
}

test('a chain goes with what adds to it first: killed before and after every act, what is left is whole', async (t) => {
  const to = await placeOfChain(t);
  const rules = { atMost: '9KiB', atLeast: 1, log: '0h' };
  const { plan } = await planForRun(to.context(rules, to.apart), { run: 'run-1', limit: 50 });
  let kills = 0;
  for (let done = false; !done; kills += 1) {
    const { store } = dyingStore(to.store, kills, ['deleteVersion']);
    done = await expire(to.context(rules, { ...to.apart, store }), { plan: plan!, run: 'run-1', backupRuns: false }).then(() => true, () => false);
    const catalog = await rebuildCatalog(to, of);
    assert.deepEqual(catalog.rejected, [], `kill ${kills}`);
    assert.ok(kills < 200);
  }
  assert.ok(kills > 10, `${kills} kills`);
  assert.deepEqual((await rebuildCatalog(to, of)).bases.map(({ backup }) => backup), ['b45']);
});

test('a base stays where what adds to it is read, and where a backup begins to add to it in the moment before it is let go', async (t) => {
  const to = await placeOfChain(t);
  const rules = { atMost: '9KiB', atLeast: 1, log: '0h' };
  const ids = async (): Promise<string[]> => (await rebuildCatalog(to, of)).bases.map(({ backup }) => backup);
  const plan = (await planForRun(to.context(rules, to.apart), { run: 'run-1', limit: 50 })).plan!;
  const point = await find(to, { point: 'b20' });
  const withNote = (then: () => Promise<unknown>): SourceContext => {
    const put: Store['put'] = async (key, ...rest) => {
      const ref = await to.store.put(key, ...rest);
      if (key === layout.expiredBase({ ...scope, backup: 'b22' })) await then();
      return ref;
    };
    return to.context(rules, { ...to.apart, store: altered(to.store, { put }) });
  };
  const begin = async (): Promise<unknown> => await putSigned(to.store, to.keys, layout.plan({ ...scope, backup: 'b50' }), {
    format: 1, kind: 'plan', ...scope, epoch: 1, backup: 'b50', why: '', requestedBy: '', startedAt: new Date().toISOString(), versions: {}, logFrom: at(5), key: { id: 'k', objects: [] }, groups: [], units: [],
    parents: (await rebuildCatalog(to, of)).bases.filter(({ backup }) => ['b10', 'b20', 'b22'].includes(backup)).map(({ backup, manifest }) => ({ backup, manifest, plainBytes: 1 })),
  });
  const begun = await expire(withNote(begin), { plan, run: 'run-1', backupRuns: true });
  assert.deepEqual(begun.left.map(({ what, why }) => `${what}: ${why}`), [
    'base b22: it was to go, and stays: backup b50, which is not sealed yet, adds to it; no rule says how long bases are kept',
    'base b20: it was to go, and stays: base b22 adds to it',
    'base b10: it was to go, and stays: base b22 adds to it',
  ]);
  for (const version of await collect(to.store, layout.plan({ ...scope, backup: 'b50' }))) await to.store.deleteVersion(version);
  // Read once the youngest is on its way.
  const read = await expire(withNote(async () => await writeHold(to.store, to.keys, 'run-9', point, 'run run-9 reads it')), { plan, run: 'run-1', backupRuns: true });
  assert.match(read.left.map(({ what, why }) => `${what}: ${why}`).join('; '), /base b20: it was to go, and stays: run run-9 reads it.*base b10: it was to go, and stays: base b20 adds to it/);
  assert.deepEqual(await ids(), ['b10', 'b20', 'b45']);
});

test('what adds to a base that is gone is nobody’s and is told; what adds to a doubted one is doubted', async (t) => {
  const to = await placeOfChain(t);
  const said = { ...of, point: 'b20', by: 'dana' };
  await writeMark(to, { ...said, state: 'bad', reason: 'a part is damaged', id: '1' });
  assert.deepEqual((await rebuildCatalog(to, of)).bases.map(({ backup, mark }) => [backup, mark?.doubt?.reason]), [['b10', undefined], ['b20', 'a part is damaged'], ['b22', 'it adds to base b20: a part is damaged'], ['b45', undefined]]);
  await writeMark(to, { ...said, state: 'good', reason: 'it is not', id: '2' });
  for (const version of await collect(to.store, layout.manifest({ ...scope, backup: 'b10' }))) await to.store.deleteVersion(version);
  await assert.rejects(find(to, { point: 'b22' }), /base b22 is not believed: it adds to base b10, which is not there/);
  const { ok, problems } = await verifyRecoveryPoint(to.context({}, to.apart), {}, { verifySlice });
  assert.ok(!ok);
  assert.match(problems.map(({ key, problem }) => `${key}: ${problem}`).join('\n'), /b20\/manifest\.json: it adds to base b10, which is not there/);
});
