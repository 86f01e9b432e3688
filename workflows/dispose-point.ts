import { sleep, workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import { continueOnCurrent } from './continue-on-current.ts';
import type { CertifiedDisposal, Destroyed } from './contract.ts';
import { longWaitMs, orderPoint, passPoint, type DisposalOrdered, type PointOutcome, type PointUnderway } from './disposal/destroy-point.ts';
import { describeCertificate, describePlan, type DisposalPlan } from './domain/disposal/describe-disposal.ts';
import { HoldfastError } from './domain/errors.ts';
import { disposePointInput, parseInput, type DisposePointInput } from './domain/inputs.ts';
import type { SystemView } from './domain/system-view.ts';
import { formatDuration } from './domain/units.ts';
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
  outcome: 'dry' | 'rejected' | PointOutcome['outcome'];
  /** who rejected it; why it was withdrawn */
  why: string | null;
  plan: DisposalPlan;
  certificate: CertifiedDisposal | null;
}

/** What a disposal takes along when it goes on as a new run, after a long wait. Set by the workflow itself. */
export interface DisposalUnderway {
  plan: DisposalPlan;
  ordered: Pick<DisposalOrdered, 'run' | 'epoch' | 'requestedBy'>;
  one: PointUnderway;
}

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
    const begun = underway ?? (await begin(gate, view, oneSource(view, input.source), input));
    return 'outcome' in begun ? begun : await destroy(view, begun);
  });
  // Outside of what turns failures into the workflow's own: continuing as new is thrown too.
  return 'outcome' in ended ? ended : await continueOnCurrent<typeof disposePoint>(typed, ended);
}

/** Up to the point where nobody is given it any more. */
async function begin(gate: Gate, view: SystemView, source: string, { point, evenTheLast, dryRun, requestedBy, reason }: DisposePointInput): Promise<DisposalResult | DisposalUnderway> {
  const { system } = view;
  const { runId: run } = workflowInfo();
  await admit('disposePoint', view, { requestedBy, dryRun, reason: `${source}/${point}: ${reason}` });
  mark({ system, purpose: 'disposal', phase: 'running' });
  const plan = await callsAt(view.site)('planDisposal', { system, source, point, evenTheLast }, `what ${point} is, and what stands against its disposal`);
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
  const { epoch } = await callControl('claimEpoch', { system, why: 'disposal', takeOver: false }, `hold the command of ${system}`);
  const one = await orderPoint(view, { source, point }, { run, epoch, requestedBy, approvers: answer ? approvedBy(answer) : '', reason, evenTheLast });
  return { plan, ordered: { run, epoch, requestedBy }, one };
}

/** @returns underway: after a long wait, which is over. */
async function destroy(view: SystemView, underway: DisposalUnderway): Promise<DisposalResult | DisposalUnderway> {
  const { system } = view;
  const { plan, ordered, one } = underway;
  const { source, point } = one;
  for (;;) {
    const passed = await passPoint(view, one, ordered);
    if ('outcome' in passed) {
      const { outcome, why, certificate } = passed;
      mark({ phase: outcome === 'withdrawn' ? 'aborted' : 'done' });
      showLines(`disposal of ${point}, ${system}: ${outcome}${why === null ? '' : `: ${why}`}`, certificate ? [...describeCertificate(certificate.certificate), `certificate: ${certificate.ref.key}`] : describePlan(plan));
      return { system, source, point, outcome, why, plan, certificate };
    }
    await waitFor(system, one, passed);
    if (passed.forMs > longWaitMs) return underway;
  }
}

async function waitFor(system: string, { point, keysGoneAt }: PointUnderway, { waits: { state, why, until, at, objects }, forMs }: { waits: Destroyed; forMs: number }): Promise<void> {
  mark({ phase: 'waiting' });
  showLines(`disposal of ${point}, ${system}: waits ${formatDuration(forMs)}${until === null ? '' : `, for a lock that ends at ${until} by the store’s clock`}: ${why ?? ''}`, [
    keysGoneAt === null ? 'its keys are there, and nobody is given it' : `its keys are destroyed since ${keysGoneAt}: nothing of it can be opened`,
    `${objects} versions went in the last pass, at ${at}`,
    ...(keysGoneAt === null ? [`to take it back: holdfast mark ${point} good --system ${system} --reason …`] : []),
  ]);
  await sleep(forMs, { summary: state === 'locked' ? `until the lock ends, ${until}` : `a run reads it: ${why}` });
  mark({ phase: 'running' });
}
