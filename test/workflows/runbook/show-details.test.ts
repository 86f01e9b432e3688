import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showDetails } from '../../../workflows/runbook/show-details.ts';
import { at, Driver, gate, step } from './plans.ts';

test('who is waited for comes first, with the signal and the command that answer it', () => {
  const run = new Driver([step('ask', [], { gate: gate('go', { quorum: 2, people: ['erik', 'fay'] }) }), step('act', ['ask'], { budgetMs: 60_000 })]);
  run.feed({ kind: 'run-started' }, 0);
  run.feed({ kind: 'step-done', step: 'ask', attempt: 1, summary: null, opens: gate('go', { quorum: 2, people: ['erik', 'fay'] }) }, 1);
  const text = showDetails(run.snapshot, at(600));
  assert.match(text, /recovery demo: waiting\*\* as of 03:10:00Z/);
  assert.match(text, /RTO: 10m00s of 1h00m passed; breach at 04:00:00Z/);
  assert.match(text, /WAITING for approval `go`\*\* since 03:00:01Z: 0 of 2, by erik, fay/);
  assert.match(text, /holdfast approve demo --gate go --by YOUR-NAME/);
  assert.match(text, /pending act \(budget 1m00s\)/);
});

test('a failed step shows its reason, and how to answer', () => {
  const run = new Driver([step('a')]);
  run.start();
  run.fail('a');
  assert.match(showDetails(run.snapshot, at(5)), /PAUSED: step `a` has failed\*\*: SourceUnavailable: gone\n.*signal `retry` `\{"step": "a"\}`, `skip` .*or `abort`/);
});

test('however long the run and its words, details stay under 4 KB and keep what waits', () => {
  const long = 'Ünï ☂ '.repeat(2_000);
  const steps = Array.from({ length: 60 }, (_, n) => step(`step-${'x'.repeat(50)}-${n}`));
  const run = new Driver(steps);
  run.start();
  steps.slice(0, 40).forEach(({ id }) => run.feed({ kind: 'step-done', step: id, attempt: 1, summary: long }));
  steps.slice(40, 45).forEach(({ id }) => run.feed({ kind: 'step-failed', step: id, attempt: 1, error: { type: 'X', message: long }, helpable: false }));
  for (let n = 0; n < 20; n += 1) run.feed({ kind: 'warned', about: 'run', what: `${n} ${long}` });
  const text = showDetails(run.snapshot, at(60));
  assert.ok(Buffer.byteLength(text) <= 4_096, String(Buffer.byteLength(text)));
  assert.match(text, /PAUSED/);
});
