import assert from 'node:assert/strict';
import { DeleteObjectCommand, ListObjectVersionsCommand, S3Client } from '@aws-sdk/client-s3';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { sealBase } from '../../../activities/engines/base/seal-base.ts';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { planPoint } from '../../../activities/plan/plan-recovery.ts';
import { noteBase, readBaseList } from '../../../activities/store/base-list.ts';
import { claimEpoch } from '../../../activities/store/epoch.ts';
import { findCheckedPoint } from '../../../activities/store/find-checked-point.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { verifyAndMark } from '../../../activities/store/mark-damage.ts';
import { writeMark } from '../../../activities/store/marks.ts';
import { findMissingBases, renewBaseList } from '../../../activities/store/missing-bases.ts';
import { rebuildCatalog, withImports } from '../../../activities/store/read-catalog.ts';
import { openS3Store } from '../../../activities/store/s3.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import type { Store } from '../../../activities/store/store.ts';
import { verifyRecoveryPoint } from '../../../activities/store/verify.ts';
import type { Keys } from '../../../activities/stream/keys.ts';
import type { ActToRecord, DumpPlanRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { importTimeline, layout } from '../../../workflows/domain/layout.ts';
import { logPositionAt, nextLogPosition } from '../../../workflows/domain/log-position.ts';
import { makeId } from '../../../workflows/domain/make-id.ts';
import { describeCheck } from '../../../workflows/domain/point-check.ts';
import type { Finding } from '../../../workflows/domain/recovery-plan.ts';
import type { RecoveryTarget } from '../../../workflows/domain/recovery-point.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { recordAct } from '../../../activities/audit/record-act.ts';
import { collect } from '../../conformance/store.ts';
import { altered } from '../../harness/altered-store.ts';
import { at } from '../../harness/catalogs.ts';
import { newKeys } from '../../harness/keys.ts';
import { startObjectStore } from '../../harness/object-store.ts';
import { contextOf, of, scope, startFirstTimeline, writeBackup, writeSlices } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const sample = { shares: 4, withinMs: hours(24) };

async function writeSource(store: Store, keys: Keys): Promise<void> {
  await startFirstTimeline(store, keys);
  for (const end of [10, 30, 45]) {
    await writeBackup(store, keys, end);
    await noteBase({ store, keys }, { ...scope, backup: `b${end}` });
  }
  await writeSlices(store, keys, [5, 15, 30, 40, 50]);
  const timeline = importTimeline('b80');
  await writeBackup(store, keys, 80, { timeline });
  await noteBase({ store, keys }, { ...of, timeline, backup: 'b80' });
  await writeSlices(store, keys, [75, 85], timeline);
}

test('a base that somebody deletes whole, with every version below its folder, is found by the next verification, named, marked, and told once', async (t) => {
  const server = await startObjectStore(t);
  await server.createBucket('bucket', { lock: true });
  const store = openS3Store({ name: 's3', endpoint: server.endpoint, region: server.region, bucket: 'bucket', prefix: 'p', pathStyle: true, credentials: server });
  const outsider = new S3Client({ endpoint: server.endpoint, region: server.region, forcePathStyle: true, maxAttempts: 1, credentials: server });
  t.after(() => [store.close(), outsider.destroy()]);
  const empty = async (prefix: string): Promise<void> => {
    const { Versions = [] } = await outsider.send(new ListObjectVersionsCommand({ Bucket: 'bucket', Prefix: `p/${prefix}` }));
    assert.ok(Versions.length > 0, `something lies below ${prefix}`);
    for (const { Key, VersionId } of Versions) await outsider.send(new DeleteObjectCommand({ Bucket: 'bucket', Key, VersionId }));
  };
  const keys = await newKeys();
  await writeSource(store, keys);
  const verify = async (run: string) => await verifyAndMark(contextOf(store, keys), sample, run, { verifySlice });
  const listed = async (): Promise<string[] | undefined> => (await readBaseList({ store, keys }, of)).list?.bases.map(({ backup }) => backup);
  assert.deepEqual((await verify('run-0')).problems, []);
  // The middle one and the import; the newest stays, and nothing else tells of these.
  const gone = [{ ...scope, backup: 'b30' }, { ...of, timeline: importTimeline('b80'), backup: 'b80' }];
  for (const one of gone) await empty(layout.backupFolder(one));
  assert.deepEqual((await rebuildCatalog({ store, keys }, of)).rejected, []);
  assert.deepEqual((await verifyRecoveryPoint(contextOf(store, keys), {}, { verifySlice })).problems.map(({ key }) => key), gone.map((one) => layout.manifest(one)), 'whoever reads the newest base is told too');
  const found = await verify('run-1');
  assert.deepEqual(found.problems.map(({ key }) => key), gone.map((one) => layout.manifest(one)));
  assert.match(found.problems[0]!.problem, /^base b30 was sealed, and its manifest is gone; retention did not take it \(demo\/documents\/base-lists\/00000004\.json names it\)$/);
  assert.deepEqual([found.ok, found.newBaseWanted, await listed()], [false, true, ['b10', 'b45']], 'a new base is asked for, and it is known from now on');
  const marks = new Set((await collect(store, layout.marks(of.system, of.source))).map(({ key }) => key.split('/').at(-2)));
  assert.deepEqual([...marks].sort(), ['b30', 'b80']);
  const again = await verify('run-2');
  assert.deepEqual([again.ok, again.problems], [true, []]);
  // A run that was killed behind its marks tells of the same when it is tried again.
  assert.deepEqual((await verify('run-1')).problems.length, 2);
  // All of it: what is left of a bucket is no whole bucket.
  for (const backup of ['b10', 'b45']) await empty(layout.backupFolder({ ...scope, backup }));
  assert.deepEqual((await verify('run-3')).problems.map(({ problem }) => problem.slice(0, 8)), ['base b10', 'base b45']);
  assert.equal((await verify('run-4')).ok, false, 'without any base it is told again and again');
  await empty(`${of.system}/`);
  await assert.rejects(verify('run-5'), { name: 'NoRecoveryPoint', message: /there is no base at all/ });
});

/** The store, with a listing that stays as it is at this moment, whatever is put: all of it is older than what the store holds. */
async function withListingOf(store: Store): Promise<Store> {
  const listed = new Set((await collect(store, '')).map(({ key, versionId }) => `${key} ${versionId}`));
  return altered(store, {
    async *list(...asked) {
      for await (const version of store.list(...asked)) if (listed.has(`${version.key} ${version.versionId}`)) yield version;
    },
  });
}

test('a listing that is older than what the store holds, in all of it at once, is named by a verification and refused by whoever wants the latest', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  await writeSource(store, keys);
  const act = (runId: string): ActToRecord => ({ system: of.system, runId, workflow: 'recoverSystem', workflowId: 'recover/demo', act: 'recover', outcome: 'permitted', about: 'demo', by: null });
  await recordAct({ store, keys }, act('before'));
  const audited = layout.auditRecord(of.system, 2);
  const sealed = layout.baseList(of, 5);
  const check = async (from: Store, target: RecoveryTarget = {}) => await findCheckedPoint(contextOf(from, keys), target, { readForMs: hours(1), engine: { verifySlice } });
  const verify = async (from: Store, run: string) => await verifyAndMark(contextOf(from, keys), sample, run, { verifySlice });

  // Of what was put since, a record alone; then a base with its log and the list that names it.
  const untilAudit = await withListingOf(store);
  await recordAct({ store, keys }, act('the recovery'));
  const untilBase = await withListingOf(store);
  await writeBackup(store, keys, 60);
  await writeSlices(store, keys, [50, 70]);
  await noteBase({ store, keys }, { ...scope, backup: 'b60' });

  for (const [stale, unlisted] of [[untilAudit, audited], [untilBase, sealed]] as const) {
    const catalog = await rebuildCatalog({ store: stale, keys }, of);
    assert.deepEqual([catalog.rejected, catalog.bases.at(-1)?.backup, catalog.spans.at(-1)?.to], [[], 'b45', at(50)], 'nothing in such a listing points beyond it');
    await assert.rejects(check(stale), { name: 'StoreUnavailable', message: new RegExp(`^store test: ${unlisted} is there and is not listed: the listing is older`) });
    const named = await check(stale, { targetPosition: at(48) });
    assert.deepEqual([named.base.backup, named.checked?.passedOver.map(({ key }) => key)], ['b45', [unlisted]], 'who names a moment that is listed is given it, and told');
    const run = `with ${unlisted}`;
    for (const found of [await verify(stale, run), await verifyRecoveryPoint(contextOf(stale, keys), {}, { verifySlice })]) {
      assert.deepEqual([found.ok, found.problems.map(({ key }) => key), found.newBaseWanted], [false, [unlisted], undefined]);
    }
  }
  await assert.rejects(recordAct({ store: untilAudit, keys }, act('another')), { name: 'StoreUnavailable' }, 'and nobody who adds a record asks for ever');
  assert.equal((await check(store)).base.backup, 'b60');
  assert.deepEqual((await verify(store, 'fresh')).problems, []);
});

