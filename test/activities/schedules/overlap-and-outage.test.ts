import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { toOptions } from '../../../activities/schedules/server-schedule.ts';
import { readFires } from '../../../activities/watch/read-fires.ts';
import { stopByPidFile } from '../../../activities/tool/start-server.ts';
import { startTemporal } from '../../../scripts/stack/temporal.ts';
import { pidFileOf, type StackFile } from '../../../scripts/stack/stack-file.ts';
import { desiredSchedules } from '../../../workflows/domain/schedules/desired.ts';
import { scheduleSchema } from '../../../workflows/domain/schedules/schema.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { freePort } from '../../harness/free-port.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { until } from '../../harness/until.ts';

const everyMs = 4_000;

interface Place {
  stack: StackFile;
  client(): Promise<Client>;
}

async function startPlace(t: TestContext): Promise<Place> {
  const [port, uiPort, httpPort, metricsPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const stack = { directory: tempDir(t), temporal: { address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}`, port, uiPort, httpPort, metricsPort } } as StackFile;
  t.after(async () => await stopByPidFile(pidFileOf(stack, 'temporal'), 'SIGKILL'));
  await startTemporal(stack, { tiedToUs: true });
  return {
    stack,
    client: async () => {
      const connection = await Connection.connect({ address: stack.temporal.address });
      t.after(async () => await connection.close());
      return new Client({ connection });
    },
  };
}

const fileOf = (written: Record<string, object>) => ({ system: 'demo', schedules: Object.fromEntries(Object.entries(written).map(([name, of]) => [name, scheduleSchema.parse({ does: 'backup', every: '1h', ...of })])) });

/** As `holdfast apply` makes it of what a file says, but every few seconds, which no file can say. */
async function schedule(client: Client, name: string, written: object): Promise<void> {
  const [desired] = desiredSchedules(fileOf({ [name]: written }));
  await client.schedule.create(toOptions({ ...desired!, times: { ...desired!.times, intervals: [{ everyMs, offsetMs: 0 }] } }, 'demo'));
}

const actionsOf = async (client: Client, name: string) => (await client.schedule.getHandle(`demo/${name}`).describe()).info;

// No worker polls here: what is started runs until it is terminated.
test('a start that meets a running one is left out, or waits, as the file says; what was missed while the server was away is made up for, several at once as one', { timeout: 120_000 }, async (t) => {
  const place = await startPlace(t);
  let client = await place.client();
  const written = { skips: {}, waits: { overlap: 'wait' }, missed: {} };
  for (const [name, of] of Object.entries(written)) await schedule(client, name, of);
  const started = async (name: string): Promise<string[]> => (await actionsOf(client, name)).recentActions.map(({ action }) => action.workflow.firstExecutionRunId);
  const end = async (name: string): Promise<void> => {
    const { recentActions } = await actionsOf(client, name);
    const { workflowId, firstExecutionRunId } = recentActions.at(-1)!.action.workflow;
    await client.workflow.getHandle(workflowId, undefined, { firstExecutionRunId }).terminate();
  };

  for (const name of ['skips', 'waits', 'missed']) await until(`${name} to start`, async () => (await started(name)).length === 1, 30_000);
  await until('a start to be left out', async () => (await actionsOf(client, 'skips')).numActionsSkippedOverlap >= 1, 30_000);
  assert.equal((await started('skips')).length, 1);
  await until('a start to wait', async () => (await actionsOf(client, 'waits')).runningActions.length === 1 && (await actionsOf(client, 'waits')).numActionsSkippedOverlap >= 1, 30_000);
  assert.equal((await started('waits')).length, 1);
  const endedAt = Date.now();
  await end('waits');
  await until('the one that waited', async () => (await started('waits')).length === 2, 10_000);
  const [, waited] = (await actionsOf(client, 'waits')).recentActions;
  assert.ok(waited!.scheduledAt.getTime() <= endedAt, `${waited!.scheduledAt.toISOString()} lies before the end of the one that it met`);

  await end('missed');
  const before = (await actionsOf(client, 'missed')).recentActions.length;
  await stopByPidFile(pidFileOf(place.stack, 'temporal'), 'SIGKILL');
  const goneAt = Date.now();
  await sleep(2.5 * everyMs);
  const backAt = Date.now();
  await startTemporal(place.stack, { tiedToUs: true });
  client = await place.client();
  const made = await until('what was missed', async () => {
    const { recentActions, numActionsSkippedOverlap } = await actionsOf(client, 'missed');
    return recentActions.length > before && numActionsSkippedOverlap > 0 ? recentActions : undefined;
  }, 60_000);
  const late = made.filter(({ scheduledAt }) => scheduledAt.getTime() > goneAt && scheduledAt.getTime() < backAt);
  assert.equal(late.length, 1, 'two moments passed, and one start makes up for both');
  assert.ok(late[0]!.takenAt.getTime() >= backAt);

  // As the file says, each comes every hour: none has come for three, and only what still runs says why.
  for (const name of ['missed', 'skips']) await client.schedule.getHandle(`demo/${name}`).update((was) => ({ ...was, spec: { intervals: [{ every: hours(24 * 365) }] } }));
  await end('missed');
  const fires = await readFires(client, fileOf({ skips: {}, missed: {}, never: {} }), Date.now() + hours(3));
  assert.deepEqual(fires.map(({ id, state }) => [id, state]), [['demo/skips', 'on time'], ['demo/missed', 'late'], ['demo/never', 'missing']]);
});
