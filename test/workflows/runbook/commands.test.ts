import assert from 'node:assert/strict';
import { test } from 'node:test';
import { journalPageLines, journalRunLines } from '../../../workflows/domain/journal.ts';
import { refusal } from '../../../workflows/runbook/refusal.ts';
import type { CommandEvent, PersonsEvent } from '../../../workflows/runbook/run-types.ts';
import { parseMessage } from '../../../workflows/runbook/messages.ts';
import { showDetails } from '../../../workflows/runbook/show-details.ts';
import { at, Driver, gate, ids, step } from './plans.ts';

const by = 'erik';

/** A recovery in small: the point and the target are made anew for another recovery point, the fence is not. */
const recovery = () => [
  step('declare', [], { undo: false }),
  step('find', ['declare'], { uses: 'find-recovery-point', renews: true }),
  step('provision', ['declare'], { renews: true }),
  step('restore', ['find', 'provision'], { undo: false, budgetMs: 10_000 }),
  step('ask', ['restore'], { undo: false, gate: gate('go'), skip: 'refused' }),
  step('fence', ['ask']),
  step('switch', ['fence'], {}),
];

function restoring(): Driver {
  const run = new Driver(recovery());
  run.start();
  run.done('declare');
  run.done('find');
  run.done('provision');
  return run;
}

function atFence(): Driver {
  const run = restoring();
  run.done('restore');
  run.done('ask', { opens: gate('go') });
  run.feed({ kind: 'approve', by });
  return run;
}

const choose = (extra: Partial<CommandEvent & { kind: 'choose' }> = { targetTime: at(-60) }): CommandEvent & { kind: 'choose' } => ({ kind: 'choose', by, reason: 'corrupt since then', ...extra });
const refusedBecause = (run: Driver, event: PersonsEvent): string => {
  const before = run.snapshot.state.steps;
  const message = refusal(run.snapshot, event)?.message ?? 'accepted';
  assert.deepEqual(run.feed(event), [], 'a refused command commands nothing');
  assert.match(run.lastNote, /not accepted/);
  assert.deepEqual(run.snapshot.state.steps, before);
  return message;
};

test('hold: what runs goes on, nothing new starts, and people are told until somebody resumes', () => {
  const run = new Driver([step('a'), step('b', ['a'])]);
  run.start();
  run.feed({ kind: 'hold', by, reason: 'the vendor looks' });
  assert.equal(run.status, 'held');
  assert.match(refusedBecause(run, { kind: 'hold', by: 'fay' }), /held already, by erik/);
  assert.deepEqual(run.done('a'), []);
  assert.match(showDetails(run.snapshot, at(9)), /\*\*HELD\*\* by erik .*the vendor looks/);
  assert.deepEqual(ids(run.feed({ kind: 'resume', by: 'fay' }), 'run-step'), ['b']);
  assert.match(refusedBecause(run, { kind: 'resume', by }), /not held/);
  assert.equal(run.snapshot.state.held, null);
});

test('time in which a held run does nothing is human time; a retry that comes due waits too', () => {
  const run = new Driver([step('a', [], { retry: { attempts: 2, everyMs: 1_000 } })]);
  run.start();
  run.feed({ kind: 'hold', by });
  run.fail('a');
  assert.deepEqual(run.feed({ kind: 'timer-due', timer: { kind: 'retry', step: 'a', attempt: 1 } }), []);
  const before = run.snapshot.state.humanMs;
  assert.deepEqual(ids(run.feed({ kind: 'resume', by }, run.second + 60), 'run-step'), ['a']);
  assert.equal(run.snapshot.state.humanMs - before, 60_000);
});

test('a held run can be aborted: undos are no new steps', () => {
  const run = new Driver([step('a'), step('b', ['a'])]);
  run.start();
  run.done('a');
  run.feed({ kind: 'hold', by });
  run.done('b');
  assert.equal(run.status, 'done', 'nothing is left to hold');
  const other = new Driver([step('a'), step('b', ['a'])]);
  other.start();
  other.feed({ kind: 'hold', by });
  other.done('a');
  assert.deepEqual(ids(other.feed({ kind: 'abort', by }), 'run-undo'), ['a']);
  assert.match(refusedBecause(other, { kind: 'resume', by }), /being aborted/);
});

test('a comment and a severity are in the journal, once each; severity may be said until the end', () => {
  const run = restoring();
  run.feed({ kind: 'comment', by, text: 'disk is lost' });
  assert.deepEqual(run.snapshot.state.journal.at(-1), { at: at(run.second), about: 'run', what: 'comment: disk is lost', by });
  assert.match(refusedBecause(run, { kind: 'comment', by, text: 'disk is lost' }), /last line already/);
  run.feed({ kind: 'severity', severity: 'P1', by, reason: 'second site gone' });
  assert.equal(run.snapshot.state.severity, 'P1');
  assert.match(run.lastNote, /severity not said → P1: second site gone/);
  assert.match(refusedBecause(run, { kind: 'severity', severity: 'P1', by: 'fay' }), /P1 already/);
  run.feed({ kind: 'abort', by });
  run.feed({ kind: 'severity', severity: 'P3', by });
  assert.equal(run.snapshot.state.severity, 'P3');
});

