import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { anonymous } from '../../../workflows/domain/messages.ts';
import { isSuperseded } from '../../../workflows/domain/run-state.ts';
import { journalPageLines } from '../../../workflows/domain/journal.ts';
import { reduceRun } from '../../../workflows/runbook/reduce-run.ts';
import { refusal } from '../../../workflows/runbook/refusal.ts';
import { reducerVersion, type RunCommand } from '../../../workflows/runbook/run-types.ts';
import { at, Driver, gate, ids, newRun, step } from './plans.ts';

const diamond = () => [step('a'), step('b', ['a']), step('c', ['a']), step('d', ['b', 'c'])];

test('everything whose needs are met starts side by side, and the run is done after the last step', () => {
  const run = new Driver(diamond());
  assert.deepEqual(ids(run.start(), 'run-step'), ['a']);
  assert.deepEqual(ids(run.done('a'), 'run-step'), ['b', 'c']);
  assert.deepEqual(ids(run.done('c'), 'run-step'), []);
  assert.deepEqual(ids(run.done('b'), 'run-step'), ['d']);
  assert.equal(run.status, 'running');
  run.done('d');
  assert.equal(run.status, 'done');
  assert.equal(run.snapshot.state.endedAt, at(run.second));
});

test('the given snapshot is not changed, and a snapshot survives being written as JSON', () => {
  const before = newRun(diamond());
  const text = JSON.stringify(before);
  const { snapshot } = reduceRun(before, { kind: 'run-started', at: at(0) });
  assert.equal(JSON.stringify(before), text);
  assert.deepEqual(JSON.parse(JSON.stringify(snapshot)), snapshot);
});

test('a snapshot of another engine version is refused by name', () => {
  const foreign = { ...newRun(diamond()), version: (reducerVersion + 1) as typeof reducerVersion };
  assert.throws(() => reduceRun(foreign, { kind: 'run-started', at: at(0) }), (error: unknown) => error instanceof HoldfastError && error.type === 'NewerFormat');
});

test('a plan with an unknown need, a circle, an id or a gate used twice is refused', () => {
  const refused = (steps: Parameters<typeof newRun>[0], text: RegExp): void => void assert.throws(() => newRun(steps), text);
  refused([], /no step/);
  refused([step('a', ['x'])], /"x"/);
  refused([step('a', ['b']), step('b', ['a'])], /circle: a → b → a/);
  refused([step('a'), step('a')], /twice/);
  refused([step('a', [], { gate: gate('g') }), step('b', [], { gate: gate('g') })], /Gate "g"/);
});

test('the same event twice does nothing the second time', () => {
  const run = new Driver(diamond());
  run.start();
  assert.deepEqual(run.start(), []);
  run.done('a');
  assert.deepEqual(run.feed({ kind: 'step-done', step: 'a', attempt: 1, summary: null }), []);
  run.fail('b');
  const before = run.snapshot.state.steps;
  assert.deepEqual(run.feed({ kind: 'step-failed', step: 'b', attempt: 1, error: { type: 'X', message: 'late' }, helpable: true }), []);
  assert.deepEqual(run.snapshot.state.steps, before);
});

test('a failed step pauses: what runs goes on, nothing new starts until a person retries', () => {
  const run = new Driver(diamond());
  run.start();
  run.done('a');
  run.fail('b');
  assert.equal(run.status, 'paused');
  assert.deepEqual(ids(run.done('c'), 'run-step'), []);
  assert.equal(run.step('d').state, 'pending');
  assert.deepEqual(ids(run.feed({ kind: 'retry', by: 'erik' }), 'run-step'), ['b']);
  assert.equal(run.step('b').attempt, 2);
  assert.deepEqual(ids(run.done('b'), 'run-step'), ['d']);
});

test('an answer of an earlier try is nobody’s', () => {
  const run = new Driver([step('a')]);
  run.start();
  run.fail('a');
  run.feed({ kind: 'retry', by: 'erik' });
  run.feed({ kind: 'step-done', step: 'a', attempt: 1, summary: 'late' });
  assert.equal(run.step('a').state, 'running');
});

