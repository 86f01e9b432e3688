import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRun } from '../../../workflows/runbook/create-run.ts';
import { refusal } from '../../../workflows/runbook/refusal.ts';
import type { PersonsEvent, PlannedStep, RunSnapshot } from '../../../workflows/runbook/run-types.ts';
import { showDetails } from '../../../workflows/runbook/show-details.ts';
import { at, Driver, gate, ids, incidentAt, step } from './plans.ts';

const by = 'erik';
const points = () => [step('find', [], { uses: 'find-recovery-point', renews: true }), step('restore', ['find'], { undo: false })];

/** A run of several runbooks. */
function driverOf(steps: PlannedStep[], runbooks: Record<string, PlannedStep[]> = {}, extra: object = {}): Driver {
  const run = new Driver(steps);
  run.snapshot = createRun({ system: 'demo', purpose: 'recovery', requestedBy: 'dana', incidentAt, startedAt: incidentAt, rtoObjectiveMs: 3_600_000, rpoObjectiveMs: 300_000, steps, runbooks: { main: steps, ...runbooks }, ...extra }) as RunSnapshot;
  return run;
}
const refused = (run: Driver, event: PersonsEvent): string => refusal(run.snapshot, event)?.message ?? 'accepted';

test('when: a step runs only if its condition holds once what it needs has ended; what needs it goes on either way', () => {
  const plan = (when: PlannedStep['when']) => [step('a'), step('b', ['a'], { when }), step('c', ['b'])];
  const cases: [PlannedStep['when'], object, string][] = [
    [[[{ purpose: ['drill'] }]], {}, 'c'],
    [[[{ purpose: ['drill', 'recovery'] }]], {}, 'b'],
    [[[{ severity: ['P1', 'P2'] }]], {}, 'c'],
    [[[{ severity: ['P1', 'P2'] }]], { severity: 'P2' }, 'b'],
    [[[{ partial: true }]], {}, 'c'],
    [[[{ partial: true }]], { only: ['shop.orders'] }, 'b'],
    [[[{ engine: ['tool'] }]], { engines: ['mongodb'] }, 'c'],
    [[[{ purpose: ['drill'] }, { severity: ['P1'] }]], { severity: 'P1' }, 'b'],
    [[[{ purpose: ['recovery'] }], [{ severity: ['P1'] }]], { severity: 'P3' }, 'c'],
    [[[{ purpose: ['recovery'], severity: ['P3'] }]], { severity: 'P3' }, 'b'],
  ];
  for (const [when, extra, next] of cases) {
    const run = driverOf(plan(when), {}, extra);
    run.start();
    assert.deepEqual(ids(run.done('a'), 'run-step'), [next], JSON.stringify([when, extra]));
    if (next === 'c') assert.match(run.step('b').summary!, /^only when /);
  }
});

test('when: what people say of the severity before the step could start counts', () => {
  const run = driverOf([step('a'), step('b', ['a'], { when: [[{ severity: ['P1'] }]] })]);
  run.start();
  run.feed({ kind: 'severity', severity: 'P1', by });
  assert.deepEqual(ids(run.done('a'), 'run-step'), ['b']);
});

test('when: on the way to another recovery point it is decided anew', () => {
  const run = driverOf([...points(), step('look', ['restore'], { undo: false, when: [[{ step: 'restore', is: ['failed'] }]] }), step('end', ['look'])]);
  run.start();
  run.done('find');
  run.fail('restore', false);
  run.feed({ kind: 'skip', by, reason: 'x' });
  assert.equal(run.step('look').state, 'running');
  run.feed({ kind: 'choose', by, reason: 'x', targetTime: at(-60) });
  run.fail('look', false);
  run.undone('find');
  run.done('find');
  assert.deepEqual(ids(run.done('restore'), 'run-step'), ['end']);
  assert.equal(run.step('look').state, 'skipped');
});

