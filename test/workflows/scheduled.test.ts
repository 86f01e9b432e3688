import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { backfill } from '../../activities/schedules/backfill.ts';
import { describeSchedules, readSchedules } from '../../activities/schedules/read-schedules.ts';
import { toOptions } from '../../activities/schedules/server-schedule.ts';
import { taskQueues, type ActToRecord } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Notice } from '../../workflows/domain/notify/notice.ts';
import { notifySchema, toNotifyView } from '../../workflows/domain/notify/schema.ts';
import { actOf } from '../../workflows/domain/permissions.ts';
import { desiredSchedules, type DesiredSchedule } from '../../workflows/domain/schedules/desired.ts';
import { scheduleSchema } from '../../workflows/domain/schedules/schema.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { startTemporalServer } from '../harness/temporal-server.ts';
import { until } from '../harness/until.ts';
import { details, failureOf, workflowBundle } from './lab.ts';
import { stubActivities, view } from './stub-activities.ts';

/** Real schedules on a real server; the work is stubs of the contract. Each is started by hand, as its own moment is far away. */
const schedules = Object.fromEntries(
  Object.entries({ 'full-backup': 'backup', verification: 'verification', incremental: 'incremental', drill: 'drill' }).map(([name, does]) => [
    name,
    scheduleSchema.parse({ does, at: ['01:00'], on: 'day 1 of the year', ...(does === 'verification' ? { pauseOnFailure: true } : {}) }),
  ]),
);
const desired = desiredSchedules({ system: 'demo', schedules });
const of = (name: string): DesiredSchedule => desired.find(({ id }) => id === `demo/${name}`)!;
const people: SystemView['people'] = { olaf: { name: 'olaf', roles: ['operator'], proofs: [] } };
const declared: SystemView = {
  ...view,
  people,
  notify: toNotifyView(notifySchema.parse({ receivers: { here: { kind: 'webhook', url: 'http://127.0.0.1:9/', secret: 'file:s' } } })),
  schedules: Object.fromEntries(desired.map(({ id, workflow, input }) => [id, { workflow, act: actOf(workflow, input as object) }])),
};

const cleanUps: (() => unknown)[] = [];
const { client, nativeConnection: connection } = await startTemporalServer({ after: (cleanUp) => void cleanUps.push(cleanUp) });
const stubs = stubActivities({ loadSystem: () => Promise.resolve(declared) });
const told = (): Notice[] => stubs.calls.filter(({ name }) => name === 'notify').map(({ input }) => (input as { notice: Notice }).notice);

const common = { connection, activities: stubs.activities, maxHeartbeatThrottleInterval: '100ms' } as const;
const queues = [taskQueues.data('main'), taskQueues.archive('main'), taskQueues.recover('main')];
const workers = await Promise.all([Worker.create({ ...common, taskQueue: taskQueues.control, workflowBundle: await workflowBundle() }), ...queues.map((taskQueue) => Worker.create({ ...common, taskQueue }))]);
const running = workers.map((worker) => worker.run());
after(async () => {
  stubs.release();
  workers.forEach((worker) => worker.shutdown());
  await Promise.allSettled(running);
  for (const cleanUp of cleanUps) await cleanUp();
});
for (const one of desired) await client.schedule.create(toOptions(one, 'demo'));

/** What a schedule starts when it is told to start now. */
async function started(name: string): Promise<WorkflowHandle> {
  const handle = client.schedule.getHandle(`demo/${name}`);
  const count = (await handle.describe()).info.numActionsTaken;
  // As a moment of its own would: a start by hand allows all, which neither pauses after a failure nor tells the next one of it.
  await handle.trigger('BUFFER_ONE');
  const { workflow } = await until(`${name} starts`, async () => {
    const { info } = await handle.describe();
    return info.numActionsTaken > count ? info.recentActions.at(-1)?.action : undefined;
  });
  return client.workflow.getHandle(workflow.workflowId, workflow.firstExecutionRunId);
}

test('what a schedule starts is permitted by the file, is written down under the schedule’s name, and has a readable id; whoever only claims its name is refused', async () => {
  const backup = await started('full-backup');
  assert.match(backup.workflowId, /^backup\/demo\/full-backup-2\d\d\d-\d\d-\d\dT[\d:]+Z$/);
  const [summary] = (await backup.result()) as { system: string }[];
  assert.equal(summary!.system, 'demo');
  const { by, act, outcome } = stubs.calls.find(({ name }) => name === 'recordAct')!.input as ActToRecord;
  assert.deepEqual([by, act, outcome], ['schedule/demo/full-backup', 'back-up', 'permitted']);
  const claimed = await client.workflow.start('backUpSystem', { taskQueue: taskQueues.control, workflowId: 'claimed', args: [of('full-backup').input] });
  assert.equal((await failureOf(claimed)).type, 'NotPermitted');
});

test('a schedule that the file does not have any more starts nothing', async () => {
  stubs.answers.loadSystem = () => Promise.resolve({ ...declared, schedules: {} });
  assert.equal((await failureOf(await started('full-backup'))).type, 'NotPermitted');
  stubs.answers.loadSystem = () => Promise.resolve(declared);
});