test('automatic tries come first, only where another try can help, and start afresh after a person’s retry', () => {
  const run = new Driver([step('a', [], { retry: { attempts: 2, everyMs: 5_000 } })]);
  run.start();
  const [timer] = run.fail('a');
  assert.deepEqual(timer, { kind: 'start-timer', timer: { kind: 'retry', step: 'a', attempt: 1 }, dueAt: at(run.second + 5) });
  assert.equal(run.status, 'running');
  assert.equal(run.step('a').state, 'pending');
  assert.deepEqual(ids(run.feed({ kind: 'timer-due', timer: { kind: 'retry', step: 'a', attempt: 1 } }), 'run-step'), ['a']);
  assert.deepEqual(run.feed({ kind: 'timer-due', timer: { kind: 'retry', step: 'a', attempt: 1 } }), []);
  run.fail('a');
  assert.equal(run.status, 'paused');
  run.feed({ kind: 'retry', by: 'erik' });
  assert.equal(run.fail('a').length, 1);
  run.feed({ kind: 'timer-due', timer: { kind: 'retry', step: 'a', attempt: 3 } });
  run.fail('a', false);
  assert.equal(run.status, 'paused');
});

test('a skip takes a reason, is kept in the warnings and lets the rest go on', () => {
  const run = new Driver([step('a'), step('b', ['a'])]);
  run.start();
  run.fail('a');
  assert.deepEqual(ids(run.feed({ kind: 'skip', by: 'erik', reason: 'not needed' }), 'run-step'), ['b']);
  assert.equal(run.step('a').state, 'skipped');
  assert.deepEqual(run.snapshot.state.warnings, ['a: skipped by erik: not needed']);
});

test('retry or skip of what has not failed is recorded with the reason, and harms nothing', () => {
  const run = new Driver(diamond());
  run.start();
  run.feed({ kind: 'retry', by: 'erik' });
  assert.match(run.lastNote, /retry not accepted: No step has failed/);
  run.feed({ kind: 'skip', step: 'd', by: 'erik', reason: 'x' });
  assert.match(run.lastNote, /"d" is pending, not failed/);
  run.feed({ kind: 'skip', step: 'zzz', by: 'erik', reason: 'x' });
  assert.match(run.lastNote, /no step "zzz".*"a", "b", "c", "d"/);
  assert.equal(run.status, 'running');
  run.done('a');
  run.fail('b');
  run.fail('c');
  run.feed({ kind: 'retry', by: 'erik' });
  assert.match(run.lastNote, /More than one step has failed/);
});

const gated = (extra = {}) => [step('check'), step('ask', ['check'], { undo: false, gate: gate('go', extra), skip: 'refused' }), step('act', ['ask'])];
function opened(extra = {}): Driver {
  const run = new Driver(gated(extra));
  run.start();
  run.done('check');
  run.done('ask', { opens: gate('go', extra) });
  return run;
}

test('an approval before its gate opens never approves', () => {
  const run = new Driver(gated());
  run.start();
  run.feed({ kind: 'approve', gate: 'go', by: 'erik' });
  assert.match(run.lastNote, /not open yet: it opens with step "ask"/);
  run.feed({ kind: 'approve', by: 'erik' });
  assert.match(run.lastNote, /Nothing waits for an approval/);
  run.done('check');
  run.done('ask', { opens: gate('go') });
  assert.equal(run.gate('go').status, 'open');
  assert.equal(run.step('ask').state, 'waiting');
  assert.deepEqual(run.gate('go').decisions, []);
});

test('an approval with nothing in it approves the only open gate, and is marked as claimed', () => {
  const run = opened();
  assert.deepEqual(ids(run.feed({ kind: 'approve', by: anonymous }), 'run-step'), ['act']);
  assert.deepEqual(run.gate('go').decisions.map(({ by, proof }) => ({ by, proof })), [{ by: anonymous, proof: 'claimed' }]);
  assert.equal(run.gate('go').status, 'approved');
});

test('an approval without a name is warned of: separation of duties could not be checked', () => {
  const unchecked = /separation of duties\) could not be checked/;
  const run = opened();
  run.feed({ kind: 'approve', by: anonymous });
  assert.equal(run.gate('go').status, 'approved');
  assert.match(run.snapshot.state.warnings.join(), /^go: approved without a name/);
  assert.match(run.snapshot.state.journal.map(({ what }) => what).join(), unchecked);
  const named = opened();
  named.feed({ kind: 'approve', by: 'erik' });
  assert.deepEqual(named.snapshot.state.warnings, []);
  const asked = opened();
  asked.snapshot.state.requestedBy = anonymous;
  asked.feed({ kind: 'approve', by: 'erik' });
  assert.match(asked.snapshot.state.warnings.join(), unchecked);
  const alone = opened({ notRequester: false });
  alone.feed({ kind: 'approve', by: anonymous });
  assert.deepEqual(alone.snapshot.state.warnings, [], 'this gate does not ask for it');
});