test('extend: the new budget in all; the old timer says nothing, the new one warns; a second click is refused', () => {
  const run = restoring();
  const begun = run.second;
  const [timer] = run.feed({ kind: 'extend', budgetMs: 25_000, by, reason: 'slow network' });
  assert.deepEqual(timer, { kind: 'start-timer', timer: { kind: 'budget', step: 'restore', attempt: 1 }, dueAt: at(begun + 25) });
  assert.match(refusedBecause(run, { kind: 'extend', step: 'restore', budgetMs: 25_000, by: 'fay', reason: 'x' }), /has a budget of 25s already/);
  run.feed({ kind: 'timer-due', timer: { kind: 'budget', step: 'restore', attempt: 1 } }, begun + 10);
  assert.deepEqual(run.snapshot.state.warnings, []);
  run.feed({ kind: 'timer-due', timer: { kind: 'budget', step: 'restore', attempt: 1 } }, begun + 25);
  assert.match(run.snapshot.state.warnings.join(), /restore: over its budget of 25s/);
  run.feed({ kind: 'extend', step: 'restore', budgetMs: 40_000, by, reason: 'still slow' });
  assert.equal(run.snapshot.tracks['restore']!.overBudget, false);
});

test('extend of a step that is unknown, over, or has no budget is refused by name; of one to come it is kept', () => {
  const run = new Driver([step('a', [], { budgetMs: 5_000 }), step('b', ['a'], { budgetMs: 5_000 }), step('c', ['b'])]);
  const extend = (id?: string, budgetMs = 9_000): PersonsEvent => ({ kind: 'extend', step: id, budgetMs, by, reason: 'x' });
  run.start();
  assert.match(refusedBecause(run, extend('zzz')), /no step "zzz"/);
  assert.match(refusedBecause(run, extend('c')), /no budget/);
  assert.match(refusedBecause(run, extend('b', 4_000)), /must be larger/);
  assert.deepEqual(run.feed(extend('b')), []);
  run.done('a');
  assert.deepEqual(run.commands.at(-1), { kind: 'start-timer', timer: { kind: 'budget', step: 'b', attempt: 1 }, dueAt: at(run.second + 9) });
  assert.match(refusedBecause(run, extend('a')), /"a" is done/);
});

test('choose: what runs is stopped first, then the target is undone, then all of it starts again under new tries', () => {
  const run = restoring();
  assert.deepEqual(ids(run.feed(choose()), 'cancel-step'), ['restore']);
  assert.equal(run.status, 'rewinding');
  assert.match(refusedBecause(run, choose({ latest: true })), /being taken already, by erik/);
  assert.deepEqual(ids(run.feed({ kind: 'step-failed', step: 'restore', attempt: 1, error: { type: 'Aborted', message: 'cancelled' }, helpable: false }), 'run-undo'), ['provision']);
  assert.deepEqual(ids(run.undone('provision'), 'run-undo'), ['find']);
  assert.deepEqual(ids(run.undone('find'), 'run-step'), ['find', 'provision']);
  assert.equal(run.status, 'running');
  assert.deepEqual(run.snapshot.state.target, { targetTime: at(-60) });
  assert.equal(run.step('declare').attempt, 1, 'what does not hang on the point stays done');
  assert.deepEqual([run.attempt('find'), run.step('restore').state, run.step('restore').elapsedMs], [2, 'pending', 0]);
  assert.match(refusedBecause(run, choose()), /goes to already/);
  run.feed({ kind: 'step-done', step: 'restore', attempt: 1, summary: 'late' });
  assert.equal(run.step('restore').state, 'pending');
  run.done('find');
  run.done('provision');
  assert.equal(run.attempt('restore'), 2);
});

test('choose after the fence: approvals are asked for again, the fence stays until it runs again, and an abort undoes all', () => {
  const run = atFence();
  run.done('fence');
  // The switch has begun: too late.
  assert.match(refusedBecause(run, choose()), /step "switch" has begun to let traffic in/);
  const earlier = atFence();
  earlier.fail('fence', false);
  earlier.feed(choose());
  assert.deepEqual(ids(earlier.commands, 'run-undo'), ['provision']);
  earlier.undone('provision');
  earlier.undone('find');
  assert.deepEqual([earlier.gate('go').status, earlier.gate('go').decisions], ['pending', []]);
  assert.equal(earlier.snapshot.tracks['fence']!.undo, 'registered');
  earlier.done('find');
  earlier.done('provision');
  earlier.feed({ kind: 'abort', by });
  earlier.fail('restore', false);
  assert.deepEqual([...ids(earlier.commands, 'run-undo').slice(2), ...ids(earlier.undone('provision'), 'run-undo'), ...ids(earlier.undone('find'), 'run-undo')], ['provision', 'find', 'fence']);
});

