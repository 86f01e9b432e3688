import { answersToGate } from '../domain/how-to-answer.ts';
import { anonymous } from '../domain/messages.ts';
import { hasRights, personOf, samePerson } from '../domain/people.ts';
import { approvalsAt, type GateState } from '../domain/run-state.ts';
import { resolveGate, waitsFor, type Refusal } from './waits-for.ts';
import type { GateEvent, RunSnapshot } from './run-types.ts';

const names = (list: readonly string[]): string => list.map((name) => `"${name}"`).join(', ');
const notPermitted = (message: string): Refusal => ({ type: 'NotPermitted', message });
const byName = { totp: 'a one-time code', signature: 'a signature', any: 'a one-time code or a signature' } as const;

/** Why a decision, or a delegation, cannot be taken now. */
export function refuseAtGate(snapshot: RunSnapshot, event: GateEvent, at: string): Refusal | undefined {
  const gate = event.kind === 'delegate' ? delegableGate(snapshot, event.gate) : resolveGate(snapshot, event.gate);
  if ('type' in gate) return gate;
  return refusalOfProved(snapshot, gate, event, at) ?? refuseProof(snapshot, gate, event, at);
}

/** The same, for a decision whose proof has been checked. */
export function refusalOfProved(snapshot: RunSnapshot, gate: GateState, event: GateEvent, at: string): Refusal | undefined {
  return event.kind === 'delegate' ? refuseDelegation(snapshot, gate, event, at) : refuseDecision(snapshot, gate, event, at);
}

/** A right may be handed on before the gate opens: people know when they will be away. */
export function delegableGate(snapshot: RunSnapshot, wanted: string | undefined): GateState | Refusal {
  const pending = snapshot.state.gates.find(({ gate, status }) => gate === wanted && status === 'pending');
  return pending ?? resolveGate(snapshot, wanted);
}

const handedOn = (gate: GateState, at: string): NonNullable<GateState['delegations']> =>
  (gate.delegations ?? []).filter(({ until }) => until > at);

/** Whose right a person answers with: their own, or one that was handed to them. Undefined: with none. */
export function rightOf(snapshot: RunSnapshot, gate: GateState, by: string, at: string): { onBehalfOf: string | null } | undefined {
  const is = (name: string): boolean => samePerson(snapshot.people, name, by);
  const handed = handedOn(gate, at);
  if ((gate.people.length === 0 || gate.people.some(is)) && !handed.some(({ from }) => is(from))) return { onBehalfOf: null };
  const right = handed.find(({ to }) => is(to));
  return right && { onBehalfOf: right.from };
}

function refuseDecision(snapshot: RunSnapshot, gate: GateState, event: GateEvent, at: string): Refusal | undefined {
  const is = (person: string): boolean => samePerson(snapshot.people, person, event.by);
  const right = rightOf(snapshot, gate, event.by, at);
  if (!right) {
    const away = handedOn(gate, at).find(({ from }) => is(from));
    if (away) return notPermitted(`${event.by} handed their right to answer gate "${gate.gate}" to ${away.to}, until ${away.until}.`);
    return notPermitted(`Gate "${gate.gate}" is answered by ${names(gate.people)}, not by ${event.by}: name one of them in "by".`);
  }
  const twice = [event.by, ...(right.onBehalfOf === null ? [] : [right.onBehalfOf])];
  if (gate.decisions.some(({ by, onBehalfOf }) => twice.some((name) => samePerson(snapshot.people, by, name) || (onBehalfOf !== undefined && samePerson(snapshot.people, onBehalfOf, name))))) {
    return notPermitted(`${event.by} has already decided on gate "${gate.gate}"; ${gate.quorum} different people must approve.`);
  }
  if (event.kind === 'reject') return undefined;
  if (gate.quorum === 0) return { type: 'NotWaiting', message: `No approval is asked for: it begins at ${gate.notBefore}, unless somebody rejects it.` };
  if (approvalsAt(gate) >= gate.quorum) return { type: 'NotWaiting', message: `Gate "${gate.gate}" has its ${gate.quorum} approvals, and waits until ${gate.notBefore}.` };
  if (gate.quorum > 1 && event.by === anonymous) return notPermitted(`Gate "${gate.gate}" takes ${gate.quorum} different people: give your name in "by".`);
  // Who asked is known only if a name was given; nobody’s name equals another nobody’s (whoIsUnknown warns).
  if (gate.notRequester && event.by !== anonymous && is(snapshot.state.requestedBy)) {
    return notPermitted(`${event.by} asked for this run, and so cannot approve gate "${gate.gate}".`);
  }
  if (gate.notBy !== undefined && event.by === anonymous) {
    return notPermitted(`Gate "${gate.gate}" takes a name: give "by". It must be somebody else than ${names(gate.notBy) || 'the others'}.`);
  }
  if (gate.notBy?.some(is)) {
    return notPermitted(`${event.by} approved another gate of this run, or asked for this one: gate "${gate.gate}" needs a different person.`);
  }
  return undefined;
}

