import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActToRecord } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { hours, minutes } from '../../workflows/domain/units.ts';
import type { WatchInput, WatchState } from '../../workflows/domain/watch.ts';
import { openLab, type Lab } from './lab.ts';

async function inputOf(lab: Lab): Promise<WatchInput> {
  const startMs = await lab.env.currentTimeMs();
  return {
    system: 'demo', source: 'documents', run: 'R1', environment: 'production', timeline: 't00000001', epoch: 1, limit: '1763700100-0000000001',
    startedAt: new Date(startMs).toISOString(), endsAt: new Date(startMs + hours(6)).toISOString(), fence: 'proved',
  };
}

test('who stops a watch is in the audit, once, however often it is told; an audit that takes nothing holds it up for two minutes, and it says so', { timeout: 120_000 }, async (t) => {
  const lab = await openLab(t);
  const stopped = async (): Promise<{ state: WatchState; tookMs: number }> => {
    const watch = await lab.start('runWatch', await inputOf(lab), 'watch/demo/documents');
    await watch.signal('stop', { by: 'run R2' });
    await watch.signal('stop', { by: 'run R2' });
    const state = (await watch.result()) as WatchState;
    const { startTime, closeTime } = await watch.describe();
    return { state, tookMs: closeTime!.getTime() - startTime.getTime() };
  };
  const acts = (): ActToRecord[] => lab.stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => input as ActToRecord);
  const { state } = await stopped();
  assert.deepEqual([state.over, acts().map(({ by, act, about }) => [by, act, about])], ['told to stop', [['run R2', 'stop', 'the watch on the old primary of documents is stopped']]]);
  lab.stubs.answers.recordAct = () => Promise.reject(new HoldfastError('NotPermitted', 'the store takes nothing'));
  const untold = await stopped();
  assert.equal(untold.state.over, 'told to stop');
  assert.match(untold.state.findings.at(-1)!.what, /^audit: not in the audit .*: stop by run R2, permitted: the watch on the old primary of documents is stopped$/);
  assert.ok(untold.tookMs >= minutes(2) && untold.tookMs < minutes(5), `${untold.tookMs} ms`);
});

test('a watch goes on as a new run before its history grows, and forgets nothing', { timeout: 120_000 }, async (t) => {
  const lab = await openLab(t);
  const input = await inputOf(lab);
  const watch = await lab.start('runWatch', input, 'watch/demo/documents');
  const { runId } = await watch.describe();
  const state = (await watch.result()) as WatchState;
  assert.ok(state.probes > 300, `${state.probes} looks`);
  assert.match(state.over!, /^watched until /);
  const first = await lab.env.client.workflow.getHandle('watch/demo/documents', runId).describe();
  assert.equal(first.status.name, 'CONTINUED_AS_NEW');
  assert.ok(first.historyLength < 5_000, `${first.historyLength} events`);
});