test('choose at an open gate closes it; an approval that comes late approves nothing', () => {
  const run = restoring();
  run.done('restore');
  run.done('ask', { opens: gate('go') });
  run.feed(choose());
  assert.equal(run.gate('go').status, 'pending');
  run.feed({ kind: 'approve', gate: 'go', by });
  assert.match(run.lastNote, /not open yet/);
});

test('choose older keeps the moment and counts; it takes a point that is found, and none that was named', () => {
  const run = restoring();
  run.fail('restore', false);
  run.feed(choose({ older: true, targetTime: undefined }));
  run.undone('provision');
  run.undone('find');
  assert.deepEqual(run.snapshot.state.target, { older: 1 });
  assert.match(refusedBecause(run, choose({ older: true, targetTime: undefined })), /No recovery point is chosen yet/);
  run.done('find');
  run.done('provision');
  run.feed(choose({ point: 'B1', targetTime: undefined }));
  assert.deepEqual(run.snapshot.state.target, { point: 'B1', older: 1 });
  run.fail('restore', false);
  run.undone('provision');
  run.undone('find');
  run.done('find');
  assert.match(refusedBecause(run, choose({ older: true, targetTime: undefined })), /base B1 by its name/);
});

test('an undo that fails on the way back is stuck: it is retried, not skipped; an abort takes over', () => {
  const stuck = (): Driver => {
    const run = restoring();
    run.fail('restore', false);
    run.feed(choose());
    run.undoFails('provision');
    assert.equal(run.status, 'stuck');
    return run;
  };
  const run = stuck();
  assert.match(refusedBecause(run, { kind: 'skip', by, reason: 'x' }), /cannot be left out/);
  assert.deepEqual(ids(run.feed({ kind: 'retry', by }), 'run-undo'), ['provision']);
  run.undone('provision');
  assert.deepEqual(ids(run.undone('find'), 'run-step'), ['find', 'provision']);
  const aborted = stuck();
  aborted.feed({ kind: 'abort', by });
  assert.equal(aborted.snapshot.rewind, null);
  assert.deepEqual(ids(aborted.feed({ kind: 'retry', by }), 'run-undo'), ['provision']);
  aborted.undone('provision');
  aborted.undone('find');
  assert.equal(aborted.status, 'aborted');
});

test('choose where nothing finds a recovery point, and every command after the end, is refused', () => {
  const run = new Driver([step('a')]);
  run.start();
  assert.match(refusedBecause(run, choose()), /no step that uses find-recovery-point/);
  run.done('a');
  const commands: CommandEvent[] = [{ kind: 'hold', by }, { kind: 'resume', by }, { kind: 'comment', by, text: 'x' }, { kind: 'severity', severity: 'P2', by }, { kind: 'extend', budgetMs: 1, by, reason: 'x' }, choose()];
  for (const command of commands) assert.match(refusedBecause(run, command), /has ended: done/, command.kind);
});

test('what a command is sent with is read strictly: one choice, a larger duration, a severity that there is', () => {
  const problem = (name: 'choose' | 'extend' | 'severity' | 'comment', sent: unknown): string => {
    const parsed = parseMessage(name, sent);
    return 'problem' in parsed ? parsed.problem : 'accepted';
  };
  assert.match(problem('choose', { reason: 'x' }), /exactly one of targetTime, targetPosition, point, latest and older/);
  assert.match(problem('choose', { reason: 'x', latest: true, older: true }), /exactly one/);
  assert.match(problem('choose', { latest: true }), /"reason" is missing, expected why another/);
  assert.match(problem('choose', { targetTime: '2999-01-01T00:00:00Z', reason: 'x' }), /in the future/);
  assert.match(problem('extend', { budget: 'long', reason: 'x' }), /"budget" is "long", expected a duration/);
  assert.match(problem('severity', { severity: 'P9' }), /expected P1, P2, P3 or P4/);
  assert.match(problem('comment', {}), /"text" is missing/);
  assert.equal(problem('extend', { budget: '25m', reason: 'x' }), 'accepted');
});

test('a run of very many lines copies none of them for an event, and at last takes no comments any more, but all that moves it on', () => {
  const run = new Driver([step('a'), step('b', ['a'])]);
  run.start();
  const [first] = run.snapshot.state.journal;
  for (let n = run.snapshot.state.journal.length; n < journalRunLines; n += 1) run.feed({ kind: 'comment', by, text: `line ${n}` });
  assert.equal(run.snapshot.state.journal.length, journalRunLines);
  assert.equal(run.snapshot.state.journal[0], first, 'the line itself');
  assert.match(refusedBecause(run, { kind: 'comment', by: 'fay', text: 'one more' }), /has 6,000 lines, and the run takes no comments any more.*holdfast incident update demo/);
  run.feed({ kind: 'journal-kept', page: 1 });
  assert.equal(run.snapshot.state.journal.length, journalRunLines + 1 - journalPageLines);
  assert.match(refusedBecause(run, { kind: 'comment', by: 'fay', text: 'and one' }), /takes no comments/, 'lines in the store count too');
  assert.equal(refusal(run.snapshot, { kind: 'hold', by }), undefined);
  run.feed({ kind: 'hold', by });
  assert.equal(run.status, 'held');
});
