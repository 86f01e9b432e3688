import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ToldProgress } from '../../workflows/domain/messages.ts';
import { openLab, stateOf, stepIs, until } from './lab.ts';
import { untilCancelled } from './until-cancelled.ts';

const told: ToldProgress = {
  at: '2026-11-21T03:00:05.000Z',
  activities: [{ activity: 'replayLog', phase: 'replay', done: 50, of: 200, unit: 'bytes', percent: 25, perSecond: 10, leftMs: 15_000, log: { doneSeconds: 60, ofSeconds: 240, leftSeconds: 180 } }],
};

interface Metadata {
  currentDetails?: string;
}

test('what the workers tell stands in the state and in the details of the step; what is no progress harms nothing', async (t) => {
  const lab = await openLab(t, { replayLog: () => untilCancelled() });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), stepIs('replay', 'running'));
  await lab.run().signal('progress', 'fast');
  await lab.run().signal('progress', { ...told, activities: [{ ...told.activities[0], leftMs: -1 }] });
  assert.equal((await stateOf(lab.run())).steps.find(({ id }) => id === 'replay')?.progress, undefined);
  await lab.run().signal('progress', told);
  const { steps } = await until(lab.run(), ({ steps: all }) => all.some(({ progress }) => progress !== undefined));
  assert.deepEqual(steps.filter(({ progress }) => progress).map(({ id, progress }) => [id, progress?.leftMs]), [['replay', 15_000]]);
  const { currentDetails } = await lab.run().query<Metadata>('__temporal_workflow_metadata');
  assert.match(String(currentDetails), /\*\*running\*\* replay since .*: replay, 25\.0%, 50 B of 200 B, 1m00s of 4m00s of log, 10 B\/s, 15s left/);
  await entry.cancel();
  await entry.result().catch(() => undefined);
});
