import type { GateState, RunState } from './run-state.ts';
import { stepsBefore } from './steps-before.ts';

/**
 * What a person proves when they decide at a gate. The statement is about one decision: system, run, gate, round, person, and the digest of
 * what the gate showed them, so that it fits no other run, no other gate and nothing that changed since.
 */

/** Given with a decision. A code enters the history, where it is used up and over; a signature is no secret. */
export type Proof = { kind: 'totp'; code: string } | { kind: 'signature'; at: string; nonce: string; value: string };

/** What is decided. */
export type DecisionSaid = { said: 'approve' | 'reject' } | { said: 'delegate'; to: string; forMs: number };

/** What whoever decides has in front of them: the gate's words, and what came of the steps that it stands on. */
export interface ShownGate {
  system: string;
  run: string;
  purpose: string;
  gate: string;
  round: number;
  openedAt: string;
  description: string;
  quorum: number;
  /** the steps before it, which are over; those beside it go on changing */
  before: { step: string; state: string; summary: string | null }[];
}

export function shownOf(state: RunState, gate: GateState): ShownGate {
  const step = state.steps.find(({ id }) => id === gate.step);
  const before = new Set(step && stepsBefore(state.steps, step));
  return {
    system: state.system,
    run: state.run ?? '',
    purpose: state.purpose,
    gate: gate.gate,
    round: gate.round ?? 1,
    openedAt: gate.openedAt ?? '',
    description: gate.description,
    quorum: gate.quorum,
    before: state.steps.filter((one) => before.has(one)).map(({ id, state: is, summary }) => ({ step: id, state: is, summary })),
  };
}

/** What is signed, as canonical JSON (RFC 8785). `shows`: SHA-256 of the canonical JSON of what the gate shows, hex. */
export interface ApprovalStatement {
  format: 1;
  kind: 'holdfast-decision';
  system: string;
  run: string;
  gate: string;
  round: number;
  decision: DecisionSaid;
  by: string;
  at: string;
  nonce: string;
  shows: string;
}

export const statementOf = (shown: ShownGate, shows: string, decision: DecisionSaid, by: string, { at, nonce }: { at: string; nonce: string }): ApprovalStatement => ({
  format: 1,
  kind: 'holdfast-decision',
  system: shown.system,
  run: shown.run,
  gate: shown.gate,
  round: shown.round,
  decision,
  by,
  at,
  nonce,
  shows,
});

/** A decision as it is said: of a delegation, to whom and for how long. */
export const defaultDelegationMs = 3_600_000;
