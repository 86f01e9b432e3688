import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownOf } from '../../../workflows/domain/approval.ts';
import type { People } from '../../../workflows/domain/people.ts';
import { refusal } from '../../../workflows/runbook/refusal.ts';
import type { GateRequest, RunCommand } from '../../../workflows/runbook/run-types.ts';
import { at, Driver, gate, step } from './plans.ts';

const person = (name: string, roles = ['dr-team']): People[string] => ({ name, roles, proofs: ['totp', 'signature'] });
const people: People = { dana: person('dana'), erik: person('erik'), fay: person('fay'), gil: person('gil'), ceo: { ...person('ceo', ['administrator']), proofs: [] } };
const code = { kind: 'totp', code: '654321' } as const;

function opened(extra: Partial<GateRequest> = {}): Driver {
  const asked = gate('go', { people: ['erik', 'fay'], quorum: 2, ...extra });
  const run = new Driver([step('check'), step('ask', ['check'], { gate: asked, skip: 'refused', undo: false }), step('act', ['ask'])]);
  run.snapshot = { ...run.snapshot, people, state: { ...run.snapshot.state, run: 'R1' } };
  run.start();
  run.done('check');
  run.done('ask', { opens: asked });
  return run;
}

/** Lets every timer that is due by then come due, in order. */
function pass(run: Driver, seconds: number): void {
  const end = run.second + seconds;
  for (;;) {
    const due = run.commands
      .filter((command): command is RunCommand & { kind: 'start-timer' } => command.kind === 'start-timer' && command.dueAt <= at(end))
      .sort((a, b) => a.dueAt.localeCompare(b.dueAt))[0];
    if (!due) break;
    run.commands = run.commands.filter((command) => command !== due);
    run.feed({ kind: 'timer-due', timer: due.timer }, Math.max(run.second, (Date.parse(due.dueAt) - Date.parse(at(0))) / 1000));
  }
  run.second = end;
}

test('approvals that do not come together in time lapse, and the gate is asked anew', () => {
  const run = opened({ clocks: { expiresAfterMs: 600_000 } });
  run.feed({ kind: 'approve', by: 'erik' });
  pass(run, 700);
  assert.deepEqual([run.gate('go').decisions, run.gate('go').round, run.gate('go').status], [[], 2, 'open']);
  assert.match(run.snapshot.state.warnings.join(), /the approval of erik has lapsed: not all 2 came in time\. Asked again, round 2/);
  run.feed({ kind: 'approve', by: 'fay' });
  assert.equal(run.gate('go').status, 'open', 'one of two, of this round');
  run.feed({ kind: 'approve', by: 'erik' });
  assert.equal(run.gate('go').status, 'approved');
  pass(run, 7_200);
  assert.equal(run.gate('go').status, 'approved', 'a late timer is nobody’s');
});

test('a week without an answer is a bounded number of timers, and every one is heard', () => {
  const run = opened({ clocks: { expiresAfterMs: 900_000, remindEveryMs: 300_000 } });
  let timers = 0;
  const feed = run.feed.bind(run);
  run.feed = (event, second) => {
    if (event.kind === 'timer-due') timers += 1;
    return feed(event, second);
  };
  pass(run, 7 * 86_400);
  assert.ok(timers > 50 && timers < 150, String(timers));
  assert.match(run.snapshot.state.journal.map(({ what }) => what).join('\n'), /reminder: open for .* 0 of 2 approvals; asked: erik, fay/);
});

test('an escalation names more people, who may then answer', () => {
  const run = opened({ clocks: { escalate: [{ afterMs: 300_000, to: ['gil'] }, { afterMs: 600_000, to: ['ceo', 'erik'] }] } });
  run.feed({ kind: 'approve', by: 'ceo' });
  assert.match(run.lastNote, /answered by "erik", "fay", not by ceo/);
  pass(run, 310);
  assert.deepEqual(run.gate('go').people, ['erik', 'fay', 'gil']);
  pass(run, 310);
  assert.deepEqual([run.gate('go').people, run.gate('go').escalatedTo], [['erik', 'fay', 'gil', 'ceo'], ['gil', 'ceo', 'erik']]);
  run.feed({ kind: 'approve', by: 'ceo' });
  run.feed({ kind: 'approve', by: 'gil' });
  assert.equal(run.gate('go').status, 'approved');
});

