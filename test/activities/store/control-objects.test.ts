import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { assertEpoch, claimEpoch } from '../../../activities/store/epoch.ts';
import { listHolds, releaseHold, writeHold } from '../../../activities/store/holds.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import { createTimeline, currentTimeline, listTimelines } from '../../../activities/store/timelines.ts';
import { ArchiveKeys } from '../../../activities/stream/archive-key.ts';
import { findRecoveryPoint } from '../../../workflows/domain/find-recovery-point.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { at, base, catalogOf, span } from '../../harness/catalogs.ts';
import { newKeys } from '../../harness/keys.ts';
import { of, startedAt, startFirstTimeline } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

async function place(t: TestContext) {
  return { store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p', lockMs: hours(1) }), keys: await newKeys() };
}

test('timelines are numbered, each with its parent, and the same one is made once', async (t) => {
  const { store, keys } = await place(t);
  assert.equal(await currentTimeline(store, keys, of), undefined);
  const first = await startFirstTimeline(store, keys);
  assert.equal(first.timeline, 't00000001');
  assert.equal((await startFirstTimeline(store, keys)).timeline, 't00000001');
  const wanted = { ...of, epoch: 1, startedAt, why: 'recovered', sourceIdentity: 'set-2', parent: { timeline: 't00000001', limit: at(40) } };
  const made = await Promise.all(Array.from({ length: 6 }, () => createTimeline(store, keys, wanted)));
  assert.deepEqual(new Set(made.map(({ timeline }) => timeline)), new Set(['t00000002']));
  assert.equal((await currentTimeline(store, keys, of))?.sourceIdentity, 'set-2');
  assert.equal((await listTimelines(store, keys, of)).length, 2);
});

test('of two different timelines at once each gets a number of its own', async (t) => {
  const { store, keys } = await place(t);
  const make = (sourceIdentity: string) => createTimeline(store, keys, { ...of, epoch: 1, startedAt, why: 'test', sourceIdentity, parent: null });
  const made = await Promise.all(['a', 'b', 'c', 'd'].map(make));
  assert.deepEqual(made.map(({ timeline }) => timeline).sort(), ['t00000001', 't00000002', 't00000003', 't00000004']);
});

test('an epoch has one owner; another takes over only when told to, and the first then stops', async (t) => {
  const { store, keys } = await place(t);
  const claim = (owner: string, takeOver = false) => claimEpoch(store, keys, 's', owner, { why: `start of ${owner}`, takeOver });
  assert.equal(await claim('a'), 1);
  assert.equal(await claim('a'), 1);
  await assertEpoch(store, 's', 1);
  await assert.rejects(claim('b'), { name: 'EpochSuperseded', message: /epoch 1, held by a since .*start of a.*HINT: .*takeOver/ });
  assert.equal(await claim('b', true), 2);
  assert.equal(await claim('b', true), 2);
  await assert.rejects(assertEpoch(store, 's', 1), { name: 'EpochSuperseded', message: /epoch 2; ours is 1/ });
  await assert.rejects(claim('a'), { name: 'EpochSuperseded' });
  await assertEpoch(store, 's', 2);
});

test('of many control planes that start at once one commands', async (t) => {
  const { store, keys } = await place(t);
  const claims = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => claimEpoch(store, keys, 's', `owner ${i}`, { why: 'race', takeOver: true })));
  const won = claims.filter((claim) => claim.status === 'fulfilled');
  assert.equal(won.length, 1);
  assert.equal(won[0]!.value, 1);
});

test('holds of several sources in one run stand until the run is over', async (t) => {
  const { store, keys } = await place(t);
  const point = findRecoveryPoint(catalogOf({ bases: [base(10)], spans: [span(0, 90)] }), {}, { now: '2025-11-21T12:00:00.000Z' });
  await writeHold(store, keys, 'run-1', point, 'recovery');
  await writeHold(store, keys, 'run-1', { ...point, source: 'others' }, 'recovery');
  await writeHold(store, keys, 'run-10', point, 'drill');
  await store.put(layout.hold('demo', 'forged'), Buffer.from('{}'));
  assert.deepEqual((await listHolds(store, keys, 'demo')).map((hold) => [hold.run, hold.source, hold.backup]), [
    ['run-1', 'documents', 'b10'], ['run-1', 'others', 'b10'], ['run-10', 'documents', 'b10'],
  ]);
  assert.equal(await releaseHold(store, { system: 'demo', run: 'run-1' }), true);
  assert.equal(await releaseHold(store, { system: 'demo', run: 'run-1' }), true);
  assert.deepEqual((await listHolds(store, keys, 'demo')).map(({ run }) => run), ['run-10']);
  assert.equal(await releaseHold(store, { system: 'demo', run: 'forged' }), false);
});

test('a newest timeline that was lived in and is not believed is said; one that somebody planted is passed over', async (t) => {
  const { store, keys } = await place(t);
  await startFirstTimeline(store, keys);
  const stranger = await newKeys();
  const second = { ...of, timeline: 't00000002' };
  await putSigned(store, stranger, layout.timeline(second), { format: 1, kind: 'timeline' });
  await store.put(layout.archiveKey(second, 'k', 'test'), Buffer.from('x'));
  assert.equal((await currentTimeline(store, keys, of))?.timeline, 't00000001');
  await new ArchiveKeys(store, keys).forWriting(second);
  await assert.rejects(currentTimeline(store, keys, of), { name: 'Tampered', message: /t00000002.json .*signed by .* log was archived in it/ });
  // As if its object had been deleted.
  await new ArchiveKeys(store, keys).forWriting({ ...of, timeline: 't00000003' });
  await assert.rejects(currentTimeline(store, keys, of), { name: 'Tampered' });
});
