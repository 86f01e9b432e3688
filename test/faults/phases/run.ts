import assert from 'node:assert/strict';
import type { WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockIds } from '../../../workflows/domain/names.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import type { Bench } from '../bench.ts';
import { isDone, isGet, isPart } from './requests.ts';

/** The one that answers gates and, where a step has failed, says that its cause is gone. */
const person = 'dana';

/**
 * Answers every gate of the run but `but`, and tells steps that have failed to try again, until the run has ended or waits at `but`.
 * @returns the failures that a person had to answer.
 */
export async function answerRun(bench: Bench, entry: WorkflowHandle, but?: string, withinMs = 360_000): Promise<string[]> {
  const { stack } = bench;
  const answered: string[] = [];
  let ended = false;
  // Ended with this function: a call that is left waiting when its connection is closed throws where nobody catches it.
  const watch = new AbortController();
  const result = stack.client.withAbortSignal(watch.signal, async () => await entry.result()).then(() => (ended = true), () => (ended = true));
  const endsAt = Date.now() + withinMs;
  let last = 'nothing';
  while (!ended && Date.now() < endsAt) {
    try {
      const { state } = await stack.run();
      last = JSON.stringify(state.steps.filter((step) => step.state !== 'pending' && step.state !== 'done').map(({ id, state: is, error }) => [id, is, error]));
      const gates = state.gates.filter(({ status }) => status === 'open');
      if (but !== undefined && gates.some(({ gate }) => gate === but)) {
        watch.abort();
        return answered;
      }
      for (const { gate } of gates) await stack.runHandle.executeUpdate('approve', { args: [{ gate, by: person }] });
      for (const { id, error } of state.steps.filter((step) => step.state === 'failed')) {
        answered.push(`${id} ${error?.type}: ${error?.message}`);
        await stack.runHandle.executeUpdate('retry', { args: [{ step: id, by: person }] });
      }
    } catch (error) {
      last = (error as Error).message;
    }
    await Promise.race([result, sleep(400)]);
  }
  watch.abort();
  if (!ended || but !== undefined) throw new Error(`the run of ${lockIds.recover('demo')} did not ${but ? `come to ${but}` : 'end'} within ${withinMs / 1000} s; last seen: ${last}`);
  return answered;
}

/** The report says that it is done and equal; anything else would be a false success or none. */
export function requireDone(report: RunReport): void {
  assert.equal(report.outcome, 'done');
  assert.ok(report.validation.length >= 2 && report.validation.every(({ ok }) => ok), JSON.stringify(report.validation.map(({ problems }) => problems)));
  assert.ok(report.validation.flatMap(({ collections }) => collections).every(({ hashEqual }) => hashEqual !== false));
}

/** Parts that were given whole between the start of restore and that of replay: before it they are checked, and behind it validated. */
export function partsRead(bench: Bench, report: RunReport): number {
  const startOf = (type: string): number => Date.parse(report.state.steps.find(({ uses }) => uses === type)!.startedAt!);
  const replayAt = startOf('replay');
  return bench.stack.store.seen((of) => isGet(of) && isPart(of) && isDone(of) && of.at < replayAt, startOf('restore')).length;
}
