import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anonymous, messageNames, type MessageName } from '../../../workflows/domain/messages.ts';
import type { People } from '../../../workflows/domain/people.ts';
import { refusal } from '../../../workflows/runbook/refusal.ts';
import type { Refusal } from '../../../workflows/runbook/waits-for.ts';
import type { PersonsEvent } from '../../../workflows/runbook/run-types.ts';
import { at, Driver, gate, step } from './plans.ts';

/**
 * Each command, sent when it cannot be obeyed: in the wrong state, about a gate, step, item or runbook that there is not, and by somebody who may not. How each looks to whoever sends it, by update and by
 * signal, is held on a whole stack (test/system/refuse-what-is-wrong.ts).
 */
const person = (name: string, role: string): People[string] => ({ name, roles: [role], proofs: [] });
const people: People = { ada: person('ada', 'administrator'), dana: person('dana', 'dr-team'), erik: person('erik', 'dr-team'), fay: person('fay', 'dr-team'), sara: person('sara', 'security') };

/** One step has failed, a checklist and gate `go` wait, gate `past` is approved, and `later` is not open yet. */
function waiting(): Driver {
  const named = { people: ['ada', 'erik', 'fay'] };
  const gates = [gate('past', named), gate('go', named), gate('later', named)];
  const plan = [step('find', [], { uses: 'find-recovery-point', renews: true, budgetMs: 5_000 }), step('list', [], { uses: 'manual', undo: false }), ...gates.map((asked) => step(`ask-${asked.gate}`, asked.gate === 'later' ? ['ask-go'] : [], { gate: asked, skip: 'refused', undo: false })), step('broken', [], { budgetMs: 5_000 })];
  const run = new Driver(plan);
  run.snapshot = { ...run.snapshot, people, runbooks: { main: plan, other: [step('z')] } };
  run.start();
  run.done('find');
  run.feed({ kind: 'step-done', step: 'list', attempt: 1, summary: null, confirms: [{ id: 'disk', do: 'look' }, { id: 'log', do: 'read' }] });
  for (const asked of gates.slice(0, 2)) run.done(`ask-${asked.gate}`, { opens: asked });
  run.feed({ kind: 'approve', gate: 'past', by: 'erik' });
  run.fail('broken', false);
  return run;
}

/** Some kinds are events of one shape. */
type Bare<N, E> = E extends { kind: infer K } ? (N extends K ? Omit<E, 'kind' | 'by'> : never) : never;
type Sent<N extends MessageName> = Bare<N, PersonsEvent>;
interface Wrong<N extends MessageName> {
  /** what it can be sent with */
  well: Sent<N>;
  /** in the wrong state; `after`: the same again, once it was obeyed */
  state: [sent: Sent<N> | 'after', said: RegExp];
  /** about what there is not; null: it names nothing that there could be */
  unknown: [sent: Sent<N>, said: RegExp, type?: Refusal['type']][] | null;
  /** what `sara` is told, who may not */
  permitted: RegExp;
}