test('a seal that is killed behind its manifest is made again with the base on the list; nobody is told of a base that retention takes', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  await writeSource(store, keys);
  const head = { format: 1 as const, ...of, timeline: scope.timeline, backup: 'b99', epoch: 1 };
  const dump = { ...head, kind: 'plan' as const, why: '', requestedBy: '', startedAt: new Date().toISOString(), versions: {}, logFrom: at(5), key: { id: 'k', objects: [] }, groups: [], units: [] };
  const sealing = { plan: dump, engine: 'mongodb', rangesOf: () => [], describe: () => Promise.resolve({ units: [], start: at(5), end: at(5) }) };
  const plan = { backup: 'b99', timeline: scope.timeline } as unknown as DumpPlanRef;
  const dying = (how: Error): Store => new Proxy(store, { get: (target, name) => (name === 'put' ? async (...given: Parameters<Store['put']>) => (given[0].includes('/base-lists/') ? await Promise.reject(how) : await store.put(...given)) : Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)) as unknown });
  const context = { ...contextOf(store, keys), system: { system: of.system, stores: [] } as never };
  const seal = async (from: Store) => await sealBase({ ...context, store: from }, { ...of, plan, epoch: 1, groups: [] }, sealing);
  const listed = async (): Promise<string[]> => (await readBaseList({ store, keys }, of)).list!.bases.map(({ backup }) => backup);
  await assert.rejects(seal(dying(new Error('killed'))), /killed/);
  assert.deepEqual(await listed(), ['b10', 'b30', 'b45', 'b80']);
  assert.equal((await seal(dying(new HoldfastError('StoreUnavailable', 'no answer')))).backup, 'b99', 'a list that cannot be put costs no base');
  assert.equal((await listed()).length, 4);
  assert.equal((await seal(store)).backup, 'b99');
  assert.deepEqual(await listed(), ['b10', 'b30', 'b45', 'b80', 'b99']);
  await seal(store);
  assert.equal((await readBaseList({ store, keys }, of)).list!.number, 5, 'once');
  // By its signed note retention says that it takes it.
  const catalog = await rebuildCatalog({ store, keys }, of);
  for (const version of await collect(store, layout.manifest(head))) await store.deleteVersion(version);
  const without = { ...catalog, bases: catalog.bases.filter(({ backup }) => backup !== 'b99') };
  assert.equal((await findMissingBases({ store, keys }, without)).length, 1);
  await store.put(layout.expiredBase(head), Buffer.from('{"forged": true}'));
  assert.equal((await findMissingBases({ store, keys }, without)).length, 1, 'a forged note excuses nothing');
  await putSigned(store, keys, layout.expiredBase(head), { ...head, kind: 'expired-base' as const, run: 'run-1', at: new Date().toISOString() });
  assert.deepEqual(await findMissingBases({ store, keys }, without), []);
});

