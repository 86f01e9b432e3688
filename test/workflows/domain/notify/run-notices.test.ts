import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitted, noticeLimits, type Notice } from '../../../../workflows/domain/notify/notice.ts';
import { internalNotice, type Moment, type RunFacts } from '../../../../workflows/domain/notify/run-notices.ts';
import { externalNotice } from '../../../../workflows/domain/notify/external-notice.ts';
import { findMoments } from '../../../../workflows/runbook/find-moments.ts';
import { failedSteps } from '../../../../workflows/runbook/waits-for.ts';
import { reduceRun } from '../../../../workflows/runbook/reduce-run.ts';
import type { RunEvent } from '../../../../workflows/runbook/run-types.ts';
import { showDetails } from '../../../../workflows/runbook/show-details.ts';
import { at, Driver, gate, step } from '../../runbook/plans.ts';

const written = (run: Driver, moment: Moment, second = run.second): Notice =>
  internalNotice(moment, { state: run.snapshot.state, run: '01JRUN', failed: failedSteps(run.snapshot), undoing: run.snapshot.abort !== null, at: at(second), number: 1 });

function atGate(): Driver {
  const run = new Driver([step('ask', [], { gate: gate('go', { quorum: 2, people: ['erik', 'fay'] }) }), step('act', ['ask'])]);
  run.feed({ kind: 'run-started' }, 0);
  run.feed({ kind: 'step-done', step: 'ask', attempt: 1, summary: null, opens: gate('go', { quorum: 2, people: ['erik', 'fay'] }) }, 60);
  return run;
}

test('an approval is asked for in the words that the run’s details have, with what it is about, the clock and what is left', () => {
  const run = atGate();
  const { title, lines, answers, severity, alert } = written(run, { phase: 'approval', gate: 'go' }, 600);
  assert.deepEqual([title, severity, alert], ['demo: APPROVAL WANTED: go', 'critical', { key: 'holdfast/demo/run/01JRUN/go', state: 'open' }]);
  assert.deepEqual(lines, [
    'may go go on',
    'approvals: 0 of 2, by erik, fay',
    'RTO: 10m00s of 1h00m passed, breach at 04:00:00Z; waited for people 0ms',
    'now: nothing runs',
    'left: act (1 of 2 steps)',
  ]);
  const details = showDetails(run.snapshot, at(600));
  assert.equal(answers.length, 2);
  for (const way of answers) assert.ok(details.includes(way), way);
});

test('the words of the system file: lines in its order, those of which nothing is known left out, and nothing of a value taken for a word', () => {
  const run = atGate();
  run.snapshot.state.requestedBy = 'dana {left}';
  const facts = (template: string): RunFacts => ({ state: run.snapshot.state, run: '01JRUN', failed: [], undoing: false, at: at(900), number: 1, templates: { update: template, started: template } });
  const update = internalNotice({ phase: 'update', nextAt: at(1_800) }, facts('{system}: {what}, asked for by {by}, since {since}\nAbout {about}\nNext word by {next}. {clock}\nStill to do: {left}\n{who}\nRuns: {now}'));
  assert.deepEqual(update.lines, [
    'demo: recovery, asked for by dana {left}, since 2026-11-21 03:00 UTC',
    'Next word by 03:30:00Z. RTO: 15m00s of 1h00m passed, breach at 04:00:00Z; waited for people 0ms',
    'Still to do: act (1 of 2 steps)',
    'waits for approval `go` since 03:01:00Z: 0 of 2, by erik, fay',
    'Runs: nothing runs',
  ]);
  assert.equal(update.title, 'demo: recovery waits, 15m00s of 1h00m', 'the title stays: receivers put messages together by it');
  assert.ok(!internalNotice({ phase: 'started' }, facts('It began.\nNext word by {next}.')).lines.includes('Next word by .'));
});

test('no words of the system file can leave out who is waited for and how to answer', () => {
  const run = atGate();
  const asked = (template: string): Notice => internalNotice({ phase: 'approval', gate: 'go' }, { state: run.snapshot.state, run: '01JRUN', failed: [], undoing: false, at: at(600), number: 1, templates: { approval: template } });
  const usual = written(run, { phase: 'approval', gate: 'go' }, 600);
  const approvals = '0 of 2, by erik, fay';
  assert.deepEqual(asked('Please look at {subject}: {who}.').lines, [`Please look at go: ${approvals}.`]);
  assert.deepEqual(asked('It is late.').lines, [`approvals: ${approvals}`, 'It is late.'], 'left out');
  assert.deepEqual(asked(`${'x'.repeat(290)} {who}`).lines[0], `approvals: ${approvals}`, 'cut off for its length');
  assert.deepEqual(asked(Array.from({ length: 12 }, (_, n) => (n === 11 ? '{who}' : `${n}`)).join('\n')).lines.filter((line) => line.includes(approvals)).length, 1);
  for (const template of ['It is late.', '{who}', 'x'.repeat(300)]) assert.deepEqual([asked(template).answers, asked(template).title], [usual.answers, usual.title]);
});

