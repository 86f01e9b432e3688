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
  assert.match(text, /### WAITING for approval `go`\n\n- since 03:00:01Z: 0 of 2, by erik, fay\n/);
  assert.match(text, /holdfast approve demo --gate go --by YOUR-NAME/);
  assert.match(text, /- \*\*waiting\*\* for people: ask$/m);
  assert.match(text, /pending act \(budget 1m00s\)/);
});

test('a failed step shows its reason, and how to answer', () => {
  const run = new Driver([step('a')]);
  run.start();
  run.fail('a');
  assert.match(showDetails(run.snapshot, at(5)), /### PAUSED: step `a` has failed\n\n- SourceUnavailable: gone\n- signal `retry` `\{"step": "a"\}`, `skip` .*or `abort`/);
});

test('no list stands in another: the UI would render it as one line', () => {
  const run = new Driver([step('ask', [], { gate: gate('go') }), step('list', [], { uses: 'manual', undo: false }), step('bad')]);
  run.start();
  run.feed({ kind: 'step-done', step: 'ask', attempt: 1, summary: null, opens: gate('go') }, 1);
  run.feed({ kind: 'step-done', step: 'list', attempt: 1, summary: 'rotate all', confirms: [{ id: 'db', do: 'rotate the password' }] }, 1);
  run.fail('bad');
  const text = showDetails(run.snapshot, at(5));
  assert.equal(text.match(/^### (WAITING|PAUSED)/gm)?.length, 3);
  assert.doesNotMatch(text, /^ +-/m);
});

test('an approval that was given says by whom, and how long it took; what its gate asks is not said again as a warning', () => {
  const run = new Driver([step('ask', [], { uses: 'approval', gate: gate('go') }), step('act', ['ask'])]);
  run.feed({ kind: 'run-started' }, 0);
  run.feed({ kind: 'warned', about: 'ask', what: 'the old primary answers' }, 1);
  run.feed({ kind: 'step-done', step: 'ask', attempt: 1, summary: 'approved', opens: { ...gate('go'), description: 'Move. the old primary answers' } }, 1);
  const asked = showDetails(run.snapshot, at(5));
  assert.equal(asked.split('the old primary answers').length, 2);
  assert.doesNotMatch(asked, /approved/);
  run.feed({ kind: 'approve', by: 'erik' }, 91);
  const given = showDetails(run.snapshot, at(95));
  assert.match(given, /- done ask approved by erik \(claimed\) after 1m30s$/m);
  assert.match(given, /⚠ ask: the old primary answers/);
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
