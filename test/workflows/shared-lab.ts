import { after } from 'node:test';
import { WorkflowNotFoundError } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Owner } from '../harness/cleanup.ts';
import { until } from '../harness/until.ts';
import { labOf, startSkippingServer, startWorkers, type Lab } from './lab.ts';
import { stubActivities, type Stubs } from './stub-activities.ts';

/**
 * A lab that the tests of a file use one after the other: to bring up a server and its workers costs more than most tests do in them. What a test leaves running
 * is ended when it is over. The clock of the next one goes on where that one skipped to, and an id may be that of an ended workflow: a test that minds opens a lab of its own.
 */
interface Shared {
  env: TestWorkflowEnvironment;
  /** of the test that uses it */
  stubs: Stubs | undefined;
  stop(): Promise<void>;
}

const free = new Map<string, Shared[]>();
const all: Shared[] = [];

after(async () => {
  for (const { env, stop } of all) {
    await stop();
    await env.teardown();
  }
});

export async function openSharedLab(t: Owner, overrides: Partial<Stubs['answers']> = {}, interceptors: string[] = []): Promise<Lab> {
  const kind = interceptors.join('\0');
  const shared = free.get(kind)?.pop() ?? (await makeShared(interceptors));
  const stubs = stubActivities(overrides);
  shared.stubs = stubs;
  t.after(async () => {
    stubs.release();
    await endAll(shared.env);
    shared.stubs = undefined;
    free.set(kind, [...(free.get(kind) ?? []), shared]);
  });
  const lab = labOf(shared.env, stubs);
  return {
    ...lab,
    start: async (type, input, workflowId) => {
      const before = await runOf(lab, input);
      const entry = await lab.start(type, input, workflowId);
      // Who asks the run for its state means this one, and until it is there the id is that of an ended one.
      if (type === 'recoverSystem' && before !== undefined) await until('the run has begun, or will not', async () => (await runOf(lab, input)) !== before || (await entry.describe()).status.name !== 'RUNNING', 60_000, 15);
      return entry;
    },
  };
}

/** The newest run of the recovery of the system that an input names; undefined: there was none. */
async function runOf({ run }: Lab, input: unknown): Promise<string | undefined> {
  try {
    return (await run((input as { system?: string } | undefined)?.system).describe()).runId;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

async function makeShared(interceptors: string[]): Promise<Shared> {
  const env = await startSkippingServer();
  const shared: Shared = { env, stubs: undefined, stop: () => Promise.resolve() };
  const names = Object.keys(stubActivities({}).activities);
  const activities = Object.fromEntries(names.map((name) => [name, async (input: unknown) => {
    if (!shared.stubs) throw new Error('the test is over');
    return await shared.stubs.activities[name]!(input);
  }]));
  shared.stop = await startWorkers(env, activities, interceptors);
  all.push(shared);
  return shared;
}

/** Children that outlive their parents, and what a signal of a dying one has just started, are found by the next look. */
async function endAll({ client, connection, namespace = 'default' }: TestWorkflowEnvironment): Promise<void> {
  for (;;) {
    const { executions } = await connection.workflowService.listOpenWorkflowExecutions({ namespace, maximumPageSize: 1_000, startTimeFilter: {} });
    if (executions.length === 0) return;
    await Promise.all(executions.map(async ({ execution }) => await client.workflow.getHandle(execution!.workflowId!).terminate('its test is over').catch(() => undefined)));
  }
}