test('a failed step says why, and how to answer in the words of the details; so does a failed undo', () => {
  const run = new Driver([step('a')]);
  run.start();
  run.fail('a');
  const failed = written(run, { phase: 'failed', step: 'a' });
  assert.equal(failed.title, 'demo: PAUSED: step a failed');
  assert.equal(failed.lines[0], 'SourceUnavailable: gone');
  for (const way of failed.answers) assert.ok(showDetails(run.snapshot, at(9)).includes(way), way);
  run.feed({ kind: 'abort', by: 'dana' });
  run.feed({ kind: 'undo-failed', step: 'a', attempt: 1, error: { type: 'X', message: 'does not stop' } });
  const stuck = written(run, { phase: 'stuck', step: 'a' });
  assert.equal(stuck.title, 'demo: STUCK: the undo of a failed');
  for (const way of stuck.answers) assert.ok(showDetails(run.snapshot, at(9)).includes(way), way);
});

test('an update says what runs, what is left, who is waited for and how to answer; the last message says what remains', () => {
  const run = atGate();
  const update = written(run, { phase: 'update', nextAt: at(1_800) }, 900);
  assert.equal(update.title, 'demo: recovery waits, 15m00s of 1h00m');
  assert.ok(update.lines.includes('waits for approval `go` since 03:01:00Z: 0 of 2, by erik, fay'), update.lines.join('\n'));
  assert.ok(update.lines.includes('next update by 03:30:00Z'));
  assert.equal(update.answers.length, 2);
  run.feed({ kind: 'warned', about: 'act', what: 'no log is archived' });
  run.snapshot.state.status = 'done';
  run.snapshot.state.endedAt = at(1_200);
  const done = written(run, { phase: 'resolved' }, 1_200);
  assert.deepEqual([done.title, done.alert!.state, done.lines.at(-1)], ['demo: recovery done', 'closed', 'warning: act: no log is archived']);
});

test('however long its words, a message stays short enough for every receiver', () => {
  const long = '<!channel> \r\n & Ünï ☂ '.repeat(400);
  const run = new Driver(Array.from({ length: 60 }, (_, n) => step(`step-${n}`)));
  run.start();
  for (let n = 0; n < 60; n += 1) run.feed({ kind: 'step-failed', step: `step-${n}`, attempt: 1, error: { type: 'X', message: long }, helpable: false });
  const { title, lines, answers } = written(run, { phase: 'failed', step: 'step-1' });
  assert.ok(title.length <= noticeLimits.title && lines.length <= noticeLimits.lines + 1 && lines.every((line) => line.length <= noticeLimits.line && !/[\r\n]/.test(line)));
  assert.ok(answers.length <= 6);
  assert.ok([title, ...lines, ...answers].join('\n').length < 5_000);
});

test('what goes outside is made of the service’s name, its impact and times, whatever the run holds', () => {
  const facts = { words: { service: 'AI writing', impact: 'Documents cannot be opened.' }, run: '01JRUN', number: 4, at: at(600), incidentAt: at(0), servedAt: null, nextAt: at(2_400) };
  const started = externalNotice('started', facts);
  assert.equal(started.title, 'AI writing: service disruption');
  assert.deepEqual(started.lines, ['Documents cannot be opened.', 'Since 2026-11-21 03:00 UTC. We are working on it.', 'Next update by 2026-11-21 03:40 UTC.']);
  assert.deepEqual(externalNotice('update', facts).lines.at(-1), 'Next update by 2026-11-21 03:40 UTC.');
  assert.deepEqual(externalNotice('served', { ...facts, servedAt: at(1_800), nextAt: null }).lines, ['The service has been available again since 2026-11-21 03:30 UTC. We are watching it.']);
  assert.deepEqual(externalNotice('resolved', { ...facts, servedAt: at(1_800), nextAt: null }).lines.at(-1), 'This is the last message about it.');
  for (const phase of ['started', 'update', 'served', 'resolved', 'aborted'] as const) assert.deepEqual(externalNotice(phase, facts).answers, []);
});

/** What an event makes to be told. */
function momentsOf(run: Driver, event: Omit<RunEvent, 'at'>, second: number): string[] {
  const before = run.snapshot;
  const full = { ...event, at: at(second) } as RunEvent;
  run.snapshot = reduceRun(before, full).snapshot;
  return findMoments(before, full, run.snapshot).map((moment) => `${moment.phase}${moment.phase === 'warning' ? ` ${moment.what}` : ''}`);
}