test('a start that meets a backup or a recovery under way ends well, as skipped, and says so', async () => {
  for (const [name, lock] of [['full-backup', 'backup/demo'], ['drill', 'recover/demo']] as const) {
    await client.workflow.start('nothing', { taskQueue: 'nobody', workflowId: lock });
    const handle = await started(name);
    const { skipped } = (await handle.result()) as { skipped: string };
    assert.match(skipped, new RegExp(`goes on already: workflow \`${lock}\``));
    assert.match(await details(handle), /^\*\*Skipped\*\*: a (backup|run) of demo goes on already/);
    await client.workflow.getHandle(lock).terminate();
    const { last } = (await readSchedules(client, 'demo')).find(({ id }) => id === `demo/${name}`)!;
    assert.deepEqual([last!.status, last!.why], ['COMPLETED', `skipped: ${skipped}`]);
  }
});

test('a failure that nothing else tells of is told, pauses where the file says so, and is said to be over when a later start is well', async () => {
  const before = told().length;
  stubs.answers.verifyRecoveryPoint = () => Promise.reject(new HoldfastError('Tampered', 'part 7 is not what it was'));
  const failed = await started('verification');
  assert.equal((await failureOf(failed)).type, 'Tampered');
  const [notice] = told().slice(before);
  assert.deepEqual([notice!.phase, notice!.title, notice!.lines, notice!.alert], ['schedule-failed', 'demo: SCHEDULE demo/verification FAILED', ['Tampered: part 7 is not what it was'], { key: 'holdfast/schedule/demo/verification', state: 'open' }]);
  const paused = await until('it is paused', async () => (await readSchedules(client, 'demo')).find(({ id, paused: why }) => id === 'demo/verification' && why !== null));
  assert.match(paused.paused!, /failure/);
  assert.equal(paused.last!.status, 'FAILED');
  assert.match(describeSchedules([paused], Date.now()).join('\n'), /^demo\/verification {2}01:00 day 1 of january UTC {2}verifySystem\n {2}paused {3}.*failure.*\n {2}last {5}20.* failed: part 7 is not what it was/);
  stubs.answers.verifyRecoveryPoint = stubActivities({}).answers.verifyRecoveryPoint;
  await client.schedule.getHandle('demo/verification').unpause();
  await (await started('verification')).result();
  assert.deepEqual(told().slice(before + 1).map(({ phase, alert }) => [phase, alert?.state]), [['verified', 'closed'], ['schedule-failed', 'closed']]);
});

test('an incremental reads the log alone, and fails where its end is later than the RPO', async () => {
  const run = await started('incremental');
  await run.result();
  const { runId } = await run.describe();
  assert.deepEqual(stubs.calls.filter(({ name }) => name === 'verifyRecoveryPoint').at(-1)!.input, { system: 'demo', source: 'documents', scope: 'log', run: runId });
  const { readArchiveStatus } = stubs.answers;
  stubs.answers.readArchiveStatus = async (ref) => ({ ...(await readArchiveStatus(ref)), rpoMs: declared.rpoObjectiveMs + 1, archivedToAt: '2026-11-21T02:59:00.000Z' });
  const failure = await failureOf(await started('incremental'));
  assert.deepEqual([failure.type, failure.message.split(' HINT')[0]], ['LogGap', 'demo: the log is whole, and later than the RPO of 5m00s: documents ends at 2026-11-21T02:59:00.000Z, 5m00s ago']);
  stubs.answers.readArchiveStatus = readArchiveStatus;
});

test('a backfill starts what a span would have had, one after the other, and no more than it may', async () => {
  const span = { system: 'demo', id: 'demo/full-backup', from: '2023-06-01T00:00:00.000Z', to: '2026-01-01T01:00:00.000Z', most: 3, dryRun: true };
  const moments = ['2024-01-01T01:00:00.000Z', '2025-01-01T01:00:00.000Z', '2026-01-01T01:00:00.000Z'];
  assert.deepEqual(await backfill(client, span), moments);
  await assert.rejects(backfill(client, { ...span, most: 2 }), /3 starts from 2023-06-01T00:00:00\.000Z to 2026-01-01T01:00:00\.000Z: 2 at most/);
  await assert.rejects(backfill(client, { ...span, id: 'demo/none' }), /demo has no schedule "demo\/none"/);
  await assert.rejects(backfill(client, { ...span, to: '2099-01-01T00:00:00.000Z' }), /expected a span of the past/);
  await backfill(client, { ...span, dryRun: false });
  for (const at of moments) {
    const handle = client.workflow.getHandle(`backup/demo/full-backup-${at.slice(0, 19)}Z`);
    assert.ok(Array.isArray(await until(`${at} is there`, async () => await handle.result())), at);
    const { runId } = await handle.describe();
    const asked = stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => input as ActToRecord).find((act) => act.runId === runId);
    assert.deepEqual([asked?.by, asked?.outcome], ['schedule/demo/full-backup', 'permitted'], 'the audit names the schedule');
  }
});
