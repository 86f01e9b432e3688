import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hours } from '../../workflows/domain/units.ts';
import type { WatchInput, WatchState } from '../../workflows/domain/watch.ts';
import { openLab } from './lab.ts';

test('a watch goes on as a new run before its history grows, and forgets nothing', { timeout: 120_000 }, async (t) => {
  const lab = await openLab(t);
  const startMs = await lab.env.currentTimeMs();
  const input: WatchInput = {
    system: 'demo', source: 'documents', run: 'R1', environment: 'production', timeline: 't00000001', epoch: 1, limit: '1763700100-0000000001',
    startedAt: new Date(startMs).toISOString(), endsAt: new Date(startMs + hours(6)).toISOString(), fence: 'proved',
  };
  const watch = await lab.start('runWatch', input, 'watch/demo/documents');
  const { runId } = await watch.describe();
  const state = (await watch.result()) as WatchState;
  assert.ok(state.probes > 300, `${state.probes} looks`);
  assert.match(state.over!, /^watched until /);
  const first = await lab.env.client.workflow.getHandle('watch/demo/documents', runId).describe();
  assert.equal(first.status.name, 'CONTINUED_AS_NEW');
  assert.ok(first.historyLength < 5_000, `${first.historyLength} events`);
});
