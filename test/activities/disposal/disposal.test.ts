import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SourceContext } from '../../../activities/context.ts';
import { certifyDisposal } from '../../../activities/disposal/certify-disposal.ts';
import { destroyPoint } from '../../../activities/disposal/destroy-point.ts';
import { orderDisposal } from '../../../activities/disposal/order-disposal.ts';
import { planDisposal } from '../../../activities/disposal/plan-disposal.ts';
import { planDisposals } from '../../../activities/disposal/plan-disposals.ts';
import { listDisposals, verifyDisposal } from '../../../activities/disposal/read-disposals.ts';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { readAuditRecords } from '../../../activities/evidence/read-evidence.ts';
import { retiredBases } from '../../../activities/readiness/retired-bases.ts';
import { expire } from '../../../activities/retention/expire.ts';
import { planForRun } from '../../../activities/retention/make-plan.ts';
import { claimEpoch } from '../../../activities/store/epoch.ts';
import { listHolds, releaseHold, writeHold } from '../../../activities/store/holds.ts';
import { encodeKey } from '../../../activities/store/local-names.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { writeMark } from '../../../activities/store/marks.ts';
import { readImport, rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import { openS3Store } from '../../../activities/store/s3.ts';
import type { Store } from '../../../activities/store/store.ts';
import { verifyRecoveryPoint } from '../../../activities/store/verify.ts';
import type { Keys } from '../../../activities/stream/keys.ts';
import { openBackupKey } from '../../../activities/stream/backup-key.ts';
import type { Destroyed } from '../../../workflows/contract.ts';
import type { DisposalRead } from '../../../workflows/domain/disposal/describe-disposal.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../../workflows/domain/find-recovery-point.ts';
import { importTimeline, layout } from '../../../workflows/domain/layout.ts';
import { rulesSchema } from '../../../workflows/domain/retention/rules.ts';
import type { RecoveryTarget } from '../../../workflows/domain/recovery-point.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { collect } from '../../conformance/store.ts';
import { altered } from '../../harness/altered-store.ts';
import { newKeys } from '../../harness/keys.ts';
import { startObjectStore } from '../../harness/object-store.ts';
import { dyingStore, interruptedStore } from '../../harness/odd-store.ts';
import { contextOf, of, scope, startFirstTimeline, writeBackup, writeHead, writeSlices, type WrittenBackup } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

/** Three bases on one log; the second of them was read over a while. The newest is disposed of: "the latest" is restored from the one before, by more log. */
interface Place {
  store: Store;
  keys: Keys;
  backups: Record<string, WrittenBackup>;
  context(more?: Partial<SourceContext>): SourceContext;
}

async function writeSource(store: Store, keys: Keys): Promise<Record<string, WrittenBackup>> {
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  await startFirstTimeline(store, keys);
  await writeSlices(store, keys, [5, 15, 25, 30, 40, 50, 60]);
  await writeHead(store, keys, 50, 60);
  const backups: Record<string, WrittenBackup> = {};
  for (const [end, options] of [[10, {}], [28, { start: 26, logFrom: 24 }], [45, {}]] as const) backups[`b${end}`] = await writeBackup(store, keys, end, options);
  return backups;
}

function placeOf(store: Store, keys: Keys, backups: Record<string, WrittenBackup>): Place {
  const system = { system: of.system, stores: [], retention: { wait: 0, sources: { [of.source]: rulesSchema.parse({ atLeast: 1, atMost: '1KiB' }) } } } as unknown as System;
  return { store, keys, backups, context: (more = {}) => ({ ...contextOf(store, keys), system, ...more }) };
}

async function place(t: TestContext): Promise<Place & { path: string }> {
  const path = tempDir(t);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  const keys = await newKeys();
  return { ...placeOf(store, keys, await writeSource(store, keys)), path };
}

/** As it lies there, in a place of its own. */
async function copyOf(t: TestContext, { path, keys, backups }: Place & { path: string }): Promise<Place> {
  const copy = tempDir(t);
  cpSync(path, copy, { recursive: true, preserveTimestamps: true });
  return placeOf(await openLocalStore({ name: 'test', path: copy, prefix: 'p' }), keys, backups);
}

const find = async ({ store, keys }: Place, target: RecoveryTarget = {}) => findRecoveryPoint(await rebuildCatalog({ store, keys }, of), target, { now: new Date().toISOString() });
const below = async ({ store }: Place, backup: string): Promise<string[]> => (await collect(store, layout.backupFolder({ ...scope, backup }))).map(({ key }) => key);
const asked = (point: string, more: object = {}) => ({ point, run: 'run-1', workflowId: 'dispose/demo', by: 'dana', approvedBy: ['erik (totp)'], reason: 'a court ordered it', evenTheLast: false, ...more });

/** All that the workflow does, where nothing is waited for. */
async function dispose(to: Place, point: string, { context = to.context(), run = 'run-1', evenTheLast = false } = {}): Promise<Destroyed> {
  const { timeline } = await orderDisposal(context, asked(point, { run, evenTheLast }));
  const pass = await destroyPoint(context, { point, timeline, run });
  if (pass.state === 'gone' || pass.state === 'left') await certifyDisposal(context, { point, run, workflow: 'disposePoint', keysGoneAt: pass.at, allGoneAt: pass.state === 'gone' ? pass.at : null, left: pass.left });
  return pass;
}

const problemsOf = async ({ store, keys }: Place, point: string): Promise<string[]> =>
  (await verifyDisposal({ store, keys }, of.system, point, await readAuditRecords({ store, keys }, of.system))).flatMap(({ problems }) => problems.map(({ object, problem }) => `${object}: ${problem}`));

async function checkOthers(to: Place, limit: string): Promise<void> {
  const latest = await find(to);
  assert.deepEqual([latest.base.backup, latest.limit], ['b28', limit]);
  for (const backup of ['b10', 'b28']) assert.ok((await verifyRecoveryPoint(to.context(), { backup }, { verifySlice })).ok, backup);
}

test('what is disposed of is gone whole, with a certificate that the audit names; the rest is as it was', async (t) => {
  const to = await place(t);
  const { limit, base } = await find(to);
  assert.equal(base.backup, 'b45');
  const log = await collect(to.store, layout.slices(scope));
  const plan = await planDisposal(to.context(), { point: 'b45', evenTheLast: false });
  assert.deepEqual([plan.refused, plan.wrappings, plan.inventory.versions, plan.inventory.objects], [[], 1, 8, 8]);
  assert.ok(plan.inventory.bytes > 8_000);
  const pass = await dispose(to, 'b45');
  assert.deepEqual([pass.state, pass.objects, pass.keysGone], ['gone', 9, true], 'and the note');
  assert.deepEqual([await below(to, 'b45'), await collect(to.store, layout.expiredBases(of.system, of.source))], [[], []]);
  assert.deepEqual(await collect(to.store, layout.slices(scope)), log);
  await checkOthers(to, limit);
  const [read] = await listDisposals(to, of.system);
  const { certificate } = read!;
  assert.deepEqual([certificate!.by, certificate!.approvedBy, certificate!.reason, certificate!.leftCount, certificate!.destroyed], ['dana', ['erik (totp)'], 'a court ordered it', 0, plan.inventory]);
  const [wrapping] = to.backups['b45']!.manifest.key.objects;
  assert.deepEqual(certificate!.wrappings, [{ key: wrapping!.key, versionId: wrapping!.versionId, sha256: wrapping!.sha256 }]);
  assert.deepEqual(await problemsOf(to, 'b45'), []);
  assert.deepEqual([...await retiredBases(to.context())], ['b45'], 'the watch on readiness knows why it is gone');
  await assert.rejects(planDisposal(to.context(), { point: 'b46', evenTheLast: false }), { name: 'NoRecoveryPoint' });
});

test('killed before and after every single act, nobody is ever given it, no kept chain is harmed, and the next try finishes', async (t) => {
  const to = await place(t);
  const { limit } = await find(to);
  const its = [layout.backupFolder({ ...scope, backup: 'b45' }), layout.disposals(of.system), layout.marks(of.system, of.source), layout.auditRecords(of.system), layout.expiredBases(of.system, of.source)];
  const others = async (): Promise<string[]> => (await collect(to.store, '')).filter(({ key }) => !its.some((prefix) => key.startsWith(prefix))).map(({ key, versionId }) => `${key} ${versionId}`);
  const before = await others();
  let kills = 0;
  for (let done = false; !done; kills += 1) {
    const { store, killed } = dyingStore(to.store, kills);
    const outcome = await dispose(to, 'b45', { context: to.context({ store }) }).then(() => 'done', (error: unknown) => error);
    if (outcome !== 'done') assert.equal(outcome, killed);
    done = outcome === 'done';
    assert.deepEqual(await others(), before, 'nothing of anything else is gone');
    const begun = (await collect(to.store, layout.marksOf(of, 'b45'))).length > 0;
    const catalog = await rebuildCatalog(to, of);
    const given = (target: RecoveryTarget): string => findRecoveryPoint(catalog, target, { now: new Date().toISOString() }).base.backup;
    const left = await below(to, 'b45');
    assert.deepEqual([given({}), findRecoveryPoint(catalog, {}, { now: new Date().toISOString() }).limit], [begun ? 'b28' : 'b45', limit]);
    if (begun) assert.throws(() => given({ point: 'b45' }), { name: 'NoRecoveryPoint' });
    else assert.equal(left.length, 8, 'as long as it is given it is whole');
    if (!left.some((name) => name.endsWith('/manifest.json'))) assert.ok(!left.some((name) => name.includes('/keys/')), 'the keys went first');
    assert.ok(kills < 200);
  }
  assert.ok(kills > 20, `${kills} kills`);
  await checkOthers(to, limit);
  assert.deepEqual(await below(to, 'b45'), []);
  assert.deepEqual(await problemsOf(to, 'b45'), []);
  const acts = [...(await readAuditRecords(to, of.system)).values()].map(({ body }) => body.outcome);
  assert.ok(acts.length >= 1 && acts.every((outcome) => outcome === 'done'));
});

test('what somebody holds, what a run reads and what is needed is refused by name, and nothing is touched; evenTheLast takes what is only needed', async (t) => {
  const to = await place(t);
  const refused = async (point: string, evenTheLast = false): Promise<string> => {
    const before = await collect(to.store, '');
    const { refused: why } = await planDisposal(to.context(), { point, evenTheLast });
    if (why.length > 0) await assert.rejects(orderDisposal(to.context(), asked(point, { evenTheLast })), { name: 'NotPermitted' });
    assert.deepEqual(await collect(to.store, ''), before);
    return why.join('; ');
  };
  assert.equal(await refused('b45'), '');
  assert.equal(await refused('b28'), '');
  assert.match(await refused('b10'), /the log of t00000001 from .* to .* is restored from it alone: only with evenTheLast/);
  assert.equal(await refused('b10', true), '');
  await writeHold(to.store, to.keys, 'run-9', await find(to, { point: 'b45' }), 'run run-9 reads it');
  assert.match(await refused('b45', true), /run run-9 reads it/);
  await releaseHold(to.store, { system: of.system, run: 'run-9' });
  assert.deepEqual(await listHolds(to.store, to.keys, of.system), []);
  await writeMark(to, { ...of, point: 'b45', by: 'dana', state: 'hold', reason: 'a court asks for it', id: '1' });
  assert.match(await refused('b45', true), /held by dana at .*: a court asks for it/);
  for (const point of ['b28', 'b45']) await writeMark(to, { ...of, point, by: 'dana', state: 'bad', reason: 'a test', id: `bad ${point}` });
  assert.match(await refused('b10'), /it is the only restorable point of the source: only with evenTheLast/);
});

test('while its keys are there it can be taken back, and a hold stops it; once they are gone nobody can say that it is good', async (t) => {
  const to = await place(t);
  const { timeline } = await orderDisposal(to.context(), asked('b45'));
  assert.equal((await find(to)).base.backup, 'b28');
  const say = async (state: 'good' | 'hold', id: string) => await writeMark(to, { ...of, point: 'b45', by: 'erik', state, reason: 'an error', id });
  const pass = async (run = 'run-1') => await destroyPoint(to.context(), { point: 'b45', timeline, run });
  await say('hold', '1');
  assert.match((await pass()).why!, /held by erik/);
  await say('good', '2');
  assert.deepEqual([(await pass()).state, (await find(to)).base.backup], ['withdrawn', 'b45']);
  assert.equal((await orderDisposal(to.context(), asked('b45'))).timeline, timeline);
  assert.equal((await pass()).state, 'withdrawn', 'a second try of the same order overrules nobody');
  await orderDisposal(to.context(), asked('b45', { run: 'run-2' }));
  // Killed behind the keys.
  for (const version of await collect(to.store, layout.backupKeys({ ...scope, backup: 'b45' }))) await to.store.deleteVersion(version);
  await assert.rejects(say('good', '3'), { name: 'NotPermitted', message: /no wrapping of its key is left/ });
  assert.equal((await pass('run-2')).state, 'gone');
});

test('whoever takes it back in any moment of its destruction, it is never given once nothing opens it', async (t) => {
  const shared = await place(t);
  const good = async ({ store, keys }: Place, through = store): Promise<string> =>
    await writeMark({ store: through, keys }, { ...of, point: 'b45', by: 'erik', state: 'good', reason: 'an error', id: 'good' }).then(() => 'taken back', (error: unknown) => (error as HoldfastError).type);
  const pass = async (to: Place, through = to.store): Promise<string> => (await destroyPoint(to.context({ store: through }), { point: 'b45', timeline: scope.timeline, run: 'run-1' })).state;
  const killed = async (to: Place): Promise<string> => await pass(to, dyingStore(to.store, 1, ['deleteVersion']).store).catch((error: unknown) => (error as Error).message);
  const ways = {
    'destroyed while it is taken back, and killed behind its keys': { first: good, second: killed, step: 1 },
    'taken back while it is destroyed': { first: pass, second: good, step: 3 },
  };
  for (const [name, { first, second, step }] of Object.entries(ways)) {
    const seen = new Set<string>();
    for (let at = 1, goesOn = true; goesOn; at += step) {
      const to = await copyOf(t, shared);
      await orderDisposal(to.context(), asked('b45'));
      let other = 'not met';
      const interrupted = interruptedStore(to.store, at, async () => void (other = await second(to)));
      const own = await first(to, interrupted.store);
      goesOn = interrupted.met();
      if (goesOn) seen.add(`${own}, ${other}`);
      const opens = (await collect(to.store, layout.backupKeys({ ...scope, backup: 'b45' }))).length > 0;
      assert.equal((await find(to)).base.backup, opens ? 'b45' : 'b28', `${name}, at ${at}`);
    }
    assert.ok(seen.size > 1, `${name}: ${[...seen].join('; ')}`);
  }
});

test('an order that nothing followed from yet is told as one that goes on, whatever was said of the point before', async (t) => {
  const to = await place(t);
  for (const state of ['suspect', 'good'] as const) await writeMark(to, { ...of, point: 'b45', by: 'dana', state, reason: 'a test', id: state });
  const { store, killed } = dyingStore(to.store, 1);
  await assert.rejects(orderDisposal(to.context({ store }), asked('b45')), killed);
  const [read] = await listDisposals(to, of.system);
  assert.deepEqual([read!.order.by, read!.withdrawn], ['dana', null]);
  assert.deepEqual([...await retiredBases(to.context())], [], 'it is given still: whoever takes it away is not the disposal');
  await orderDisposal(to.context(), asked('b45'));
  await writeMark(to, { ...of, point: 'b45', by: 'erik', state: 'good', reason: 'an error', id: 'taken back' });
  assert.match((await listDisposals(to, of.system))[0]!.withdrawn!, /^taken back by erik at .* \(an error\)$/);
});

test('a retention that runs meanwhile leaves it to its disposal, and a disposal that was given up is finished by another', async (t) => {
  const to = await place(t);
  const plan = (await planForRun(to.context(), { run: 'retention-1', limit: 50 })).plan!;
  const { timeline } = await orderDisposal(to.context(), asked('b10', { evenTheLast: true }));
  await expire(to.context(), { plan, run: 'retention-1', backupRuns: false });
  assert.ok((await below(to, 'b10')).length > 0, 'it is not retention’s any more');
  // Killed among the parts.
  let deletions = 0;
  const deleteVersion: Store['deleteVersion'] = async (version) => {
    if ((deletions += 1) > 3) throw new HoldfastError('StoreUnavailable', 'killed');
    await to.store.deleteVersion(version);
  };
  const store = altered(to.store, { deleteVersion });
  await assert.rejects(destroyPoint(to.context({ store }), { point: 'b10', timeline, run: 'run-1' }), { name: 'StoreUnavailable' });
  const left = await below(to, 'b10');
  assert.ok(left.length > 0 && !left.some((key) => key.endsWith('/manifest.json')));
  assert.equal((await planDisposal(to.context(), { point: 'b10', evenTheLast: false })).begunAt !== null, true);
  assert.equal((await dispose(to, 'b10', { run: 'run-2' })).state, 'gone');
  assert.deepEqual(await problemsOf(to, 'b10'), []);
  const [{ certificate }] = (await listDisposals(to, of.system)) as unknown as [{ certificate: { wrappings: object[]; orders: object[]; destroyed: { versions: number } } }];
  assert.deepEqual([certificate.wrappings.length, certificate.orders.length, certificate.destroyed.versions], [1, 2, 8], 'the first order tells what the second cannot');
});

test('two disposals of one point, the second of them whole before any call of the first: both end, each with its certificate, and nothing is left', async (t) => {
  let met = 0;
  const shared = await place(t);
  const { limit } = await find(shared);
  for (let at = 1, goesOn = true; goesOn; at += 11) {
    const to = await copyOf(t, shared);
    const first = interruptedStore(to.store, at, async () => {
      met += 1;
      assert.equal((await dispose(to, 'b45', { run: 'run-2' })).state, 'gone');
    });
    assert.equal((await dispose(to, 'b45', { context: to.context({ store: first.store }) })).state, 'gone', `at ${at}`);
    goesOn = first.met();
    assert.deepEqual([await below(to, 'b45'), await collect(to.store, layout.expiredBases(of.system, of.source)), await problemsOf(to, 'b45')], [[], [], []], `at ${at}`);
    assert.equal((await collect(to.store, layout.disposals(of.system))).filter(({ key }) => key.endsWith('/certificate.json')).length, goesOn ? 2 : 1);
    const [{ certificate }] = (await listDisposals(to, of.system)) as [DisposalRead];
    assert.deepEqual([certificate!.destroyed.versions, certificate!.wrappings.length], [8, 1], `at ${at}`);
    assert.equal((await find(to)).limit, limit);
  }
  assert.ok(met > 6, `${met} times`);
  const to = await copyOf(t, shared);
  const both = await Promise.all(['run-1', 'run-2'].map(async (run) => await dispose(to, 'b45', { run })));
  assert.deepEqual([both.map(({ state }) => state), await below(to, 'b45'), await problemsOf(to, 'b45')], [['gone', 'gone'], [], []]);
  await checkOthers(to, limit);
});

test('two disposals, or a disposal and a retention, that each find the other’s point there never take the last together, whatever comes before any call of the other', async (t) => {
  const shared = await place(t);
  await writeMark(shared, { ...of, point: 'b10', by: 'dana', state: 'bad', reason: 'a test', id: 'bad' });
  const system = { ...shared.context().system, retention: { wait: 0, sources: { [of.source]: rulesSchema.parse({ atLeast: 1, atMost: '1KiB', log: '0h' }) } } } as unknown as System;
  const refused = (error: unknown): 'refused' => {
    assert.ok(error instanceof HoldfastError && error.type === 'NotPermitted', String(error));
    return 'refused';
  };
  const takes = async (to: Place, point: string, run: string, store = to.store): Promise<string> => await dispose(to, point, { context: to.context({ store, system }), run }).then(({ state }) => state, refused);
  const lets = async (to: Place, store = to.store): Promise<string> => {
    const { plan } = await planForRun(to.context({ system }), { run: 'retention-1', limit: 50 });
    await expire(to.context({ store, system }), { plan: plan!, run: 'retention-1', backupRuns: false });
    return (await below(to, 'b28')).length > 0 ? 'refused' : 'gone';
  };
  const pairs = {
    'two disposals': { first: async (to: Place, store: Store) => await takes(to, 'b45', 'run-1', store), second: async (to: Place) => await takes(to, 'b28', 'run-2') },
    'a retention in a disposal': { first: async (to: Place, store: Store) => await takes(to, 'b45', 'run-1', store), second: async (to: Place) => await lets(to) },
    'a disposal in a retention': { first: async (to: Place, store: Store) => await lets(to, store), second: async (to: Place) => await takes(to, 'b45', 'run-1') },
  };
  for (const [name, { first, second }] of Object.entries(pairs)) {
    const seen = new Set<string>();
    for (let at = 1, goesOn = true; goesOn; at += 9) {
      const to = await copyOf(t, shared);
      let other = 'not met';
      const interrupted = interruptedStore(to.store, at, async () => void (other = await second(to)));
      const own = await first(to, interrupted.store);
      goesOn = interrupted.met();
      seen.add(`${own}, ${other}`);
      const told = await listDisposals(to, of.system);
      assert.deepEqual(told.filter(({ certificate, withdrawn }) => certificate === null && withdrawn === null).map(({ point }) => point), [], `${name}, at ${at}: each is certified, or told as given up`);
      const { base } = await find(to);
      assert.ok(base.backup === 'b28' || base.backup === 'b45', `${name}, at ${at}: ${base.backup}`);
      assert.equal((await below(to, base.backup)).length, 8, `${name}, at ${at}: it is whole`);
    }
    assert.ok(seen.has('refused, gone') && !seen.has('gone, gone'), `${name}: ${[...seen].join('; ')}`);
  }
  // Begun before the disposal says anything, and ended before any call of it.
  let met = 0;
  for (let at = 1, goesOn = true; goesOn; at += 7) {
    const to = await copyOf(t, shared);
    const plan = (await planForRun(to.context({ system }), { run: 'retention-1', limit: 50 })).plan!;
    const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const deleteVersion: Store['deleteVersion'] = async (version) => {
      if (version.key === layout.manifest({ ...scope, backup: 'b28' })) {
        reached.resolve();
        await goOn.promise;
      }
      await to.store.deleteVersion(version);
    };
    const retention = expire(to.context({ store: altered(to.store, { deleteVersion }), system }), { plan, run: 'retention-1', backupRuns: false });
    await reached.promise;
    const interrupted = interruptedStore(to.store, at, async () => {
      met += 1;
      goOn.resolve();
      await retention;
    });
    assert.equal(await takes(to, 'b45', 'run-1', interrupted.store), 'refused', `a retention that was begun, at ${at}`);
    goesOn = interrupted.met();
    goOn.resolve();
    await retention;
    assert.deepEqual([(await find(to)).base.backup, (await below(to, 'b45')).length], ['b45', 8], `a retention that was begun, at ${at}`);
  }
  assert.ok(met > 6, `${met} times`);
});

test('a list of all is what lies there, by a digest that another base changes; disposed of one by one nothing can be restored, and each has its certificate', async (t) => {
  const to = await place(t);
  const timeline = importTimeline('b70');
  await writeSlices(to.store, to.keys, [65, 75], timeline);
  await writeBackup(to.store, to.keys, 70, { timeline });
  const before = await collect(to.store, '');
  const list = await planDisposals([to.context()]);
  assert.deepEqual(await collect(to.store, ''), before, 'nothing is touched');
  assert.deepEqual(list.points.map(({ point, wrappings, refused }) => [point, wrappings, refused]), [['b10', 1, []], ['b28', 1, []], ['b45', 1, []], ['b70', 2, []]]);
  assert.equal(list.bytes, list.points.reduce((sum, { bytes }) => sum + bytes, 0));
  assert.match(list.stays.join('; '), /documents: the log since is not its own: it goes by the rules of retention/);
  assert.equal((await planDisposals([to.context()])).digest, list.digest);
  await writeBackup(to.store, to.keys, 50);
  assert.notEqual((await planDisposals([to.context()])).digest, list.digest);
  await writeHold(to.store, to.keys, 'run-9', await find(to, { point: 'b28' }), 'run run-9 reads it');
  assert.deepEqual((await planDisposals([to.context()])).points.filter(({ refused }) => refused.length > 0).map(({ point, refused }) => [point, refused]), [['b28', ['run run-9 reads it']]]);
  await releaseHold(to.store, { system: of.system, run: 'run-9' });
  for (const point of ['b10', 'b28', 'b45', 'b50', 'b70']) assert.equal((await dispose(to, point, { evenTheLast: true })).state, 'gone', point);
  await assert.rejects(find(to), { name: 'NoRecoveryPoint' });
  for (const point of ['b10', 'b28', 'b45', 'b50', 'b70']) assert.deepEqual(await problemsOf(to, point), [], point);
  assert.deepEqual((await planDisposals([to.context()])).points, [], 'what is certified is on no list');
});

test('an import goes with its own log and the keys of that', async (t) => {
  const to = await place(t);
  const timeline = importTimeline('b70');
  await writeSlices(to.store, to.keys, [65, 75], timeline);
  await writeBackup(to.store, to.keys, 70, { timeline });
  const plan = await planDisposal(to.context(), { point: 'b70', evenTheLast: false });
  assert.deepEqual([plan.refused, plan.wrappings], [[], 2]);
  await dispose(to, 'b70');
  assert.deepEqual(await collect(to.store, layout.timelineFolder({ ...of, timeline })), []);
  assert.deepEqual(await problemsOf(to, 'b70'), []);
  await assert.rejects(readImport(to, of, 'b70'), { name: 'NoRecoveryPoint' });
});

test('a certificate that was altered, hidden or removed, and anything of the point that is put back, is found', async (t) => {
  const to = await place(t);
  const part = to.backups['b45']!.parts[0]!.object;
  const bytes = await to.store.get(part);
  await dispose(to, 'b45');
  assert.deepEqual(await problemsOf(to, 'b45'), []);
  const back = await to.store.put(part.key, bytes);
  assert.match((await problemsOf(to, 'b45')).join(), new RegExp(`${part.key}: version .* is in the store`));
  await to.store.deleteVersion(back);
  const key = layout.disposalCertificate({ ...of, point: 'b45', run: 'run-1' });
  const [version] = await collect(to.store, key);
  const file = join(to.path, 'p', `${encodeKey(key)}@`, version!.versionId);
  const signed = (await to.store.getVersion(version!)).toString();
  assert.match(signed, /a court ordered it/);
  await writeFile(file, signed.replace('a court ordered it', 'nobody ordered it'));
  assert.match((await problemsOf(to, 'b45')).join(), /certificate\.json: .*signature[\s\S]*there is no certificate that is believed/);
  await rm(file);
  assert.match((await problemsOf(to, 'b45')).join(), /record \d+ of the audit names it, and no such certificate is believed/);
  for (const one of await collect(to.store, layout.disposals(of.system))) await to.store.deleteVersion(one);
  assert.match((await problemsOf(to, 'b45')).join(), /record \d+ of the audit names it, and no such certificate is believed/);
});

test('on a real S3 server: killed in the middle the next try finishes; what is locked is waited for by its own end, keys first, and the certificate is locked', async (t) => {
  const server = await startObjectStore(t);
  await server.createBucket('bucket', { lock: true });
  const options = { name: 'test', endpoint: server.endpoint, region: server.region, bucket: 'bucket', prefix: 'p', pathStyle: true, credentials: server };
  const store = openS3Store(options);
  const locking = openS3Store({ ...options, lock: { mode: 'compliance', retain: hours(1), evidence: hours(2) } });
  // It gives up soon. The others wait: a server that has just come back refuses for a moment.
  const hasty = openS3Store({ ...options, retryAfterMs: [50] });
  t.after(() => [store, locking, hasty].forEach((one) => one.close()));
  const keys = await newKeys();
  const to = placeOf(store, keys, await writeSource(store, keys));
  const { limit } = await find(to);
  const { timeline } = await orderDisposal(to.context(), asked('b45'));
  const { deleteVersion } = hasty;
  let deletions = 0;
  hasty.deleteVersion = async (version) => {
    deletions += 1;
    if (deletions === 4) await server.stop();
    await deleteVersion.call(hasty, version);
  };
  await assert.rejects(destroyPoint(to.context({ store: hasty }), { point: 'b45', timeline, run: 'run-1' }), { name: 'StoreUnavailable' });
  await server.start();
  await checkOthers(to, limit);
  await assert.rejects(openBackupKey(store, keys, to.backups['b45']!.manifest, to.backups['b45']!.manifest.key), { name: 'ObjectMissing' });
  assert.ok((await below(to, 'b45')).length > 0);
  assert.equal((await dispose(to, 'b45', { context: to.context({ store: locking }) })).state, 'gone');
  assert.deepEqual(await problemsOf(to, 'b45'), []);
  const [certificate] = await collect(store, layout.disposalCertificate({ ...of, point: 'b45', run: 'run-1' }));
  assert.ok(Date.parse((await locking.lockedUntil(certificate!))!) > Date.now() + hours(1.5), 'as evidence is');

  // The wrapping is locked for longer than the manifest: nothing goes before it.
  const { manifest, ref } = to.backups['b28']!;
  const [wrapping] = manifest.key.objects;
  await locking.extendLock(wrapping!, new Date(Date.now() + hours(3)));
  await locking.extendLock(ref, new Date(Date.now() + hours(1)));
  const locked = to.context({ store: locking });
  const plan = await planDisposal(locked, { point: 'b28', evenTheLast: false });
  assert.ok(plan.lockedUntil.keys! > plan.lockedUntil.manifest!);
  const count = (await below(to, 'b28')).length;
  const pass = await dispose(to, 'b28', { context: locked, run: 'run-2' });
  assert.deepEqual([pass.state, pass.until, pass.keysGone, pass.objects], ['locked', plan.lockedUntil.keys, false, 0]);
  assert.ok(Math.abs(pass.waitMs! - hours(3)) < 60_000);
  assert.deepEqual([(await below(to, 'b28')).length, (await find(to)).base.backup], [count, 'b10'], 'whole, and given to nobody');
});