test('a gate of two people takes names', () => {
  const run = opened({ quorum: 2, notRequester: false });
  run.feed({ kind: 'approve', by: anonymous });
  assert.match(run.lastNote, /takes 2 different people: give your name in "by"/);
  assert.deepEqual(run.gate('go').decisions, []);
  run.feed({ kind: 'approve', by: 'erik' });
  run.feed({ kind: 'approve', by: anonymous });
  assert.equal(run.gate('go').status, 'open');
  run.feed({ kind: 'approve', by: 'fay' });
  assert.equal(run.gate('go').status, 'approved');
});

test('a quorum counts different people, whatever the case of their names', () => {
  const run = opened({ quorum: 2 });
  run.feed({ kind: 'approve', by: 'erik' });
  run.feed({ kind: 'approve', by: ' Erik' });
  assert.match(run.lastNote, /has already decided/);
  assert.equal(run.gate('go').status, 'open');
  assert.deepEqual(ids(run.feed({ kind: 'approve', by: 'fay' }), 'run-step'), ['act']);
});

test('who asked for the run cannot approve it, nor can someone who is not named', () => {
  const run = opened({ people: ['dana', 'erik'] });
  run.feed({ kind: 'approve', by: 'Dana' });
  assert.match(run.lastNote, /asked for this run/);
  run.feed({ kind: 'approve', by: 'mallory' });
  assert.match(run.lastNote, /answered by "dana", "erik"/);
  run.feed({ kind: 'approve', by: anonymous });
  assert.match(run.lastNote, /name one of them in "by"/);
  run.feed({ kind: 'approve', gate: 'other', by: 'erik' });
  assert.match(run.lastNote, /no gate "other".*open: "go"/);
  assert.equal(run.gate('go').status, 'open');
  run.feed({ kind: 'approve', by: 'erik' });
  run.feed({ kind: 'approve', gate: 'go', by: 'dana' });
  assert.match(run.lastNote, /already approved/);
});

test('two open gates: a decision must name one', () => {
  const run = new Driver([step('x', [], { gate: gate('gx') }), step('y', [], { gate: gate('gy') })]);
  run.start();
  run.done('x', { opens: gate('gx') });
  run.done('y', { opens: gate('gy') });
  run.feed({ kind: 'approve', by: 'erik' });
  assert.match(run.lastNote, /More than one gate is open.*"gx", "gy"/);
  run.feed({ kind: 'approve', gate: 'gy', by: 'erik' });
  assert.equal(run.gate('gy').status, 'approved');
  assert.equal(run.gate('gx').status, 'open');
});

test('a rejection pauses; a retry opens the gate anew; an approval step cannot be skipped', () => {
  const run = opened();
  run.feed({ kind: 'reject', by: 'dana', reason: 'wrong point' });
  assert.equal(run.status, 'paused');
  assert.match(run.step('ask').error!.message, /rejected by dana: wrong point/);
  run.feed({ kind: 'skip', by: 'erik', reason: 'hurry' });
  assert.match(run.lastNote, /cannot be skipped/);
  run.feed({ kind: 'retry', by: 'erik' });
  run.done('ask', { opens: gate('go') });
  assert.deepEqual(run.gate('go').decisions, []);
  run.feed({ kind: 'approve', by: 'erik' });
  assert.equal(run.gate('go').status, 'approved');
});

test('a gate opened by what a step found takes a different, named person than the first gate', () => {
  const run = opened();
  run.feed({ kind: 'approve', by: 'erik' });
  run.done('act', { opens: gate('second', { otherPeople: true }) });
  assert.equal(run.step('act').state, 'waiting');
  for (const [by, why] of [['erik', /different person/], [anonymous, /takes a name/], ['dana', /asked for this run/]] as const) {
    run.feed({ kind: 'approve', by });
    assert.match(run.lastNote, why);
  }
  run.feed({ kind: 'approve', by: 'fay' });
  assert.equal(run.status, 'done');
});

test('a guarded step is skipped only once somebody else has approved the skip', () => {
  const run = new Driver([step('fence', [], { skip: gate('no-fence', { otherPeople: true }) }), step('switch', ['fence'])]);
  run.start();
  run.fail('fence');
  assert.deepEqual(ids(run.feed({ kind: 'skip', by: 'erik', reason: 'the power is off' }), 'run-step'), []);
  assert.equal(run.step('fence').state, 'waiting');
  run.feed({ kind: 'approve', by: 'erik' });
  assert.match(run.lastNote, /different person/);
  assert.deepEqual(ids(run.feed({ kind: 'approve', by: 'fay' }), 'run-step'), ['switch']);
  assert.equal(run.step('fence').state, 'skipped');
});

