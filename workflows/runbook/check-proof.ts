import { defaultDelegationMs, shownOf, type DecisionSaid } from '../domain/approval.ts';
import { personOf } from '../domain/people.ts';
import type { GateState } from '../domain/run-state.ts';
import { minutes } from '../domain/units.ts';
import type { Draft } from './draft.ts';
import { delegableGate } from './refuse-at-gate.ts';
import type { Checks, GateEvent, PendingCheck, RunEvent } from './run-types.ts';

/** So many wrong codes on end lock a person out, for so long: a guess has three chances in a million. */
const wrongCodes = 5;
const lockedForMs = minutes(15);
const keptResults = 20;

const checksOf = (draft: Draft): Checks => (draft.snapshot.checks ??= { next: 1, pending: [], results: [], wrong: {} });

/** Which opening and which round of a gate. */
export const askedOf = ({ openedAt, round = 1 }: GateState): string => `${openedAt ?? 'not yet'} round ${round}`;

const said = (event: GateEvent): DecisionSaid =>
  event.kind === 'delegate' ? { said: 'delegate', to: event.to, forMs: event.for ?? defaultDelegationMs } : { said: event.kind };

/** The decision waits until its proof was checked; until then nothing of it counts. The rules have let it through already. */
export function startCheck(draft: Draft, event: GateEvent): void {
  const { proof, ...bare } = event;
  const gate = delegableGate(draft.snapshot, event.gate);
  if (!proof || 'type' in gate) return;
  const checks = checksOf(draft);
  const person = personOf(draft.snapshot.people, event.by)!;
  const check = checks.next;
  checks.next += 1;
  // By its gate's name: another gate may be the only open one by the time the answer comes.
  checks.pending.push({ check, person, asked: askedOf(gate), event: { ...bare, gate: gate.gate } });
  draft.note(gate.gate, `${event.kind} by ${proof.kind === 'totp' ? 'one-time code' : 'signature'} is being checked`, event.by);
  draft.commands.push({ kind: 'check-proof', check, person, by: event.by, proof, shown: shownOf(draft.snapshot.state, gate), decision: said(event) });
}

/**
 * What came of a check. @returns the decision that is proved, to be applied; undefined: it was refused, and the journal says why.
 * A result of a check that is not awaited (the same result twice) is nobody's.
 */
export function endCheck(draft: Draft, result: Extract<RunEvent, { kind: 'proof-checked' }>): PendingCheck | undefined {
  const checks = checksOf(draft);
  const pending = checks.pending.find(({ check }) => check === result.check);
  if (!pending) return undefined;
  checks.pending = checks.pending.filter((other) => other !== pending);
  const { person, event } = pending;
  if (result.ok) {
    delete checks.wrong[person];
    return pending;
  }
  answerCheck(draft, result.check, { type: 'NotPermitted', message: result.why });
  draft.note(event.gate!, `${event.kind} not accepted: ${result.why}`, event.by);
  if (result.wrong && result.proof === 'totp') countWrong(draft, checks, person, event);
  return undefined;
}

/** What an update answers with, once its check has ended. */
export function answerCheck(draft: Draft, check: number, refused: Checks['results'][number]['refused']): void {
  const checks = checksOf(draft);
  checks.results = [...checks.results, { check, refused }].slice(-keptResults);
}

function countWrong(draft: Draft, checks: Checks, person: string, event: GateEvent): void {
  const count = (checks.wrong[person]?.count ?? 0) + 1;
  const isLocked = count >= wrongCodes;
  const lockedUntil = isLocked ? new Date(Date.parse(draft.at) + lockedForMs).toISOString() : null;
  checks.wrong[person] = { count: isLocked ? 0 : count, lockedUntil };
  if (isLocked) draft.warn(event.gate!, `${wrongCodes} wrong codes in the name of ${event.by}: none is taken until ${lockedUntil}. Ask ${event.by} whether it was them`);
}