test('onFailure continue: the run goes on without the step, says so, and a later step can ask for that', () => {
  const run = driverOf([step('a', [], { onFailure: 'continue' }), step('b', ['a'], { when: [[{ step: 'a', is: ['failed'] }]] }), step('c', ['a'], { when: [[{ step: 'a', is: ['done'] }]] })]);
  run.start();
  assert.deepEqual(ids(run.fail('a', false), 'run-step'), ['b']);
  assert.equal(run.step('c').state, 'skipped');
  assert.deepEqual([run.step('a').state, run.step('a').skippedBy], ['skipped', 'the runbook (onFailure)']);
  assert.match(run.snapshot.state.warnings.join(), /a: failed, and the run went on without it: gone/);
  assert.deepEqual(ids(run.feed({ kind: 'abort', by }), 'cancel-step'), ['b'], 'its undo is still registered');
  run.fail('b', false);
  assert.deepEqual([...ids(run.commands, 'run-undo'), ...ids(run.undone('b'), 'run-undo')], ['b', 'a']);
});

test('onFailure retry: so many times whatever the error, then the run pauses', () => {
  const run = driverOf([step('a', [], { onFailure: { retry: 2 } })]);
  run.start();
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    run.fail('a', false);
    assert.deepEqual(ids(run.feed({ kind: 'timer-due', timer: { kind: 'retry', step: 'a', attempt } }), 'run-step'), ['a']);
  }
  assert.deepEqual(run.fail('a', false), []);
  assert.equal(run.status, 'paused');
});

test('onFailure goto: an older base so many times, on a clean start each, then the run pauses', () => {
  const run = driverOf([...points(), step('validate', ['restore'], { undo: false, onFailure: { goto: 'find', atMost: 2 } })]);
  run.start();
  for (const older of [1, 2]) {
    run.done('find');
    run.done('restore');
    assert.deepEqual(ids(run.fail('validate', false), 'run-undo'), ['find']);
    assert.equal(run.status, 'rewinding');
    assert.deepEqual(ids(run.undone('find'), 'run-step'), ['find']);
    assert.deepEqual(run.snapshot.state.target, { older });
  }
  run.done('find');
  run.done('restore');
  run.fail('validate', false);
  assert.equal(run.status, 'paused');
  assert.match(run.lastNote, /no older recovery point is taken: 2 were, and that is the bound/);
});

test('onFailure never acts for a run that another control plane has superseded', () => {
  for (const onFailure of ['continue', { retry: 3 }, { escalate: 'full' }] as const) {
    const run = driverOf([step('a', [], { onFailure })], { full: [step('x')] });
    run.start();
    run.fail('a', false, 'EpochSuperseded');
    assert.equal(run.status, 'paused', JSON.stringify(onFailure));
  }
});

test('escalate: all that the runbook did is undone in reverse order, then the other one runs under the same clock; none runs twice', () => {
  const run = driverOf([step('a'), step('b', ['a'])], { full: [step('a', [], { undo: false }), step('z', ['a'])] });
  run.start();
  run.done('a');
  assert.match(refused(run, { kind: 'escalate', runbook: 'ful', by, reason: 'x' }), /no runbook "ful"; known: main, full/);
  assert.match(refused(run, { kind: 'escalate', runbook: 'main', by, reason: 'x' }), /is the one that runs/);
  assert.deepEqual(ids(run.feed({ kind: 'escalate', runbook: 'full', by, reason: 'more is broken' }), 'cancel-step'), ['b']);
  assert.match(refused(run, { kind: 'escalate', runbook: 'full', by: 'fay', reason: 'x' }), /given up already|on their way back/);
  assert.deepEqual(ids(run.fail('b', false), 'run-undo'), ['b']);
  assert.deepEqual(ids(run.undone('b'), 'run-undo'), ['a']);
  assert.deepEqual(ids(run.undone('a'), 'run-step'), ['a']);
  const { state } = run.snapshot;
  assert.deepEqual([state.runbook, state.steps.map(({ id }) => id), state.incidentAt], ['full', ['a', 'z'], incidentAt]);
  assert.deepEqual([state.escalations![0]!.from, state.escalations![0]!.to, state.escalations![0]!.steps.map(({ id, state: is }) => `${id} ${is}`)], ['main', 'full', ['a done', 'b running']]);
  assert.equal(run.attempt('a'), 2, 'an answer to the first runbook’s step is nobody’s');
  run.feed({ kind: 'step-done', step: 'a', attempt: 1, summary: 'late' });
  assert.equal(run.step('a').state, 'running');
  assert.match(refused(run, { kind: 'escalate', runbook: 'main', by, reason: 'x' }), /given up already/);
  run.done('a');
  run.done('z');
  assert.equal(run.status, 'done');
});

