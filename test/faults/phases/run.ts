import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockIds } from '../../../workflows/domain/names.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import { smallCollections, type Bench } from '../bench.ts';
import { demoDatabase } from '../../../scripts/stack/stack-file.ts';
import type { Matches } from '../../harness/store-proxy.ts';
import { isDone, isGet, isPart, isSlice } from './requests.ts';

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
        await bench.pages.due('failed', [id, error!.type]);
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
  // Others are only counted, against the least that a system file names.
  const compared = report.validation.flatMap(({ collections }) => collections).filter(({ expectedCount }) => expectedCount !== null);
  assert.deepEqual(compared.filter(({ hashEqual }) => hashEqual !== true), [], 'all that the bench has can be compared by hash');
  assert.ok(compared.length > smallCollections, `${compared.length} collections were compared`);
}

/** Keys of what was given whole between the start of one step and that of another. */
function readBetween(bench: Bench, report: RunReport, matches: Matches, [from, to]: [string, string]): string[] {
  const startOf = (type: string): number => Date.parse(report.state.steps.find(({ uses }) => uses === type)!.startedAt!);
  const endsAt = startOf(to);
  return bench.stack.store.seen((of) => isGet(of) && isDone(of) && matches(of) && of.at < endsAt, startOf(from)).map(({ key }) => key);
}

/** Before restore they are checked, and behind replay validated. */
export const partsRead = (bench: Bench, report: RunReport): number => readBetween(bench, report, isPart, ['restore', 'replay']).length;

/** What replay read, and how many slices that is without those that it read again. */
export function slicesRead(bench: Bench, report: RunReport): { read: number; of: number } {
  const keys = readBetween(bench, report, isSlice, ['replay', 'build-indexes']);
  return { read: keys.length, of: new Set(keys).size };
}

/** Each index that the target was given, as often as it was built to its end: its server's log says so, as long as there is a target. */
export function indexesBuilt(bench: Bench): string[] {
  return readFileSync(join(bench.standbyDirectory, 'mongod.log'), 'utf8').split('\n').filter((line) => line.includes('"msg":"Index build: done building"')).flatMap((line) => {
    const { namespace, index } = (JSON.parse(line) as { attr: { namespace: string; index: string } }).attr;
    return namespace.startsWith(`${demoDatabase}.`) && index !== '_id_' ? [`${namespace} ${index}`] : [];
  });
}