/** Handed on is only one's own right, to one of the system's people who could have had it: never to, or by, who asked for the run. */
function refuseDelegation(snapshot: RunSnapshot, gate: GateState, event: GateEvent & { kind: 'delegate' }, at: string): Refusal | undefined {
  const { people, state } = snapshot;
  if (!people) return notPermitted('Nobody can hand a right on: the system names no people, and anybody may answer.');
  if (gate.status !== 'open' && gate.status !== 'pending') return { type: 'NotWaiting', message: `Gate "${gate.gate}" is already ${gate.status}. ${waitsFor(snapshot)}` };
  const is = (a: string, b: string): boolean => samePerson(people, a, b);
  if (rightOf(snapshot, gate, event.by, at)?.onBehalfOf !== null) return notPermitted(`${event.by} has no right of their own to answer gate "${gate.gate}": it is answered by ${names(gate.people)}.`);
  if (personOf(people, event.to) === undefined) return notPermitted(`"${event.to}" is none of the system’s people: ${names(Object.keys(people))}.`);
  if (!hasRights(people, event.to)) return notPermitted(`${event.to} has no role: they are told, and answer no gate.`);
  if (is(event.to, event.by)) return notPermitted(`${event.by} has that right already.`);
  if (gate.decisions.some(({ by }) => is(by, event.by))) return notPermitted(`${event.by} has already decided on gate "${gate.gate}".`);
  // Two rights in one hand are one approval: a quorum could not come together any more.
  if (gate.people.some((name) => is(name, event.to))) return notPermitted(`${event.to} answers gate "${gate.gate}" in their own name already, and could not answer in yours besides: hand it to somebody else.`);
  const barred = [...(gate.notRequester ? [state.requestedBy] : []), ...(gate.notBy ?? [])];
  const who = [event.to, event.by].find((name) => barred.some((other) => is(other, name)));
  return who === undefined ? undefined : notPermitted(`${who} asked for this run, or approved another gate of it, and so can neither approve gate "${gate.gate}" nor say who does.`);
}

/** A gate that asks for a proof takes none but that; a proof that nobody asked for must still be one that can be checked. */
function refuseProof(snapshot: RunSnapshot, gate: GateState, event: GateEvent, at: string): Refusal | undefined {
  const { proof } = event;
  if (!proof) {
    return gate.proof === undefined || event.kind === 'reject' ? undefined : notPermitted(`Gate "${gate.gate}" takes no name that is only claimed, but ${byName[gate.proof]}: ${answersToGate(snapshot.state, gate).join(', ')}.`);
  }
  if (gate.proof !== undefined && gate.proof !== 'any' && gate.proof !== proof.kind) return notPermitted(`Gate "${gate.gate}" takes ${byName[gate.proof]}, not ${byName[proof.kind]}.`);
  const person = personOf(snapshot.people, event.by);
  if (person === undefined || !snapshot.people![person]!.proofs.includes(proof.kind)) {
    return notPermitted(`The system file has no ${proof.kind === 'totp' ? 'TOTP secret' : 'public key'} of ${event.by}: ${byName[proof.kind]} of theirs cannot be checked.`);
  }
  const lockedUntil = snapshot.checks?.wrong[person]?.lockedUntil ?? null;
  if (proof.kind === 'totp' && lockedUntil !== null && lockedUntil > at) return notPermitted(`${event.by} gave too many wrong codes: none is taken until ${lockedUntil}. A signature is.`);
  if (snapshot.checks?.pending.some((other) => other.person === person)) return { type: 'NotWaiting', message: `A proof of ${event.by} is being checked already; wait for what comes of it.` };
  return undefined;
}
