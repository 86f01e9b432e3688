import assert from 'node:assert/strict';
import { test } from 'node:test';
import { details } from './lab.ts';
import { breachesOf, Life, live, openLife, type Run } from './long-life.ts';

const mostCarried = (runs: readonly Run[]): number => Math.max(...runs.map(({ carriedBytes }) => carriedBytes));

test('an archive keeps its history small, hour after hour, with gaps, elections, failures and lateness in it, and carries no more over than in its first hours; so does one whose round never ends', { timeout: 240_000 }, async (t) => {
  const lab = await openLife(t);
  const [archive, hung] = [await Life.archive(lab, 'documents'), await Life.archive(lab, 'hung')];
  await live(lab, 1, [archive, hung]);
  assert.match(await details(lab.env.client.workflow.getHandle('archive/demo/documents')), /, timeline t00000001; 3,600 slices in 1h00m, 28 entries\/s/);
  const { runs } = archive;
  assert.deepEqual([...breachesOf('archive', runs, 1), ...breachesOf('hung', hung.runs, 1)], []);
  const half = runs.length / 2;
  assert.ok(mostCarried(runs.slice(half)) <= mostCarried(runs.slice(0, half)), 'what it carries over grows');
});

test('an incident that everybody forgot reminds people for a year, and its history and what it carries over stay small', { timeout: 240_000 }, async (t) => {
  const lab = await openLife(t);
  const incident = await Life.incident(lab);
  await live(lab, 365, [incident], 365);
  const reminders = lab.stubs.calls.filter(({ name, input }) => name === 'notify' && (input as { notice: { phase: string } }).notice.phase === 'update-due').length;
  assert.ok(reminders > 360, `${reminders} reminders`);
  assert.deepEqual(breachesOf('incident', incident.runs, 365), []);
});
