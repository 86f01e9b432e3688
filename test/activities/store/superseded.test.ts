import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drainLog } from '../../../activities/engines/mongodb/archive/drain-log.ts';
import { startTimeline } from '../../../activities/engines/mongodb/archive/start-timeline.ts';
import { dumpGroup } from '../../../activities/engines/mongodb/dump-group.ts';
import { planDump } from '../../../activities/engines/mongodb/plan-dump.ts';
import { sealBackup } from '../../../activities/engines/mongodb/seal-backup.ts';
import { SliceObjects } from '../../../activities/engines/mongodb/oplog/slice-object.ts';
import { claimEpoch } from '../../../activities/store/epoch.ts';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import { logPosition } from '../../../workflows/domain/log-position.ts';
import { backupInput, enginePlace, ref } from '../../harness/engine-place.ts';

test('once another control plane has taken the command, nothing that an older one does becomes visible', async (t) => {
  const { context, source } = await enginePlace(t);
  const { store, keys } = context;
  const claim = async (owner: string): Promise<number> => await claimEpoch(store, keys, 'place', owner, { why: 'test', takeOver: true });
  await (await source.connect()).db('shop').collection('orders').insertOne({ total: 1 });
  assert.equal(await claim('first'), 1);
  const plan = await planDump(context, backupInput('b1'));
  const groups = [];
  for (const { group } of plan.groups) groups.push(await dumpGroup(context, { ...ref, plan, epoch: 1, group }));
  const slices = new SliceObjects(context, { ...ref, timeline: plan.timeline });
  assert.equal(await claim('second'), 2);
  const before = await rebuildCatalog(context, ref);

  const superseded = { name: 'EpochSuperseded', message: /commanded under epoch 2; ours is 1/ };
  await assert.rejects(sealBackup(context, { ...ref, plan, epoch: 1, groups }), superseded);
  await assert.rejects(planDump(context, backupInput('b2')), superseded);
  await assert.rejects(slices.put({ from: logPosition(1, 1), to: logPosition(1, 2) }, Buffer.from('log')), superseded);
  const parent = { timeline: plan.timeline, limit: logPosition(2, 0) };
  await assert.rejects(startTimeline(context, { ...ref, epoch: 1, run: 'r', parent, environment: 'production' }), superseded);
  const after = await rebuildCatalog(context, ref);
  assert.deepEqual(after, before);
  assert.deepEqual([after.bases, after.spans, after.timelines.length], [[], [], 1]);

  // The one that commands seals what the other left: work is not lost, only the right to publish it.
  await sealBackup({ ...context, epoch: 2 }, { ...ref, plan, epoch: 2, groups });
  assert.equal((await rebuildCatalog(context, ref)).bases.length, 1);
  const drained = await drainLog({ ...context, epoch: 2 }, { ...ref, epoch: 2, timeline: plan.timeline });
  assert.equal(drained.drained, false, 'nothing of this timeline was ever archived');
});
