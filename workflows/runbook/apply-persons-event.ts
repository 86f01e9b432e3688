import { defaultDelegationMs } from '../domain/approval.ts';
import { elevationGate } from '../domain/elevation.ts';
import { approvalsAt, type DecisionProof, type StepState } from '../domain/run-state.ts';
import { beginAbort } from './abort.ts';
import { applyCommand } from './apply-command.ts';
import { answerCheck, askedOf, endCheck, startCheck } from './check-proof.ts';
import type { Draft } from './draft.ts';
import { refusal } from './refusal.ts';
import { resolveFailed, resolveGate, resolveSkipped, whoIsUnknown, type Refusal } from './waits-for.ts';
import { asksAnew, isAskedAnew } from './elevation.ts';
import { startGateClocks } from './gate-clocks.ts';
import { delegableGate, refusalOfProved, rightOf } from './refuse-at-gate.ts';
import { passApproved } from './pass-gate.ts';
import { isEnded, type GateEvent, type PersonsEvent, type RunEvent } from './run-types.ts';
import { openGate } from './step-events.ts';

/** What a person asked: done when the rules allow it, else recorded with the reason and nothing else. */
export function applyPersonsEvent(draft: Draft, event: PersonsEvent): void {
  const refused = refusal(draft.snapshot, event, draft.at);
  if (refused) {
    draft.note('run', `${event.kind} not accepted: ${refused.message}`, event.by);
    return;
  }
  switch (event.kind) {
    case 'approve':
    case 'reject':
    case 'delegate':
      if (event.proof) startCheck(draft, event);
      else takeAtGate(draft, event, 'claimed');
      break;
    case 'retry':
      if (asksAnew(draft.snapshot, event)) askAnew(draft, event);
      else retry(draft, event);
      break;
    case 'skip':
      skip(draft, event);
      break;
    case 'abort':
      beginAbort(draft, event);
      break;
    default:
      applyCommand(draft, event);
  }
}

const because = (reason: string | undefined): string => (reason ? `: ${reason}` : '');

/** A decision whose proof was checked: it counts if the rules still allow it, for much may have happened meanwhile. */
export function applyProof(draft: Draft, result: Extract<RunEvent, { kind: 'proof-checked' }>): void {
  const proved = endCheck(draft, result);
  if (!proved) return;
  const { check, event, asked } = proved;
  const gate = delegableGate(draft.snapshot, event.gate);
  // The proof itself stands: what is asked again is everything else.
  const refused = isEnded(draft.snapshot) || 'type' in gate ? refusal(draft.snapshot, event, draft.at) : askedOf(gate) === asked ? refusalOfProved(draft.snapshot, gate, event, draft.at) : askedAnew(gate.gate);
  answerCheck(draft, check, refused ?? null);
  if (refused) draft.note(event.gate!, `${event.kind} not accepted: ${refused.message}`, event.by);
  else takeAtGate(draft, event, result.proof);
}

const askedAnew = (gate: string): Refusal => ({ type: 'NotWaiting', message: `Gate "${gate}" was asked anew while the proof was checked: look at it, and decide again.` });

function takeAtGate(draft: Draft, event: GateEvent, proof: DecisionProof): void {
  if (event.kind === 'delegate') delegate(draft, event, proof);
  else decide(draft, event, proof);
}

const known = (proof: DecisionProof): string => (proof === 'claimed' ? 'name as claimed' : `proved by ${proof === 'totp' ? 'one-time code' : 'signature'}`);

function delegate(draft: Draft, event: GateEvent & { kind: 'delegate' }, proof: DecisionProof): void {
  const gate = delegableGate(draft.snapshot, event.gate);
  if ('type' in gate) return;
  const until = new Date(Date.parse(draft.at) + (event.for ?? defaultDelegationMs)).toISOString();
  gate.delegations = [...(gate.delegations ?? []).filter((other) => other.until > draft.at), { from: event.by, to: event.to, at: draft.at, until, proof }];
  draft.note(gate.gate, `the right to answer is handed to ${event.to} until ${until} (${known(proof)})${because(event.reason)}`, event.by);
}