test('abort cancels what runs, waits for it, then undoes in reverse order of start, failed steps too', () => {
  const run = new Driver([step('a'), step('b', ['a']), step('c', ['a'], { undo: false }), step('d', ['a'])]);
  run.start();
  run.done('a');
  run.fail('b');
  run.done('c');
  assert.deepEqual(run.feed({ kind: 'abort', by: 'erik', reason: 'the primary is back' }), [{ kind: 'cancel-step', step: 'd' }]);
  assert.equal(run.status, 'compensating');
  assert.deepEqual(ids(run.fail('d'), 'run-undo'), ['d']);
  assert.deepEqual(ids(run.undone('d'), 'run-undo'), ['b']);
  assert.deepEqual(ids(run.undone('b'), 'run-undo'), ['a']);
  run.undone('a');
  assert.equal(run.status, 'aborted');
  assert.deepEqual(run.snapshot.state.steps.map(({ state }) => state), ['undone', 'undone', 'done', 'undone']);
  assert.deepEqual(run.feed({ kind: 'abort', by: 'erik' }), []);
});

test('the undo is registered with the start, before the step can have acted', () => {
  const run = new Driver([step('a')]);
  run.start();
  assert.equal(run.step('a').undo, true);
  assert.equal(run.snapshot.tracks['a']!.undo, 'registered');
});

test('a step that ends well although it was cancelled is undone all the same', () => {
  const run = new Driver([step('a')]);
  run.start();
  run.feed({ kind: 'abort', by: 'erik' });
  assert.deepEqual(ids(run.done('a'), 'run-undo'), ['a']);
});

test('an abort closes open gates, and nothing can be approved any more', () => {
  const run = opened();
  run.feed({ kind: 'abort', by: 'erik' });
  run.feed({ kind: 'approve', gate: 'go', by: 'fay' });
  assert.match(run.lastNote, /not accepted/);
  assert.deepEqual(run.gate('go').decisions, []);
});

test('a failed undo is stuck until a person tries it again', () => {
  const run = new Driver([step('a'), step('b', ['a'])]);
  run.start();
  run.done('a');
  run.feed({ kind: 'abort', by: 'erik' });
  run.done('b');
  assert.deepEqual(run.undoFails('b'), []);
  assert.equal(run.status, 'stuck');
  assert.equal(run.step('b').state, 'stuck');
  assert.match(run.snapshot.state.warnings.join(), /undo failed: TargetUnavailable: no answer/);
  assert.deepEqual(ids(run.feed({ kind: 'retry', by: 'erik' }), 'run-undo'), ['b']);
  assert.equal(run.status, 'compensating');
  assert.deepEqual(ids(run.undone('b'), 'run-undo'), ['a']);
});

test('an undo left as it is keeps what it stands on, and undoes the rest', () => {
  const run = new Driver([step('a'), step('b', ['a']), step('other')]);
  run.start();
  run.done('a');
  run.done('other');
  run.feed({ kind: 'abort', by: 'erik' });
  run.done('b');
  run.undoFails('b');
  assert.deepEqual(ids(run.feed({ kind: 'skip', by: 'erik', reason: 'it serves' }), 'run-undo'), ['other']);
  run.undone('other');
  assert.equal(run.status, 'aborted');
  assert.equal(run.step('a').state, 'done');
  assert.equal(run.step('b').state, 'stuck');
  assert.match(run.snapshot.state.warnings.join('\n'), /b: not undone, left as it is by erik: it serves[^]*a: not undone/);
});

test('after the first accepted write there is no way back', () => {
  const run = new Driver([step('a'), step('b', ['a'])]);
  run.start();
  run.feed({ kind: 'served', servedAt: at(1), noReturn: 'the new side accepted a write' });
  assert.deepEqual(refusal(run.snapshot, { kind: 'abort', by: 'erik' })?.type, 'NotWaiting');
  run.feed({ kind: 'abort', by: 'erik' });
  assert.equal(run.status, 'running');
  assert.match(run.lastNote, /cannot be turned back: the new side accepted a write/);
});