const reason = 'x';
const noGate = /^There is no gate "nope"\. Now open: "go"/;
const noStep = /^There is no step "nope"\. Steps: "find", "list", .*"broken"/;
const wrong: { [N in MessageName]: Wrong<N> } = {
  approve: { well: { gate: 'go' }, state: [{ gate: 'past' }, /^Gate "past" is already approved\. Now open: "go"/], unknown: [[{ gate: 'nope' }, noGate]], permitted: /^Gate "go" is answered by "ada", "erik", "fay", not by sara/ },
  reject: { well: { gate: 'go' }, state: [{ gate: 'later' }, /^Gate "later" is not open yet: it opens with step "ask-later"/], unknown: [[{ gate: 'nope' }, noGate]], permitted: /^Gate "go" is answered by .* not by sara/ },
  delegate: { well: { gate: 'go', to: 'ada' }, state: [{ gate: 'past', to: 'ada' }, /^Gate "past" is already approved/], unknown: [[{ gate: 'nope', to: 'ada' }, noGate], [{ gate: 'go', to: 'mallory' }, /^"mallory" is none of the system’s people/, 'NotPermitted']], permitted: /^sara has no right of their own to answer gate "go"/ },
  retry: { well: {}, state: [{ step: 'find' }, /^Step "find" is done, not failed\. Now open: "go".*failed: "broken"/], unknown: [[{ step: 'nope' }, noStep]], permitted: /^sara \(security\) may not retry a step/ },
  skip: { well: { reason }, state: [{ step: 'find', reason }, /^Step "find" is done, not failed/], unknown: [[{ step: 'nope', reason }, noStep]], permitted: /^sara \(security\) may not skip a step/ },
  abort: { well: {}, state: ['after', /^The run is already being aborted, since /], unknown: null, permitted: /^sara \(security\) may not abort a run/ },
  hold: { well: {}, state: ['after', /^The run is held already, by fay since /], unknown: null, permitted: /^sara \(security\) may not hold a run/ },
  resume: { well: {}, state: ['after', /^The run is not held\. Now open: "go"/], unknown: null, permitted: /^sara \(security\) may not resume a run/ },
  comment: { well: { text: 'the disk is lost' }, state: ['after', /^The same comment by the same person is the journal’s last line already/], unknown: null, permitted: /^sara \(security\) may not comment on a run/ },
  extend: { well: { step: 'broken', budgetMs: 9_000, reason }, state: [{ step: 'find', budgetMs: 9_000, reason }, /^Step "find" is done: its budget means nothing any more/], unknown: [[{ step: 'nope', budgetMs: 9_000, reason }, noStep]], permitted: /^sara \(security\) may not extend the budget of a step/ },
  severity: { well: { severity: 'P1' }, state: ['after', /^The severity is P1 already/], unknown: null, permitted: /^sara \(security\) may not say how severe it is/ },
  choose: { well: { targetTime: at(-60), reason }, state: ['after', /^Another recovery point is being taken already, by fay/], unknown: null, permitted: /^sara \(security\) may not choose another recovery point/ },
  escalate: { well: { runbook: 'other', reason }, state: [{ runbook: 'main', reason }, /^Runbook "main" is the one that runs/], unknown: [[{ runbook: 'nope', reason }, /^There is no runbook "nope"; known: main, other/]], permitted: /^sara \(security\) may not escalate to another runbook/ },
  confirm: { well: { item: 'disk' }, state: ['after', /^Item "disk" of "list" was confirmed already, by fay/], unknown: [[{ step: 'nope' }, noStep], [{ item: 'nope' }, /^There is no item "nope"; items: disk, log/]], permitted: /^sara \(security\) may not confirm an item of a checklist/ },
};

const eventOf = (name: MessageName, sent: object, by: string): PersonsEvent => ({ ...sent, kind: name, by }) as PersonsEvent;

/** All that a command could have changed. */
const standing = ({ snapshot: { state, abort, rewind } }: Driver): string => JSON.stringify([state.status, state.runbook, state.severity, state.held, state.target, state.steps, state.gates, abort, rewind]);

/** Refused by type and words; fed all the same, as a signal is, it commands nothing and changes nothing but the journal. */
function assertRefused(run: Driver, event: PersonsEvent, type: Refusal['type'], said: RegExp): void {
  const what = JSON.stringify(event);
  const refused = refusal(run.snapshot, event);
  assert.equal(refused?.type, type, `${what}: ${refused?.message ?? 'accepted'}`);
  assert.match(refused!.message, said, what);
  const before = standing(run);
  assert.deepEqual(run.feed(event), [], what);
  assert.equal(standing(run), before, what);
  assert.match(run.lastNote, new RegExp(`^${event.kind} not accepted: `), what);
}

for (const name of messageNames) {
  const { well, state: [wrongly, said], unknown, permitted } = wrong[name] as Wrong<MessageName>;
  const asked = (): Driver => {
    const run = waiting();
    if (name === 'resume') run.feed({ kind: 'hold', by: 'erik' });
    return run;
  };

  test(`${name}: refused by name in the wrong state, about what there is not, and to whoever may not`, () => {
    assertRefused(asked(), eventOf(name, well, 'sara'), 'NotPermitted', permitted);
    assertRefused(asked(), eventOf(name, well, 'mallory'), 'NotPermitted', /mallory (may not|has no right)|not by mallory/);
    assertRefused(asked(), eventOf(name, well, anonymous), 'NotPermitted', /^Nobody without a name may|has no right of their own|not by somebody/);
    for (const [sent, why, type = 'BadInput'] of unknown ?? []) assertRefused(asked(), eventOf(name, sent, 'fay'), type, why);
    const run = asked();
    if (wrongly === 'after') {
      assert.equal(refusal(run.snapshot, eventOf(name, well, 'fay')), undefined, 'it is well');
      run.feed(eventOf(name, well, 'fay'));
    }
    assertRefused(run, eventOf(name, wrongly === 'after' ? well : wrongly, 'fay'), 'NotWaiting', said);
  });
}