function decide(draft: Draft, event: GateEvent & { kind: 'approve' | 'reject' }, proof: DecisionProof): void {
  const found = resolveGate(draft.snapshot, event.gate);
  if ('type' in found) return;
  const onBehalfOf = rightOf(draft.snapshot, found, event.by, draft.at)?.onBehalfOf ?? undefined;
  found.decisions.push({ by: event.by, decision: event.kind, reason: event.reason ?? null, at: draft.at, proof, ...(onBehalfOf ? { onBehalfOf } : {}) });
  if (event.kind === 'reject') {
    found.status = 'rejected';
    found.closedAt = draft.at;
    if (isAskedAnew(draft.snapshot, found)) {
      draft.note(found.gate, `rejected (${known(proof)})${because(event.reason)}`, event.by);
      return;
    }
    const step = draft.step(found.step)!;
    step.state = 'failed';
    step.endedAt = draft.at;
    step.error = { type: 'NotPermitted', message: `gate "${found.gate}" was rejected by ${event.by}${because(event.reason)}` };
    draft.note(found.gate, `rejected (${known(proof)})${because(event.reason)}`, event.by);
    // Nobody could answer for what is not there to be tried again.
    if (draft.snapshot.state.gateOf !== undefined) beginAbort(draft, event);
    return;
  }
  draft.note(found.gate, `approved, ${approvalsAt(found)} of ${found.quorum} (${known(proof)}${onBehalfOf ? `, for ${onBehalfOf}` : ''})${because(event.reason)}`, event.by);
  const unknown = whoIsUnknown(draft.snapshot, found, event.by);
  if (unknown) draft.warn(found.gate, unknown);
  passApproved(draft, found);
}

/** Lets a failed step, or a failed undo, run again; its automatic tries start afresh. */
function retry(draft: Draft, event: PersonsEvent & { kind: 'retry' }): void {
  const id = resolveFailed(draft.snapshot, event.step);
  if (typeof id !== 'string') return;
  const track = draft.track(id);
  const undo = track.undo === 'failed';
  goOnByFile(draft, event);
  draft.note(id, `${undo ? 'undo tried' : 'tried'} again${because(event.reason)}`, event.by);
  if (undo) {
    track.undo = 'registered';
    draft.step(id)!.state = 'failed';
  } else {
    track.triesLeft = draft.planned(id).retry.attempts;
    draft.step(id)!.state = 'pending';
  }
}

/** The gate of the elevation opens again; no step waits for it. */
function askAnew(draft: Draft, { by, reason }: PersonsEvent & { kind: 'retry' }): void {
  const gate = draft.snapshot.state.gates.find((other) => other.gate === elevationGate)!;
  Object.assign(gate, { status: 'open', openedAt: draft.at, closedAt: null, decisions: [], description: `${by} asks to be elevated for this run anew: ${reason}` });
  delete gate.round;
  draft.note(gate.gate, `asked for anew: ${reason}`, by);
  startGateClocks(draft, gate);
}

/** Programs, addresses, validators, fence, provisioner and switch are read from it from here on; steps, gates and people stay those of the start. */
function goOnByFile(draft: Draft, { file, by, reason }: PersonsEvent & { kind: 'retry' }): void {
  const { state } = draft.snapshot;
  if (file === undefined || file === state.systemFile) return;
  draft.note('run', `goes on by the system file ${file}, no longer by ${state.systemFile ?? 'that of its start'}: ${reason}`, by);
  state.systemFile = file;
}

function skip(draft: Draft, event: PersonsEvent & { kind: 'skip' }): void {
  const id = resolveSkipped(draft.snapshot, event.step);
  if (typeof id !== 'string') return;
  const step = draft.step(id)!;
  const planned = draft.planned(id);
  if (draft.snapshot.abort) {
    draft.track(id).undo = 'left';
    if (step.state === 'waiting') Object.assign(step, { state: 'stuck', endedAt: draft.at });
    draft.note(id, `left as it is, not undone: ${event.reason}`, event.by);
    draft.warn(id, `not undone, left as it is by ${event.by}: ${event.reason}`);
    return;
  }
  step.summary = `skipped by ${event.by}: ${event.reason}`;
  step.skippedBy = event.by;
  draft.warn(id, step.summary);
  if (typeof planned.skip === 'string') setSkipped(draft, step);
  else openGate(draft, step, { ...planned.skip, description: `${planned.skip.description} Asked for by ${event.by}: ${event.reason}` }, 'skipped', [event.by]);
}

function setSkipped(draft: Draft, step: StepState): void {
  step.state = 'skipped';
  step.endedAt = draft.at;
}