test('the clock of the RTO is told at each mark, once, and an overrun budget is not', () => {
  const run = new Driver([step('a', [], { budgetMs: 60_000 })]);
  const started = momentsOf(run, { kind: 'run-started' } as RunEvent, 0);
  assert.deepEqual(started, ['started']);
  assert.deepEqual(momentsOf(run, { kind: 'timer-due', timer: { kind: 'budget', step: 'a', attempt: 1 } } as RunEvent, 61), []);
  assert.deepEqual(momentsOf(run, { kind: 'timer-due', timer: { kind: 'rto', percent: 50 } } as RunEvent, 1_800), ['warning 50 % of the RTO objective of 1h00m has passed']);
  assert.deepEqual(momentsOf(run, { kind: 'timer-due', timer: { kind: 'rto', percent: 50 } } as RunEvent, 1_801), []);
  assert.deepEqual(momentsOf(run, { kind: 'forecast', forecastMs: 4_000_000, basis: 'budgets' } as RunEvent, 1_900).map((said) => said.split(':')[0]), ['warning forecast 1h06m']);
  assert.deepEqual(momentsOf(run, { kind: 'timer-due', timer: { kind: 'rto', percent: 100 } } as RunEvent, 3_600), ['warning the RTO objective of 1h00m is breached; forecast 1h06m; the run goes on']);
  assert.equal(written(run, { phase: 'warning', what: 'breached', breach: true }).severity, 'critical');
});

test('a run that starts late warns at once, and a gate that opens again asks again', () => {
  const run = new Driver([step('ask', [], { gate: gate('go') })]);
  run.snapshot.state.incidentAt = at(-3_000);
  assert.equal(momentsOf(run, { kind: 'run-started' } as RunEvent, 0).length, 2);
  const opens = { kind: 'step-done', step: 'ask', attempt: 1, summary: null, opens: gate('go') } as RunEvent;
  assert.deepEqual(momentsOf(run, opens, 10), ['approval']);
  assert.deepEqual(momentsOf(run, opens, 11), [], 'a late answer is nobody’s');
  assert.deepEqual(momentsOf(run, { kind: 'reject', by: 'erik' } as RunEvent, 20), ['answered', 'failed']);
  assert.deepEqual(momentsOf(run, { kind: 'retry', by: 'erik' } as RunEvent, 30), ['answered']);
  assert.deepEqual(momentsOf(run, { ...opens, attempt: 2 } as RunEvent, 40), ['approval']);
  assert.deepEqual(momentsOf(run, { kind: 'approve', by: 'erik' } as RunEvent, 50), ['answered', 'resolved']);
});

test('a reminder of an open gate asks again; that of one which has closed does not', () => {
  const asked = gate('go', { clocks: { remindEveryMs: 600_000 } });
  const run = new Driver([step('ask', [], { gate: asked })]);
  momentsOf(run, { kind: 'run-started' } as RunEvent, 0);
  momentsOf(run, { kind: 'step-done', step: 'ask', attempt: 1, summary: null, opens: asked } as RunEvent, 10);
  const reminder = { kind: 'timer-due', timer: { kind: 'gate-reminder', gate: 'go', openedAt: at(10), n: 0 } } as RunEvent;
  assert.deepEqual(momentsOf(run, reminder, 610), ['approval']);
  momentsOf(run, { kind: 'approve', by: 'erik' } as RunEvent, 620);
  assert.deepEqual(momentsOf(run, reminder, 1_210), []);
});

test('a title of several lines becomes one', () => {
  const message = written(atGate(), { phase: 'note', text: 'one\r\nBcc: everybody' });
  assert.equal(fitted(message).title, 'demo: one Bcc: everybody');
});

test('a checklist asks when it opens, item by item in the words of the details, and says when it is done', () => {
  const run = new Driver([step('list', [], { uses: 'manual', undo: false }), step('next', ['list'])]);
  momentsOf(run, { kind: 'run-started' } as RunEvent, 0);
  const opens = { kind: 'step-done', step: 'list', attempt: 1, summary: 'rotate all', confirms: [{ id: 'db', do: 'rotate the password' }, { id: 'app', do: 'restart it' }] } as RunEvent;
  assert.deepEqual(momentsOf(run, opens, 10), ['confirm']);
  const asked = written(run, { phase: 'confirm', step: 'list' }, 20);
  assert.deepEqual([asked.title, asked.severity, asked.alert?.key], ['demo: CHECKLIST WAITS: list', 'critical', 'holdfast/demo/run/01JRUN/list']);
  assert.deepEqual(asked.lines.slice(0, 2), ['to do: db: rotate the password', 'to do: app: restart it']);
  assert.equal(asked.answers.length, 2);
  for (const way of asked.answers) assert.ok(showDetails(run.snapshot, at(20)).includes(way), way);
  const own = internalNotice({ phase: 'confirm', step: 'list' }, { state: run.snapshot.state, run: '01JRUN', failed: [], undoing: false, at: at(20), number: 1, templates: { confirm: '{system} waits for you.\n{who}' } });
  assert.deepEqual([own.lines, own.answers], [['demo waits for you.', 'to do: db: rotate the password; to do: app: restart it'], asked.answers]);
  assert.deepEqual(momentsOf(run, { kind: 'confirm', item: 'db', by: 'erik' } as RunEvent, 30), []);
  const update = written(run, { phase: 'update', nextAt: at(900) }, 40);
  assert.equal(update.title, 'demo: recovery waits, 40s of 1h00m');
  assert.ok(update.lines.includes('waits for people to confirm `list`: 1 of 2 to do') && update.answers.some((way) => way.includes('"item": "app"')), update.lines.join('\n'));
  assert.deepEqual(momentsOf(run, { kind: 'confirm', item: 'app', by: 'fay' } as RunEvent, 50), ['answered']);
});
