import { elevationGate, hasLapsed } from '../domain/elevation.ts';
import { samePerson } from '../domain/people.ts';
import type { GateState } from '../domain/run-state.ts';
import type { Draft } from './draft.ts';
import type { Refusal } from './waits-for.ts';
import type { PersonsEvent, RunSnapshot } from './run-types.ts';

/**
 * An elevation lends its right for a time (`elevatedFor`). No timer ends it: whatever the person commands is held against the time that it is said at, so a run that waits for weeks
 * costs nothing and a worker that was away lets nothing through. Beyond it the person is refused by name, and asks anew by a `retry` of the step that asked first, with a reason: the gate opens
 * again beside the run, which waits for nobody because of it. Others command the run as before.
 */

/** Its gate has been approved once already: nothing of the run waits for it. */
export const isAskedAnew = ({ state }: RunSnapshot, gate: GateState): boolean => gate.lastsMs !== undefined && state.elevation !== undefined;

/** From the approval on. */
export function elevate(draft: Draft, gate: GateState): void {
  const { state } = draft.snapshot;
  const until = new Date(Date.parse(draft.at) + gate.lastsMs!).toISOString();
  const approvedBy = gate.decisions.filter(({ decision }) => decision === 'approve').map(({ by, proof }) => `${by} (${proof})`);
  state.elevation = { person: state.requestedBy, step: state.elevation?.step ?? gate.step, approvedBy, at: draft.at, reason: gate.description, until };
  draft.note(gate.gate, `${state.requestedBy} is elevated until ${until}`);
}

const isTheirs = ({ people, state: { elevation } }: RunSnapshot, by: string): boolean => elevation !== undefined && samePerson(people, elevation.person, by);

/** Whoever was elevated asks to be elevated anew. */
export const asksAnew = (snapshot: RunSnapshot, event: PersonsEvent): boolean =>
  event.kind === 'retry' && event.step !== undefined && event.step === snapshot.state.elevation?.step && isTheirs(snapshot, event.by);

export function refuseAsking({ state }: RunSnapshot, event: PersonsEvent, at: string): Refusal | undefined {
  if (!hasLapsed(state.elevation, at)) return { type: 'NotWaiting', message: `${event.by} is elevated until ${state.elevation!.until}.` };
  if (state.gates.some(({ gate, status }) => gate === elevationGate && status === 'open')) return { type: 'NotWaiting', message: `It is asked already: gate "${elevationGate}" is open.` };
  return 'reason' in event && event.reason !== undefined ? undefined : { type: 'BadInput', message: 'An elevation is asked for with a reason: give "reason".' };
}

/** A comment decides nothing, and is how they say what they need. */
export function refuseLapsed(snapshot: RunSnapshot, { kind, by }: PersonsEvent, at: string): Refusal | undefined {
  const { elevation } = snapshot.state;
  if (kind === 'comment' || !hasLapsed(elevation, at) || !isTheirs(snapshot, by)) return undefined;
  return { type: 'NotPermitted', message: `The elevation of ${elevation.person} for this run, by ${elevation.approvedBy.join(', ')}, ended at ${elevation.until}: until they are elevated anew they command nothing of it. To ask for it: retry with {"step": "${elevation.step}", "by": "${by}", "reason": "…"}.` };
}
