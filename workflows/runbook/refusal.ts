import { anonymous } from '../domain/messages.ts';
import { canceller, permit } from '../domain/permissions.ts';
import { isSuperseded } from '../domain/run-state.ts';
import { asksAnew, refuseAsking, refuseLapsed } from './elevation.ts';
import { refuseAtGate } from './refuse-at-gate.ts';
import { refuseCommand } from './refuse-command.ts';
import { isEnded, isGateEvent, type PersonsEvent, type RunSnapshot } from './run-types.ts';
import { resolveFailed, resolveSkipped, waitsFor, type Refusal } from './waits-for.ts';

/** Cancel is Temporal's: whoever may cancel the workflow may. */
function refusePerson({ people }: RunSnapshot, { kind, by }: PersonsEvent): Refusal | undefined {
  if (kind === 'abort' && by === canceller) return undefined;
  const permission = permit(people, kind, by === anonymous ? undefined : by);
  return permission.may === false ? { type: 'NotPermitted', message: permission.why } : undefined;
}

/**
 * Why what a person asks cannot be done now, or undefined when it can. Changes nothing, so that an update's validator may ask.
 * @param at - now; what was lent or locked for a time depends on it. Left out: when the run last heard of anything.
 */
export function refusal(snapshot: RunSnapshot, event: PersonsEvent, at: string = snapshot.lastEventAt): Refusal | undefined {
  if (isEnded(snapshot)) return { type: 'NotWaiting', message: waitsFor(snapshot) };
  if (asksAnew(snapshot, event)) return refuseAsking(snapshot, event, at);
  const lapsed = refuseLapsed(snapshot, event, at);
  if (lapsed) return lapsed;
  // A gate says itself who answers it.
  if (isGateEvent(event)) return refuseAtGate(snapshot, event, at);
  const permitted = refusePerson(snapshot, event);
  if (permitted) return permitted;
  if (event.kind === 'abort') {
    if (snapshot.abort) return { type: 'NotWaiting', message: `The run is already being aborted, since ${snapshot.abort.at}.` };
    return snapshot.noReturn === null || isSuperseded(snapshot.state) ? undefined : { type: 'NotWaiting', message: `The run cannot be turned back: ${snapshot.noReturn}. Let it finish, then fail back.` };
  }
  if (event.kind !== 'retry' && event.kind !== 'skip') return refuseCommand(snapshot, event);
  const step = event.kind === 'skip' ? resolveSkipped(snapshot, event.step) : resolveFailed(snapshot, event.step);
  if (typeof step !== 'string') return step;
  if (event.kind === 'skip' && snapshot.rewind && snapshot.tracks[step]!.undo !== 'registered' && snapshot.tracks[step]!.undo !== 'none') {
    return { type: 'NotPermitted', message: `The undo of "${step}" cannot be left out: the next restore would go on top of what is there. Retry it, or abort.` };
  }
  const planned = snapshot.plan.find((candidate) => candidate.id === step)!;
  if (event.kind === 'skip' && !snapshot.abort && planned.skip === 'refused') {
    return { type: 'NotPermitted', message: `Step "${step}" cannot be skipped: it is an approval. Retry it to open its gate again, or abort.` };
  }
  return undefined;
}
