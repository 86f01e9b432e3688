import { sleep, workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt, type Call } from './call.ts';
import { continueOnCurrent } from './continue-on-current.ts';
import type { CertifiedDisposal, Destroyed } from './contract.ts';
import { describeCertificate, describePlan, type DisposalPlan } from './domain/disposal/describe-disposal.ts';
import { HoldfastError } from './domain/errors.ts';
import { disposePointInput, parseInput, type DisposePointInput } from './domain/inputs.ts';
import { anonymous } from './domain/messages.ts';
import type { SystemView } from './domain/system.ts';
import { formatDuration, hours, minutes, seconds } from './domain/units.ts';
import { surfacing } from './failure.ts';
import { approvedBy, Gate, type GateAnswer } from './gate.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';
import { oneSource } from './sources.ts';

/** What came of it. */
export interface DisposalResult {
  system: string;
  source: string;
  point: string;
  /** dry: nothing was to be touched; rejected: at the gate; withdrawn: somebody holds it, or took its mark back, while it waited; incomplete: the store keeps some, and tells of no lock */
  outcome: 'dry' | 'rejected' | 'withdrawn' | 'destroyed' | 'incomplete';
  /** who rejected it; why it was withdrawn */
  why: string | null;
  plan: DisposalPlan;
  certificate: CertifiedDisposal | null;
}

/** What a disposal takes along when it goes on as a new run, after a long wait. Set by the workflow itself. */
export interface DisposalUnderway {
  plan: DisposalPlan;
  /** names it in the store: the first run of the workflow */
  run: string;
  epoch: number;
  timeline: string;
  keysGoneAt: string | null;
}

/** A longer wait ends on the workers of that day. */
const longWaitMs = hours(12);
/** The store refuses until its lock is over by its own clock, to the second. */
const afterLockMs = seconds(2);

/**
 * Destroys one base or import for ever, with proof: its keys first, so that nothing of it can be opened from then on, then every version of every object, each as soon as its lock ends; then a signed,
 * locked certificate. Asks at the gate that the system file's `disposal.approval` names.
 *
 * Killed anywhere it goes on. Ended by somebody in its middle, the point stays given to nobody; disposing of it again finishes it. What each kill leaves in the store: `activities/disposal/`.
 *
 * @param typed - DisposePointInput as a person types it. @param underway - after a long wait: nobody types it.
 * @throws BadInput, UnknownSystem, BadSystemFile, EpochSuperseded; NotPermitted - who asks may not, or what stands against it; NoRecoveryPoint; and what keeps the bucket from being read or written.
 */