test('a list that is forged, changed or gone is told of, and the one before it counts; a base that is on none is put on the next; what a person knows of is no news', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  const room = { store, keys };
  await writeSource(store, keys);
  const catalog = async () => await withImports(room, await rebuildCatalog(room, of));
  const newest = async () => (await readBaseList(room, of)).list!;
  await store.put(layout.baseList(of, 7), Buffer.from('{"forged": true}'));
  assert.deepEqual((await findMissingBases(room, await catalog())).map(({ key }) => key), [layout.baseList(of, 7)]);
  assert.equal((await newest()).number, 4);
  await renewBaseList(room, await catalog());
  assert.deepEqual([(await newest()).number, (await newest()).bases.length, await findMissingBases(room, await catalog())], [8, 4, []], 'told once: the next is newer');
  // A list of ours under another number is not at home there.
  const [first] = await collect(store, layout.baseList(of, 1));
  await store.put(layout.baseList(of, 9), await store.getVersion(first!));
  assert.deepEqual([(await findMissingBases(room, await catalog())).map(({ key }) => key), (await newest()).number], [[layout.baseList(of, 9)], 8]);
  for (const version of await collect(store, layout.baseLists(of.system, of.source))) await store.deleteVersion(version);
  await writeBackup(store, keys, 48);
  await renewBaseList(room, await catalog());
  assert.deepEqual((await newest()).bases.map(({ backup }) => backup).sort(), ['b10', 'b30', 'b45', 'b48', 'b80']);
  for (const version of await collect(store, layout.backupFolder({ ...scope, backup: 'b10' }))) await store.deleteVersion(version);
  assert.equal((await findMissingBases(room, await catalog())).length, 1);
  await assert.rejects(writeMark(room, { ...of, point: 'b11', state: 'bad', reason: 'misspelt', by: 'dana', id: '1' }), { name: 'NoRecoveryPoint' });
  await writeMark(room, { ...of, point: 'b10', state: 'bad', reason: 'we deleted it by hand', by: 'dana', id: '2' });
  assert.deepEqual(await findMissingBases(room, await catalog()), []);
  await renewBaseList(room, await catalog());
  assert.ok(!(await newest()).bases.some(({ backup }) => backup === 'b10'));
});