test('onFailure escalate does the same; after traffic was let in nobody escalates', () => {
  const run = driverOf([step('a', [], { onFailure: { escalate: 'full' } })], { full: [step('s', [], { uses: 'switch' })] });
  run.start();
  assert.deepEqual(ids(run.fail('a', false), 'run-undo'), ['a']);
  assert.deepEqual(ids(run.undone('a'), 'run-step'), ['s']);
  const switching = driverOf([step('s', [], { uses: 'switch' })], { full: [step('x')] });
  switching.start();
  assert.match(refused(switching, { kind: 'escalate', runbook: 'full', by, reason: 'x' }), /The runbook cannot be changed any more: step "s" has begun/);
});

test('an escalation does not get round an elevation that nobody has approved', () => {
  const run = driverOf([step('elevate', [], { uses: 'elevate', gate: gate('elevation') }), step('a', ['elevate'])], { full: [step('x')] });
  run.start();
  assert.match(refused(run, { kind: 'escalate', runbook: 'full', by, reason: 'x' }), /has to be approved first/);
});

test('timeout: the try is cancelled and has failed by name; a late end counts as done; an extension moves it', () => {
  const timed = (extra: Partial<PlannedStep> = {}): Driver => {
    const run = driverOf([step('a', [], { timeoutMs: 10_000, budgetMs: 5_000, ...extra })]);
    run.start();
    return run;
  };
  const timer = { kind: 'timeout', step: 'a', attempt: 1 } as const;
  const run = timed({ retry: { attempts: 2, everyMs: 1_000 } });
  assert.deepEqual(ids(run.feed({ kind: 'timer-due', timer }, run.second + 10), 'cancel-step'), ['a']);
  assert.deepEqual(run.feed({ kind: 'timer-due', timer }), [], 'twice is once');
  run.feed({ kind: 'step-failed', step: 'a', attempt: 1, error: { type: 'Aborted', message: 'cancelled' }, helpable: false });
  assert.deepEqual(run.step('a').error, { type: 'TimedOut', message: 'took longer than its timeout of 10s, and was cancelled' });
  assert.equal(run.step('a').state, 'pending', 'and is tried again');
  const late = timed();
  late.feed({ kind: 'timer-due', timer }, late.second + 10);
  late.done('a');
  assert.equal(late.status, 'done');
  const extended = timed();
  const begun = extended.second;
  const commands = extended.feed({ kind: 'extend', budgetMs: 20_000, by, reason: 'x' });
  assert.deepEqual(commands.map((command) => command.kind === 'start-timer' && [command.timer.kind, command.dueAt]), [['timeout', at(begun + 25)], ['budget', at(begun + 20)]]);
  assert.deepEqual(extended.feed({ kind: 'timer-due', timer }, begun + 10), []);
  assert.deepEqual(ids(extended.feed({ kind: 'timer-due', timer }, begun + 25), 'cancel-step'), ['a']);
});

test('approval on a step: its gate opens before it starts, once; a rejection pauses; a drill asks nobody about a step that leaves production alone', () => {
  const run = driverOf([step('a', [], { before: gate('may-a'), retry: { attempts: 2, everyMs: 1_000 } })]);
  assert.deepEqual(ids(run.start(), 'run-step'), []);
  assert.equal(run.gate('may-a').status, 'open');
  run.feed({ kind: 'reject', by });
  assert.equal(run.status, 'paused');
  run.feed({ kind: 'retry', by });
  assert.deepEqual(ids(run.feed({ kind: 'approve', by }), 'run-step'), ['a']);
  run.fail('a');
  assert.deepEqual(ids(run.feed({ kind: 'timer-due', timer: { kind: 'retry', step: 'a', attempt: 1 } }), 'run-step'), ['a'], 'what was approved is not asked for again');
  const beforehand = driverOf([step('a', [], { before: gate('may-a', { preApprovedFor: 'drill' }) })], {}, { purpose: 'drill' });
  assert.deepEqual(ids(beforehand.start(), 'run-step'), ['a'], 'approved beforehand');
  const drill = driverOf([step('a', [], { before: gate('may-a'), production: true })], {}, { purpose: 'drill' });
  assert.deepEqual(ids(drill.start(), 'run-step'), ['a']);
});