test('after the first accepted write a run that another control plane has superseded is ended, and undoes nothing', () => {
  const run = new Driver([step('a'), step('b', ['a'])]);
  run.start();
  run.done('a');
  run.feed({ kind: 'served', servedAt: at(1), noReturn: 'the new side accepted a write' });
  run.fail('b', false, 'EpochSuperseded');
  assert.equal(refusal(run.snapshot, { kind: 'abort', by: 'erik' }), undefined);
  assert.deepEqual(ids(run.feed({ kind: 'abort', by: 'erik' }), 'run-undo'), []);
  assert.equal(run.status, 'aborted');
  assert.match(run.snapshot.state.warnings.join('\n'), /nothing is undone: another control plane has the command, and the new side accepted a write/);
});

test('a run that was superseded stays so when the step that was refused is undone, or left as it is: its end says who has the command', () => {
  for (const undone of [true, false]) {
    const run = new Driver([step('a')]);
    run.start();
    run.fail('a', false, 'EpochSuperseded');
    run.feed({ kind: 'abort', by: 'erik' });
    if (undone) run.undone('a');
    else {
      run.undoFails('a', 'EpochSuperseded');
      run.feed({ kind: 'skip', by: 'erik', reason: 'theirs to decide' });
    }
    assert.deepEqual([run.status, run.step('a').state, isSuperseded(run.snapshot.state)], ['aborted', undone ? 'undone' : 'stuck', true]);
  }
});

test('an abort before the start undoes nothing and ends', () => {
  const run = new Driver(diamond());
  run.feed({ kind: 'abort', by: 'erik' });
  run.start();
  assert.equal(run.status, 'aborted');
  assert.deepEqual(ids(run.commands, 'run-step'), []);
});

test('human time is time in which nothing ran and a gate or a pause waited', () => {
  const run = new Driver([step('a'), step('b', ['a'])]);
  run.feed({ kind: 'run-started' }, 0);
  run.feed({ kind: 'step-done', step: 'a', attempt: 1, summary: null, opens: gate('g') }, 100);
  assert.equal(run.snapshot.state.humanMs, 0);
  run.feed({ kind: 'approve', by: 'erik' }, 160);
  assert.equal(run.snapshot.state.humanMs, 60_000);
  run.feed({ kind: 'step-failed', step: 'b', attempt: 1, error: { type: 'X', message: '' }, helpable: true }, 200);
  run.feed({ kind: 'retry', by: 'erik' }, 230);
  assert.equal(run.snapshot.state.humanMs, 90_000);
  run.feed({ kind: 'served', servedAt: at(250), noReturn: null }, 255);
  assert.equal(run.snapshot.humanMsAtService, 90_000);
  run.feed({ kind: 'step-done', step: 'b', attempt: 2, summary: null }, 300);
  assert.equal(run.step('b').elapsedMs, (40 + 70) * 1000);
});

test('while something runs beside an open gate, time is the machine’s', () => {
  const run = new Driver([step('ask', [], { gate: gate('go') }), step('load')]);
  run.feed({ kind: 'run-started' }, 0);
  run.feed({ kind: 'step-done', step: 'ask', attempt: 1, summary: null, opens: gate('go') }, 10);
  run.feed({ kind: 'step-done', step: 'load', attempt: 1, summary: null }, 100);
  assert.equal(run.snapshot.state.humanMs, 0);
  run.feed({ kind: 'approve', by: 'erik' }, 130);
  assert.equal(run.snapshot.state.humanMs, 30_000);
});

test('a timer of an earlier try starts nothing', () => {
  const run = new Driver([step('a', [], { retry: { attempts: 3, everyMs: 60_000 } })]);
  run.start();
  run.fail('a');
  run.feed({ kind: 'timer-due', timer: { kind: 'retry', step: 'a', attempt: 1 } });
  run.fail('a');
  assert.deepEqual(run.feed({ kind: 'timer-due', timer: { kind: 'retry', step: 'a', attempt: 1 } }), []);
  assert.equal(run.step('a').state, 'pending');
});

test('a budget warns once and never kills', () => {
  const run = new Driver([step('a', [], { budgetMs: 60_000 })]);
  const timers = run.feed({ kind: 'run-started' }, 0).filter((command) => command.kind === 'start-timer' && command.timer.kind === 'budget');
  assert.deepEqual(timers, [{ kind: 'start-timer', timer: { kind: 'budget', step: 'a', attempt: 1 }, dueAt: at(60) }]);
  run.feed({ kind: 'timer-due', timer: { kind: 'budget', step: 'a', attempt: 1 } }, 60);
  run.feed({ kind: 'timer-due', timer: { kind: 'budget', step: 'a', attempt: 1 } }, 61);
  assert.deepEqual(run.snapshot.state.warnings, ['a: over its budget of 1m00s, still running']);
  assert.equal(run.step('a').state, 'running');
});

