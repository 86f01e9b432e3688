import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Context } from '@temporalio/activity';
import { openTeller } from '../../activities/tell-workflow.ts';
import type { Heartbeat } from '../../activities/heartbeat.ts';
import { parseProgress, type ToldProgress } from '../../workflows/domain/messages.ts';

/** An activity of a workflow, and what that workflow was sent. */
function activity(runId: string, activityId: string, sent: ToldProgress[], activityType = 'restoreGroup'): Context {
  const signal = (_name: string, told: ToldProgress): Promise<void> => Promise.resolve(void sent.push(told));
  return {
    info: { activityId, activityType, workflowExecution: { workflowId: 'recover/demo', runId } },
    client: { workflow: { getHandle: () => ({ signal }) } },
  } as unknown as Context;
}

const heartbeat = (done: number, of = 100): Heartbeat => ({ phase: 'restore', done, of, unit: 'bytes', percent: of > 0 ? done : null, perSecond: 1, leftMs: 1_000, log: null, group: 'g1', source: 'documents' });

test('one signal for all activities of a run, 15 s apart at first, fewer the longer it takes: a day is under 150', () => {
  let nowMs = 0;
  const sent: ToldProgress[] = [];
  const runId = randomUUID();
  const tellers = ['1', '2'].map((id) => openTeller(activity(runId, id, sent), () => nowMs));
  const signalsUntil = (untilMs: number): number => {
    for (; nowMs < untilMs; nowMs += 1_000) for (const teller of tellers) teller.tell(heartbeat(1));
    return sent.length;
  };
  assert.equal(signalsUntil(15_000), 0, 'short work tells nothing');
  assert.equal(signalsUntil(60_000), 3);
  assert.ok(signalsUntil(3_600_000) <= 75, String(sent.length));
  assert.ok(signalsUntil(86_400_000) <= 150, String(sent.length));
  assert.deepEqual(sent.at(-1)?.activities.map(({ activity: name, source }) => [name, source]), [['restoreGroup', 'documents'], ['restoreGroup', 'documents']]);
  assert.deepEqual(parseProgress(sent[0]), sent[0], 'the workflow can read it');
});

test('work whose whole is unknown tells how much is done; work without an end tells nothing, nor does a pause, and what has ended is not told of', () => {
  let nowMs = 0;
  const sent: ToldProgress[] = [];
  const runId = randomUUID();
  const [first, second] = ['1', '2'].map((id) => openTeller(activity(runId, id, sent), () => nowMs));
  nowMs = 20_000;
  openTeller(activity(runId, '3', sent, 'archiveLog'), () => nowMs).tell(heartbeat(5, 0));
  first!.tell(heartbeat(0, 0));
  assert.equal(sent.length, 0);
  first!.tell(heartbeat(5, 0));
  nowMs = 40_000;
  first!.tell(heartbeat(0, 0));
  second!.tell(heartbeat(6));
  first!.end();
  nowMs = 60_000;
  second!.tell(heartbeat(7));
  assert.deepEqual(sent.map(({ activities }) => activities.map(({ done, percent }) => [done, percent])), [[[5, null]], [[5, null], [6, 6]], [[7, 7]]]);
  assert.deepEqual(parseProgress(sent[0]), sent[0], 'the workflow can read it');
});