test('manual: each item is confirmed once, by name, in any order; the last one ends the step; waiting is human time', () => {
  const run = driverOf([step('list', [], { uses: 'manual', undo: false }), step('next', ['list'])]);
  run.start();
  run.feed({ kind: 'step-done', step: 'list', attempt: 1, summary: 'rotate all', confirms: [{ id: 'db', do: 'rotate the database’s password' }, { id: 'app', do: 'rotate the application’s' }] });
  assert.equal(run.step('list').state, 'waiting');
  assert.match(showDetails(run.snapshot, at(9)), /WAITING for people to confirm `list`\n\n- rotate all\n- .*`db`: rotate the database/);
  assert.match(refused(run, { kind: 'confirm', by }), /More than one item waits.*list db, list app/);
  assert.match(refused(run, { kind: 'confirm', item: 'dbx', by }), /no item "dbx"; items: db, app/);
  assert.match(refused(run, { kind: 'confirm', step: 'zzz', by }), /no step "zzz"/);
  run.feed({ kind: 'confirm', item: 'app', by }, run.second + 100);
  assert.equal(run.snapshot.state.humanMs, 100_000);
  assert.match(refused(run, { kind: 'confirm', item: 'app', by: 'fay' }), /confirmed already, by erik/);
  assert.deepEqual(ids(run.feed({ kind: 'confirm', by: 'fay' }), 'run-step'), ['next']);
  assert.deepEqual(run.step('list').items!.map((item) => `${item.id} ${item.by}`), ['db fay', 'app erik']);
  assert.match(refused(run, { kind: 'confirm', by }), /No checklist waits/);
});

test('a checklist that nobody is going to confirm is skipped by its name, with a reason; an abort ends it', () => {
  const waiting = (): Driver => {
    const run = driverOf([step('list', [], { uses: 'manual', undo: false }), step('next', ['list'])]);
    run.start();
    run.feed({ kind: 'step-done', step: 'list', attempt: 1, summary: null, confirms: [{ id: 'db', do: 'x' }] });
    return run;
  };
  const run = waiting();
  assert.match(refused(run, { kind: 'skip', by, reason: 'x' }), /No step has failed/);
  assert.deepEqual(ids(run.feed({ kind: 'skip', step: 'list', by, reason: 'done by the vendor' }), 'run-step'), ['next']);
  const aborted = waiting();
  aborted.feed({ kind: 'abort', by });
  assert.equal(aborted.status, 'aborted');
  assert.match(refused(aborted, { kind: 'confirm', by }), /has ended/);
});

const byHand = { undo: true, undoBy: { manual: 'point the name back' } };
const asks = [{ id: 'undo', do: 'point the name back' }];
/** A name that a person changed, a step behind it, and the abort of both up to the moment that a person is asked. */
function atUndo(extra: Partial<PlannedStep> = {}): Driver {
  const run = driverOf([step('make'), step('dns', ['make'], { uses: 'manual', ...byHand, ...extra }), step('next', ['dns'])]);
  run.start();
  run.done('make');
  run.feed({ kind: 'step-done', step: 'dns', attempt: 1, summary: null, confirms: [{ id: 'name', do: 'point the name here' }] });
  run.feed({ kind: 'confirm', by: 'fay' });
  run.feed({ kind: 'abort', by });
  run.fail('next', false);
  assert.deepEqual(ids(run.undone('next'), 'run-undo'), ['dns']);
  run.feed({ kind: 'undo-done', step: 'dns', attempt: 1, summary: null, confirms: asks });
  return run;
}