test('a source without a log whose newest base is gone: the latest is refused, by name, and the one before it is given to whoever asks for its moment, with what is missing', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  const room = { store, keys };
  await startFirstTimeline(store, keys);
  const [older, newest] = [makeId(Date.parse(logPositionAt(at(10))), randomUUID()), makeId(Date.parse(logPositionAt(at(50))), randomUUID())];
  for (const [end, backup] of [[12, older], [52, newest]] as const) {
    await writeBackup(store, keys, end, { backup });
    await noteBase(room, { ...scope, backup });
  }
  const find = async (target: RecoveryTarget = {}) => await findCheckedPoint(contextOf(store, keys), target, { readForMs: Infinity, engine: { verifySlice } });
  const taken = async (target: RecoveryTarget = {}) => {
    const { base, checked } = await find(target);
    return [base.backup, checked!.passedOver.map(({ key }) => key)];
  };
  assert.deepEqual(await taken(), [newest, []]);
  const key = layout.manifest({ ...scope, backup: newest });
  for (const version of await collect(store, key)) await store.deleteVersion(version);
  const isNamed = (error: HoldfastError): true => {
    assert.deepEqual([error.type, error.details['key'], error.details['nearestBefore']], ['Tampered', key, nextLogPosition(at(12))]);
    assert.match(error.message, /was sealed, and its manifest is gone; .*HINT: nearest good points: before it/);
    return true;
  };
  await assert.rejects(find(), isNamed);
  await assert.rejects(find({ targetTime: logPositionAt(at(60)) }), isNamed);
  const findings: Finding[] = [];
  const planned = await planPoint(contextOf(store, keys), {}, findings, { verifySlice, narrowPoint: () => Promise.reject(new Error('nothing is chosen')) });
  assert.deepEqual([planned, findings.map(({ effect, type }) => `${effect} ${type}`)], [undefined, ['fails Tampered']]);
  await assert.rejects(find({ point: newest }), { name: 'NoRecoveryPoint', message: /was sealed, and its manifest is gone/ });
  for (const target of [{ targetPosition: nextLogPosition(at(12)) }, { targetTime: logPositionAt(at(60)), orBefore: true }]) assert.deepEqual(await taken(target), [older, [key]]);
  assert.deepEqual(await taken({ point: older }), [older, []], 'who names one is given it');
  // A verification that misses it marks it: then the one before it is the latest, and nobody is told so in silence.
  await verifyAndMark(contextOf(store, keys), sample, 'run-1', { verifySlice });
  assert.deepEqual(await taken(), [older, [layout.marksOf(of, newest)]]);
  assert.match(describeCheck(await find({ targetTime: logPositionAt(at(60)) })), /base \w+, of 2025-11-21T03:00:05.000Z, is gone, and is marked bad by verification at .*: .*was sealed, and its manifest is gone/);
  assert.deepEqual([await taken({ targetTime: logPositionAt(at(30)) }), await taken({ targetPosition: nextLogPosition(at(12)) })], [[older, []], [older, []]]);
});
