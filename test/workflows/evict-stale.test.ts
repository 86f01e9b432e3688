import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interceptors } from '../../workflows/evict-stale.ts';
import { madeAnew } from '../../workflows/domain/made-anew.ts';

type Activate = NonNullable<NonNullable<NonNullable<ReturnType<typeof interceptors>['internals']>[number]>['activate']>;
type Jobs = NonNullable<Parameters<Activate>[0]['activation']['jobs']>;

/** A run as its interceptor sees it. That core does hand out such portions is seen on a real server: test/workers/evict-stale.test.ts. */
function newRun(): { task(second: number, historyLength: number, ...jobs: Jobs): void; asked(): void } {
  const [{ activate }] = interceptors().internals as [{ activate: Activate }];
  const meet = (second: number, historyLength: number, jobs: Jobs): void =>
    void activate({ activation: { jobs, historyLength, isReplaying: false, timestamp: { seconds: second as never, nanos: 0 } }, batchIndex: 0 } as unknown as Parameters<Activate>[0], () => undefined as never);
  return {
    task: (second, historyLength, ...jobs) => meet(second, historyLength, jobs),
    asked: () => meet(0, 0, [{ queryWorkflow: { queryId: 'legacy_query' } }]),
  };
}

const onlyByEvent: Record<string, Jobs[number]> = {
  'a timer': { fireTimer: {} },
  'a signal': { signalWorkflow: {} },
  'a cancel request': { cancelWorkflow: {} },
  'an activity that ended': { resolveActivity: { result: { completed: {} } } },
  'a child that started': { resolveChildWorkflowExecutionStart: { succeeded: {} } },
  'a child that could not start': { resolveChildWorkflowExecutionStart: { failed: {} } },
  'a child that ended': { resolveChildWorkflowExecution: { result: { completed: {} } } },
  'another run that was signalled': { resolveSignalExternalWorkflow: {} },
  'another run that was not there': { resolveSignalExternalWorkflow: { failure: { applicationFailureInfo: {} } } },
  'another run that was cancelled': { resolveRequestCancelExternalWorkflow: {} },
};
const within: Record<string, Jobs[number]> = {
  'an activity that the run cancelled': { resolveActivity: { result: { cancelled: {} } } },
  'a child that it cancelled before it started': { resolveChildWorkflowExecutionStart: { cancelled: {} } },
  'a signal that it cancelled': { resolveSignalExternalWorkflow: { failure: { canceledFailureInfo: {} } } },
};

for (const [what, job] of Object.entries(onlyByEvent)) {
  test(`${what}, met ahead of its task, has the run made anew; met with its task it has not`, () => {
    const ahead = newRun();
    ahead.task(1, 3, { initializeWorkflow: {} });
    ahead.task(1, 8, job);
    ahead.asked();
    assert.throws(() => ahead.task(2, 12, { fireTimer: {} }), { message: madeAnew });
    const own = newRun();
    own.task(1, 3, { initializeWorkflow: {} });
    own.task(2, 9, job);
    own.task(3, 15, { fireTimer: {} });
  });
}

for (const [what, job] of Object.entries(within)) {
  test(`${what} answers within its task`, () => {
    const run = newRun();
    run.task(1, 3, { initializeWorkflow: {} });
    run.task(1, 3, job);
    run.task(2, 12, { fireTimer: {} });
  });
}

test('what a task left that failed, or died with its worker, is told by how close the next one lies', () => {
  const died = newRun();
  died.task(1, 3, { initializeWorkflow: {} });
  died.task(2, 10, { resolveSignalExternalWorkflow: {} });
  died.asked();
  assert.throws(() => died.task(3, 13, { resolveSignalExternalWorkflow: {} }), { message: madeAnew });
});