export async function disposePoint(typed: unknown, underway?: DisposalUnderway): Promise<DisposalResult> {
  const gate = new Gate();
  const ended = await surfacing(async () => {
    const input = parseInput('disposePoint', disposePointInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    const source = oneSource(view, input.source);
    const begun = underway ?? (await begin(gate, view, source, input));
    return 'outcome' in begun ? begun : await destroy(view, source, begun);
  });
  // Outside of what turns failures into the workflow's own: continuing as new is thrown too.
  return 'outcome' in ended ? ended : await continueOnCurrent<typeof disposePoint>(typed, ended);
}

/** Up to the point where nobody is given it any more. */
async function begin(gate: Gate, view: SystemView, source: string, { point, evenTheLast, dryRun, requestedBy, reason }: DisposePointInput): Promise<DisposalResult | DisposalUnderway> {
  const { system } = view;
  const call = callsAt(view.site);
  const { runId: run, workflowId } = workflowInfo();
  await admit('disposePoint', view, { requestedBy, dryRun, reason: `${source}/${point}: ${reason}` });
  mark({ system, purpose: 'disposal', phase: 'running' });
  const plan = await call('planDisposal', { system, source, point, evenTheLast }, `what ${point} is, and what stands against its disposal`);
  const lines = describePlan(plan);
  const end = (outcome: 'dry' | 'rejected', why: string | null = null): DisposalResult => {
    mark({ phase: outcome === 'dry' ? 'done' : 'aborted' });
    showLines(`disposal of ${point}, ${system}: ${outcome}${why === null ? '' : ` by ${why}`}`, lines);
    return { system, source, point, outcome, why, plan, certificate: null };
  };
  if (dryRun) return end('dry');
  showLines(`disposal of ${point}, ${system}`, lines);
  if (plan.refused.length > 0) throw new HoldfastError('NotPermitted', `${system}/${source}: ${point} is not disposed of: ${plan.refused.join('; ')}`);
  const approval = view.disposal?.approval;
  const answer: GateAnswer | null = approval === undefined ? null : await gate.ask({ view, purpose: 'disposal', run, gate: approval, waitMs: 0, requestedBy, about: `${source}/${point} is destroyed for ever: ${reason}.`, lines });
  if (answer && !answer.passed) return end('rejected', answer.by);
  mark({ phase: 'running' });
  const approvers = answer ? approvedBy(answer) : '';
  const { epoch } = await callControl('claimEpoch', { system, why: 'disposal', takeOver: false }, `hold the command of ${system}`);
  // Nothing goes that the audit does not tell of.
  await callControl('recordAct', { system, by: requestedBy ?? anonymous, act: 'dispose', outcome: 'permitted', about: `${source}/${point} is destroyed${approvers ? `, approved by ${approvers}` : ''}: ${reason}`, workflow: 'disposePoint', workflowId, runId: run }, `audit: ${point} is destroyed`);
  const { timeline } = await call('orderDisposal', { system, source, epoch, point, run, workflowId, by: requestedBy ?? null, approvedBy: approvers === '' ? [] : approvers.split(', '), reason, evenTheLast }, `order the disposal of ${point}: from here on nobody is given it`);
  return { plan, run, epoch, timeline, keysGoneAt: null };
}

/** @returns underway: after a long wait, which is over. */
async function destroy(view: SystemView, source: string, underway: DisposalUnderway): Promise<DisposalResult | DisposalUnderway> {
  const { system } = view;
  const { plan, run, epoch, timeline } = underway;
  const { point } = plan;
  let { keysGoneAt } = underway;
  const call = callsAt(view.site);
  for (let looks = 0; ; looks += 1) {
    const pass = await call('destroyPoint', { system, source, epoch, point, timeline, run }, keysGoneAt === null ? `destroy the keys of ${point}, then what lies there of it` : `destroy what is left of ${point}`);
    if (pass.keysGone) keysGoneAt ??= pass.at;
    if (pass.state === 'withdrawn') {
      mark({ phase: 'aborted' });
      showLines(`disposal of ${point}, ${system}: withdrawn: ${pass.why}`, describePlan(plan));
      return { system, source, point, outcome: 'withdrawn', why: pass.why, plan, certificate: null };
    }
    if (pass.state === 'gone' || pass.state === 'left') return await certify(call, { system, source, plan, run, keysGoneAt, pass });
    const waitMs = await waitFor(system, point, pass, { looks, keysGoneAt });
    if (waitMs > longWaitMs) return { ...underway, keysGoneAt };
  }
}

/** Until the lock ends by the store's clock; for a run that reads it, longer and longer. */
async function waitFor(system: string, point: string, { state, why, until, waitMs, at, objects }: Destroyed, { looks, keysGoneAt }: { looks: number; keysGoneAt: string | null }): Promise<number> {
  const forMs = state === 'locked' && waitMs !== null ? waitMs + afterLockMs : Math.min(hours(6), minutes(1) * 2 ** Math.min(looks, 10));
  mark({ phase: 'waiting' });
  showLines(`disposal of ${point}, ${system}: waits ${formatDuration(forMs)}${until === null ? '' : `, for a lock that ends at ${until} by the store’s clock`}: ${why ?? ''}`, [
    keysGoneAt === null ? 'its keys are there, and nobody is given it' : `its keys are destroyed since ${keysGoneAt}: nothing of it can be opened`,
    `${objects} versions went in the last pass, at ${at}`,
    ...(keysGoneAt === null ? [`to take it back: holdfast mark ${point} good --system ${system} --reason …`] : []),
  ]);
  await sleep(forMs, { summary: state === 'locked' ? `until the lock ends, ${until}` : `a run reads it: ${why}` });
  mark({ phase: 'running' });
  return forMs;
}

async function certify(call: Call, { system, source, plan, run, keysGoneAt, pass }: { system: string; source: string; plan: DisposalPlan; run: string; keysGoneAt: string | null; pass: Destroyed }): Promise<DisposalResult> {
  const { point } = plan;
  const certificate = await call('certifyDisposal', { system, source, point, run, keysGoneAt, allGoneAt: pass.state === 'gone' ? pass.at : null, left: pass.left }, `certify the disposal of ${point}`);
  const outcome = certificate.certificate.leftCount === 0 ? 'destroyed' : 'incomplete';
  mark({ phase: 'done' });
  showLines(`disposal of ${point}, ${system}: ${outcome}`, [...describeCertificate(certificate.certificate), `certificate: ${certificate.ref.key}`]);
  return { system, source, point, outcome, why: null, plan, certificate };
}
