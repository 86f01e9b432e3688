import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anonymous } from '../../../workflows/domain/messages.ts';
import type { People } from '../../../workflows/domain/people.ts';
import { refusal } from '../../../workflows/runbook/refusal.ts';
import { Driver, gate, step } from './plans.ts';

const people: People = {
  ada: { name: 'Ada Admin', roles: ['administrator'], proofs: [] },
  dana: { name: 'dana', roles: ['dr-team'], proofs: [] },
  fay: { name: 'fay', roles: ['dr-team'], proofs: [] },
  sara: { name: 'sara', roles: ['security'], proofs: [] },
};

function named(steps: Parameters<typeof step>[0][] = ['a']): Driver {
  const run = new Driver(steps.map((id) => step(id)));
  run.snapshot = { ...run.snapshot, people };
  run.start();
  return run;
}

test('a message is refused to whoever’s roles do not let them, by name and with the roles that do', () => {
  const run = named();
  run.fail('a');
  assert.equal(refusal(run.snapshot, { kind: 'retry', by: 'sara' })?.type, 'NotPermitted');
  run.feed({ kind: 'retry', by: 'sara' });
  assert.match(run.lastNote, /retry not accepted: sara \(security\) may not retry a step\. Roles that may retry a step: administrator, dr-team/);
  run.feed({ kind: 'retry', by: anonymous });
  assert.match(run.lastNote, /Nobody without a name may retry a step/);
  assert.equal(refusal(run.snapshot, { kind: 'abort', by: 'mallory' })?.type, 'NotPermitted');
  run.feed({ kind: 'retry', by: 'ADA ADMIN' });
  assert.equal(run.step('a').state, 'running');
});

test('a cancel of the workflow aborts, whoever the people are', () => {
  const run = named();
  run.feed({ kind: 'abort', by: 'cancel' });
  assert.equal(run.status, 'compensating');
});

test('a contact without a role is called by a gate and may not answer it, nor be handed a right', () => {
  const asked = gate('go', { people: ['ada', 'fay'], clocks: { escalate: [{ afterMs: 300_000, to: ['ceo', 'sara'] }] } });
  const run = new Driver([step('ask', [], { gate: asked, skip: 'refused' })]);
  run.snapshot = { ...run.snapshot, people: { ...people, ceo: { name: 'ceo@example.com', roles: [], proofs: [] } } };
  run.start();
  run.done('ask', { opens: asked });
  run.feed({ kind: 'timer-due', timer: { kind: 'gate-escalation', gate: 'go', openedAt: run.gate('go').openedAt!, n: 0 } });
  assert.deepEqual([run.gate('go').escalatedTo, run.gate('go').people], [['ceo@example.com', 'sara'], ['ada', 'fay', 'sara']]);
  run.feed({ kind: 'approve', by: 'ceo' });
  assert.match(run.lastNote, /answered by "ada", "fay", "sara", not by ceo/);
  run.feed({ kind: 'delegate', by: 'ada', gate: 'go', to: 'ceo@example.com' });
  assert.match(run.lastNote, /ceo@example\.com has no role: they are told, and answer no gate/);
  run.feed({ kind: 'abort', by: 'ceo' });
  assert.match(run.lastNote, /ceo \(no role\) may not abort a run/);
  run.feed({ kind: 'approve', by: 'sara' });
  assert.equal(run.gate('go').status, 'approved');
});

test('two approvals are two people: an id and a name of one person are one', () => {
  const asked = gate('go', { quorum: 2, people: ['Ada Admin', 'fay', 'dana'] });
  const run = new Driver([step('ask', [], { gate: asked, skip: 'refused' })]);
  run.snapshot = { ...run.snapshot, people };
  run.start();
  run.done('ask', { opens: asked });
  run.feed({ kind: 'approve', by: 'ada' });
  run.feed({ kind: 'approve', by: 'Ada Admin' });
  assert.match(run.lastNote, /already decided/);
  run.feed({ kind: 'approve', by: 'dana' });
  assert.match(run.lastNote, /dana asked for this run/);
  run.feed({ kind: 'approve', by: 'sara' });
  assert.match(run.lastNote, /answered by "Ada Admin", "fay", "dana", not by sara/);
  run.feed({ kind: 'approve', by: 'Fay' });
  assert.equal(run.gate('go').status, 'approved');
});
