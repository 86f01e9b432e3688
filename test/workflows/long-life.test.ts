import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kib } from '../../workflows/domain/units.ts';
import { Life, live, openLife, type Run } from './long-life.ts';

const most = (runs: readonly Run[], of: 'events' | 'bytes' | 'carriedBytes'): number => Math.max(...runs.map((run) => run[of]));

test('an archive keeps its history small, hour after hour, with gaps, elections, failures and lateness in it, and carries no more over than in its first hours; so does one whose round never ends', { timeout: 240_000 }, async (t) => {
  const lab = await openLife(t);
  const [archive, hung] = [await Life.archive(lab, 'documents'), await Life.archive(lab, 'hung')];
  await live(lab, 1, [archive, hung]);
  const { runs } = archive;
  assert.ok(runs.length > 12, `${runs.length} runs in 24 hours`);
  assert.ok(most(runs, 'events') < 2_000, `${most(runs, 'events')} events`);
  assert.ok(most(runs, 'bytes') < kib(1_024), `${most(runs, 'bytes')} bytes`);
  const half = runs.length / 2;
  assert.ok(most(runs.slice(half), 'carriedBytes') <= most(runs.slice(0, half), 'carriedBytes'), 'what it carries over grows');
  assert.ok(hung.runs.length >= 2, `${hung.runs.length} runs of one that is stuck`);
  // Of a run that was ended by its length some tasks were under way.
  assert.ok(most(hung.runs, 'events') < 1_600, `${most(hung.runs, 'events')} events of one that is stuck`);
});

test('an incident that everybody forgot reminds people for a year, and its history and what it carries over stay small', { timeout: 240_000 }, async (t) => {
  const lab = await openLife(t);
  const incident = await Life.incident(lab);
  await live(lab, 365, [incident], 365);
  const reminders = lab.stubs.calls.filter(({ name, input }) => name === 'notify' && (input as { notice: { phase: string } }).notice.phase === 'update-due').length;
  assert.ok(reminders > 360, `${reminders} reminders`);
  const { runs } = incident;
  assert.ok(most(runs, 'events') < 4_500, `${most(runs, 'events')} events`);
  assert.ok(most(runs, 'carriedBytes') < kib(16), `${most(runs, 'carriedBytes')} bytes`);
});