test('a gate that is approved beforehand for drills waits in a recovery, and not in a drill', () => {
  assert.equal(opened({ preApprovedFor: 'drill' }).gate('go').status, 'open');
  const asked = gate('go', { preApprovedFor: 'drill' });
  const run = new Driver([step('ask', [], { gate: asked, skip: 'refused' }), step('act', ['ask'])]);
  run.snapshot = { ...run.snapshot, state: { ...run.snapshot.state, purpose: 'drill' } };
  run.start();
  run.done('ask', { opens: asked });
  assert.deepEqual([run.gate('go').status, run.gate('go').decisions, run.step('act').state], ['approved', [], 'running']);
  assert.match(run.snapshot.state.journal.map(({ what }) => what).join('\n'), /approved beforehand: the system file asks nobody in a drill/);
});

test('a right is handed on for a time, to one of the people, and never to or by who asked for the run', () => {
  const run = opened();
  const refusedTo = (to: string, by = 'erik'): string => refusal(run.snapshot, { kind: 'delegate', gate: 'go', to, by })?.message ?? 'accepted';
  assert.match(refusedTo('dana'), /dana asked for this run/);
  assert.match(refusedTo('mallory'), /"mallory" is none of the system’s people/);
  assert.match(refusedTo('erik'), /has that right already/);
  assert.match(refusedTo('fay'), /fay answers gate "go" in their own name already/, 'two rights in one hand are one approval of the two that are needed');
  assert.match(refusedTo('ceo', 'gil'), /gil has no right of their own/);
  run.feed({ kind: 'delegate', gate: 'go', to: 'gil', for: 600_000, by: 'erik', reason: 'on a plane' });
  assert.match(run.lastNote, /handed to gil until .* \(name as claimed\): on a plane/);
  assert.match(refusal(run.snapshot, { kind: 'approve', by: 'erik' })!.message, /erik handed their right .* to gil/);
  assert.match(refusedTo('ceo', 'gil'), /no right of their own/, 'what was lent is not lent on');
  run.feed({ kind: 'approve', by: 'gil' });
  assert.deepEqual(run.gate('go').decisions.map(({ by, onBehalfOf }) => [by, onBehalfOf]), [['gil', 'erik']]);
  run.second += 700;
  run.feed({ kind: 'approve', by: 'erik' });
  assert.match(run.lastNote, /already decided/, 'their right is used, whoever used it');
  run.feed({ kind: 'approve', by: 'fay' });
  assert.equal(run.gate('go').status, 'approved');
});

test('a right that was handed on comes back when its time is over', () => {
  const run = opened();
  run.feed({ kind: 'delegate', gate: 'go', to: 'gil', for: 60_000, by: 'erik' });
  run.second += 120;
  run.feed({ kind: 'approve', by: 'gil' });
  assert.match(run.lastNote, /not by gil/);
  run.feed({ kind: 'approve', by: 'erik' });
  assert.equal(run.gate('go').decisions.length, 1);
});

test('a gate that asks for a proof takes no claimed name, and a decision counts only once its proof was checked', () => {
  const run = opened({ proof: 'totp', quorum: 1 });
  run.feed({ kind: 'approve', by: 'erik' });
  assert.match(run.lastNote, /takes no name that is only claimed, but a one-time code: signal/);
  run.feed({ kind: 'approve', by: 'erik', proof: { kind: 'signature', at: at(0), nonce: '00', value: 'x' } });
  assert.match(run.lastNote, /takes a one-time code, not a signature/);
  run.feed({ kind: 'reject', by: 'mallory' });
  assert.equal(run.gate('go').status, 'open');
  const [command] = run.feed({ kind: 'approve', by: 'erik', proof: code });
  assert.deepEqual(command, { kind: 'check-proof', check: 1, person: 'erik', by: 'erik', proof: code, shown: shownOf(run.snapshot.state, run.gate('go')), decision: { said: 'approve' } });
  assert.equal(run.gate('go').status, 'open');
  assert.doesNotMatch(JSON.stringify(run.snapshot), /654321/, 'no code is kept');
  run.feed({ kind: 'approve', by: 'erik', proof: code });
  assert.match(run.lastNote, /being checked already/);
  run.feed({ kind: 'proof-checked', check: 1, ok: true, wrong: false, proof: 'totp', why: '' });
  assert.deepEqual(run.gate('go').decisions.map(({ by, proof }) => [by, proof]), [['erik', 'totp']]);
  assert.match(run.snapshot.state.journal.map(({ what }) => what).join('\n'), /approved, 1 of 1 \(proved by one-time code\)/);
  assert.deepEqual(run.snapshot.checks!.results, [{ check: 1, refused: null }]);
  assert.deepEqual(run.feed({ kind: 'proof-checked', check: 1, ok: true, wrong: false, proof: 'totp', why: '' }), [], 'the same answer again is nobody’s');
});