test('undo by hand: nothing else is undone before a person confirms; no time passes it; who did it is kept beside what was done', () => {
  const run = atUndo();
  assert.deepEqual([run.status, run.step('dns').state], ['compensating', 'waiting']);
  const shown = showDetails(run.snapshot, at(99));
  assert.match(shown, /: waiting\*\*/, 'the UI’s list shows that a person is waited for');
  assert.match(shown, /WAITING for a person to take back `dns` by hand\n\n- done by fay `name`: point the name here\n- \*\*to do\*\* `undo`: point the name back\n- signal `confirm` with `\{"step": "dns", "item": "undo", "by": "YOUR NAME"\}`/);
  assert.match(shown, /or leave it, and what it stands on, as they are: signal `skip` with `\{"step": "dns"/);
  for (const again of [1, 2]) assert.deepEqual(run.feed({ kind: 'undo-done', step: 'dns', attempt: 1, summary: null, confirms: asks }), [], `the same end, ${again + 1} times`);
  assert.match(refused(run, { kind: 'skip', by, reason: 'x' }), /No step has failed/, 'only by its name');
  assert.match(refused(run, { kind: 'retry', step: 'dns', by }), /"dns" is waiting, not failed/);
  assert.match(refused(run, { kind: 'confirm', step: 'dns', item: 'name', by }), /confirmed already, by fay/);
  assert.match(refused(run, { kind: 'abort', by }), /already being aborted/);
  const { humanMs } = run.snapshot.state;
  assert.deepEqual(ids(run.feed({ kind: 'confirm', by: 'gil' }, run.second + 600), 'run-undo'), ['make']);
  assert.equal(run.snapshot.state.humanMs - humanMs, 600_000, 'waiting for a person is human time');
  assert.deepEqual([run.step('dns').state, run.step('dns').undo, run.step('dns').items!.map((item) => `${item.id} ${item.by}`)], ['undone', false, ['name fay', 'undo gil']]);
  run.undone('make');
  assert.equal(run.status, 'aborted');
});

test('undo by hand: one that nobody is going to do is left by its name and with a reason, and what it stands on is left too', () => {
  const run = atUndo();
  assert.deepEqual(run.feed({ kind: 'skip', step: 'dns', by, reason: 'the provider is gone' }), []);
  assert.equal(run.status, 'aborted');
  assert.deepEqual([run.step('dns').state, run.step('dns').undo, run.step('make').undo], ['stuck', true, true]);
  assert.deepEqual(run.snapshot.state.warnings, ['dns: not undone, left as it is by erik: the provider is gone', 'make: not undone: a step that stands on it was left as it is']);
});

test('undo by hand: a program of the undo that fails is stuck before anybody is asked, and begins anew by a retry', () => {
  const run = driverOf([step('dns', [], { uses: 'manual', undo: true, undoBy: { command: 'dns-back', manual: 'look' } })]);
  run.start();
  run.fail('dns', false);
  run.feed({ kind: 'abort', by });
  run.undoFails('dns');
  assert.deepEqual([run.status, run.step('dns').items], ['stuck', undefined]);
  assert.deepEqual(ids(run.feed({ kind: 'retry', step: 'dns', by }), 'run-undo'), ['dns']);
  run.feed({ kind: 'undo-done', step: 'dns', attempt: 2, summary: 'dns-back ended well', confirms: [{ id: 'undo', do: 'look' }] });
  assert.match(run.lastNote, /its undo waits for a person, behind dns-back ended well: look/);
  run.feed({ kind: 'confirm', step: 'dns', by });
  assert.deepEqual([run.status, run.step('dns').summary], ['aborted', 'dns-back ended well']);
});

test('undo by hand on the way to another recovery point: the steps start again once it is confirmed, it cannot be left out, and an abort meanwhile takes nothing from it', () => {
  const begun = (): Driver => {
    const run = driverOf([step('find', [], { uses: 'find-recovery-point', renews: true, undo: false }), step('make', ['find'], { renews: true, ...byHand })]);
    run.start();
    run.done('find');
    run.fail('make', false);
    run.feed({ kind: 'choose', by, reason: 'x', targetTime: at(-60) });
    run.feed({ kind: 'undo-done', step: 'make', attempt: 1, summary: null, confirms: asks });
    assert.deepEqual([run.status, run.step('make').state], ['rewinding', 'waiting']);
    return run;
  };
  const run = begun();
  assert.match(showDetails(run.snapshot, at(99)), /it cannot be left out: the run goes on once it is taken back/);
  assert.match(refused(run, { kind: 'skip', step: 'make', by, reason: 'x' }), /cannot be left out/);
  assert.deepEqual(ids(run.feed({ kind: 'confirm', by }), 'run-step'), ['find']);
  assert.deepEqual([run.step('make').state, run.step('make').items], ['pending', undefined]);
  const aborted = begun();
  assert.deepEqual(aborted.feed({ kind: 'abort', by }), []);
  assert.equal(aborted.step('make').state, 'waiting');
  aborted.feed({ kind: 'confirm', by });
  assert.deepEqual([aborted.status, aborted.step('make').state], ['aborted', 'undone']);
});