test('an approval that waits longer than its budget is warned of', () => {
  const run = new Driver([step('ask', [], { budgetMs: 60_000, gate: gate('go') })]);
  run.feed({ kind: 'run-started' }, 0);
  run.feed({ kind: 'step-done', step: 'ask', attempt: 1, summary: null, opens: gate('go') }, 1);
  run.feed({ kind: 'timer-due', timer: { kind: 'budget', step: 'ask', attempt: 1 } }, 60);
  assert.deepEqual(run.snapshot.state.warnings, ['ask: over its budget of 1m00s, still waiting for people']);
});

test('the RTO clock warns at 50, 75 and 90 % and at the breach, from the incident on; what passed before the start is said once', () => {
  const run = new Driver([step('a')]);
  const due = run.feed({ kind: 'run-started' }, 2000).flatMap((command) => (command.kind === 'start-timer' && command.timer.kind === 'rto' ? [[command.timer.percent, command.dueAt]] : []));
  assert.deepEqual(due, [[75, at(2700)], [90, at(3240)], [100, at(3600)]]);
  assert.match(run.snapshot.state.warnings[0]!, /55 % of the RTO objective of 1h00m has passed/);
  run.feed({ kind: 'timer-due', timer: { kind: 'rto', percent: 100 } }, 3600);
  assert.match(run.snapshot.state.warnings[1]!, /breached; the run goes on/);
  run.feed({ kind: 'served', servedAt: at(3700), noReturn: null });
  run.feed({ kind: 'timer-due', timer: { kind: 'rto', percent: 90 } });
  assert.equal(run.snapshot.state.warnings.length, 2);
});

test('a forecast past the objective warns once, before the breach', () => {
  const run = new Driver([step('a')]);
  run.start();
  run.feed({ kind: 'forecast', forecastMs: 3_000_000, basis: 'x' });
  assert.equal(run.snapshot.state.warnings.length, 0);
  run.feed({ kind: 'forecast', forecastMs: 4_200_000, basis: 'x' });
  run.feed({ kind: 'forecast', forecastMs: 4_300_000, basis: 'x' });
  assert.deepEqual(run.snapshot.state.warnings, ['forecast 1h10m: 10m00s past the objective of 1h00m (x)']);
});

test('while nothing happens the forecast is looked at again before it can pass the objective; apart enough to be few', () => {
  const run = new Driver([step('ask', [], { gate: gate('go') })]);
  const looks = (commands: RunCommand[]): string[] => commands.flatMap((command) => (command.kind === 'start-timer' && command.timer.kind === 'forecast' ? [command.dueAt] : []));
  run.feed({ kind: 'run-started' }, 0);
  assert.deepEqual(looks(run.feed({ kind: 'forecast', forecastMs: 3_000_000, basis: 'x' }, 0)), [at(601)]);
  assert.deepEqual(looks(run.feed({ kind: 'forecast', forecastMs: 3_010_000, basis: 'x' }, 10)), [], 'one timer is enough');
  assert.deepEqual(looks(run.feed({ kind: 'forecast', forecastMs: 3_400_000, basis: 'x' }, 20)), [at(221)], 'less is left: sooner');
  run.feed({ kind: 'timer-due', timer: { kind: 'forecast' } }, 221);
  assert.deepEqual(looks(run.feed({ kind: 'forecast', forecastMs: 3_600_000, basis: 'x' }, 221)), [at(221 + 72)], 'a fiftieth of the objective at least');
  assert.deepEqual(looks(run.feed({ kind: 'forecast', forecastMs: 3_601_000, basis: 'x' }, 293)), [], 'said now, long before the breach');
  assert.match(run.snapshot.state.warnings.join(), /past the objective of 1h00m/);
});

test('lines leave the journal once their page is in the store, each page once', () => {
  const run = new Driver([step('a')]);
  run.start();
  for (let n = 0; n < 300; n += 1) run.feed({ kind: 'noted', about: 'run', what: `note ${n}` });
  const whole = run.snapshot.state.journal;
  assert.ok(whole.length >= 300, 'none is lost');
  for (const page of [2, 1, 1]) run.feed({ kind: 'journal-kept', page });
  assert.deepEqual([run.snapshot.state.journal, run.snapshot.state.journalPages], [whole.slice(journalPageLines), 1]);
});