test('a proved decision is refused when its gate has closed, or was asked anew, while the proof was checked', () => {
  const run = opened({ quorum: 1, clocks: { expiresAfterMs: 60_000 } });
  run.feed({ kind: 'approve', by: 'erik', proof: code });
  pass(run, 90);
  run.feed({ kind: 'proof-checked', check: 1, ok: true, wrong: false, proof: 'totp', why: '' });
  assert.match(run.snapshot.checks!.results[0]!.refused!.message, /asked anew while the proof was checked/);
  run.feed({ kind: 'approve', by: 'erik', proof: code });
  run.feed({ kind: 'approve', by: 'fay' });
  run.feed({ kind: 'proof-checked', check: 2, ok: true, wrong: false, proof: 'totp', why: '' });
  assert.match(run.snapshot.checks!.results[1]!.refused!.message, /already approved/);
  assert.deepEqual(run.gate('go').decisions.map(({ by }) => by), ['fay']);
});

test('a check that ends after the run is answered too', () => {
  const run = opened({ quorum: 1 });
  run.feed({ kind: 'approve', by: 'erik', proof: code });
  run.feed({ kind: 'approve', by: 'fay' });
  run.done('act');
  assert.equal(run.status, 'done');
  run.feed({ kind: 'proof-checked', check: 1, ok: true, wrong: false, proof: 'totp', why: '' });
  assert.equal(run.snapshot.checks!.results[0]!.refused!.type, 'NotWaiting');
});

test('five wrong codes on end lock a person out for a quarter of an hour, and a signature is still taken', () => {
  const run = opened({ quorum: 1 });
  for (let check = 1; check <= 5; check += 1) {
    run.feed({ kind: 'approve', by: 'erik', proof: code });
    run.feed({ kind: 'proof-checked', check, ok: false, wrong: true, proof: 'totp', why: 'the one-time code of erik is wrong' });
  }
  assert.match(run.snapshot.state.warnings.join(), /5 wrong codes in the name of erik: none is taken until/);
  run.feed({ kind: 'approve', by: 'erik', proof: code });
  assert.match(run.lastNote, /too many wrong codes: none is taken until/);
  assert.equal(refusal(run.snapshot, { kind: 'approve', by: 'erik', proof: { kind: 'signature', at: at(0), nonce: '00', value: 'x' } }), undefined);
  run.second += 16 * 60;
  assert.equal(run.feed({ kind: 'approve', by: 'erik', proof: code })[0]?.kind, 'check-proof');
});

test('what could not be checked, or was used already, locks nobody out', () => {
  const run = opened({ quorum: 1 });
  for (let check = 1; check <= 6; check += 1) {
    run.feed({ kind: 'approve', by: 'erik', proof: code });
    run.feed({ kind: 'proof-checked', check, ok: false, wrong: false, proof: 'totp', why: 'used already' });
  }
  assert.equal(refusal(run.snapshot, { kind: 'approve', by: 'erik', proof: code }), undefined);
  assert.equal(run.gate('go').decisions.length, 0);
});

test('what is shown changes with the gate, its round, the run and the steps before, and not with those beside', () => {
  const run = opened();
  const shown = JSON.stringify(shownOf(run.snapshot.state, run.gate('go')));
  run.feed({ kind: 'noted', about: 'run', what: 'x' });
  assert.equal(JSON.stringify(shownOf(run.snapshot.state, run.gate('go'))), shown);
  assert.match(shown, /"run":"R1".*check did it/);
  run.gate('go').round = 2;
  assert.notEqual(JSON.stringify(shownOf(run.snapshot.state, run.gate('go'))), shown);
});
