import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { sendUpdate } from '../../scripts/client.ts';

/** Only what Temporal says is made up here, as it was seen once beside other tests: a run's task fails for a moment of its own choosing. */
function handleThatSays(answers: (Error | string)[]): { handle: WorkflowHandle; asked: () => number } {
  let asked = 0;
  const executeUpdate = (): Promise<unknown> => {
    const answer = answers[asked];
    asked += 1;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  return { handle: { executeUpdate } as unknown as WorkflowHandle, asked: () => asked };
}

test('an update that meets a failed task is sent again; whatever else is answered is answered at once', async () => {
  const failed = new Error('Workflow Update failed', { cause: new Error('Unable to perform workflow execution update due to Workflow Task in failed state.') });
  const run = handleThatSays([failed, failed, 'accepted']);
  assert.equal(await sendUpdate(run.handle, 'approve', { by: 'dana' }), 'accepted');
  assert.equal(run.asked(), 3);
  const refused = handleThatSays([new Error('NotWaiting: no gate waits'), 'accepted']);
  await assert.rejects(sendUpdate(refused.handle, 'approve', { by: 'dana' }), /no gate waits/);
  assert.equal(refused.asked(), 1);
});
