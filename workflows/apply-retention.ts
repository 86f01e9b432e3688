import { workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import { trySignal } from './children.ts';
import { applyRetentionInput, parseInput } from './domain/inputs.ts';
import { anonymous, progressSignal } from './domain/messages.ts';
import { lockIds } from './domain/names.ts';
import { describeExpired, describeRetention, isIdle, type Expired, type RetentionSummary } from './domain/retention/describe-retention.ts';
import { formatBytes } from './domain/units.ts';
import { surfacing } from './failure.ts';
import { approvedBy, Gate } from './gate.ts';
import { admit } from './permit.ts';
import { tellingOfSchedule } from './scheduled.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';
import { checkSource } from './sources.ts';
import { sideBySide } from './steps/side-by-side.ts';

/** What would go and why, and, where it was carried out, what is gone. */
export interface RetentionResult {
  system: string;
  /** dry: nothing was to be touched; idle: nothing goes; rejected: by whom `by` says */
  outcome: 'dry' | 'idle' | 'rejected' | 'applied';
  by: string | null;
  plans: RetentionSummary[];
  expired: Expired[];
}

/**
 * Says of every base and every stretch of log whether it stays or goes, and why; with `apply`, waits, so that people can say no, and where the system file names a gate
 * for their approval, and then lets go what was planned: of that only what is still let go when it begins.
 *
 * Killed anywhere it goes on: what is to go stands in the store, and what has begun is finished by the next try, or by the next run.
 *
 * @param typed - ApplyRetentionInput as a person or a schedule types it, or the bare name of a system.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, EpochSuperseded, and what keeps the bucket from being read or written.
 */
export async function applyRetention(typed: unknown): Promise<RetentionResult> {
  const gate = new Gate();
  return await surfacing(() => tellingOfSchedule(async (way) => {
    const input = parseInput('applyRetention', applyRetentionInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    way.view = view;
    await admit('applyRetention', view, input);
    if (input.source) checkSource(view, input.source);
    mark({ system: view.system, purpose: 'retention', phase: 'running' });
    const { system } = view;
    const call = callsAt(view.site);
    const run = workflowInfo().runId;
    const sources = input.source ? [input.source] : Object.keys(view.sources);
    const planned = await sideBySide(sources, sources.length, (source) => call('planRetention', { system, source, limit: input.limit, ...(input.apply ? { run } : {}) }, `what of ${source} stays and what goes`));
    const plans = planned.map(({ summary }) => summary);
    const lines = plans.flatMap(describeRetention);
    const end = (outcome: RetentionResult['outcome'], by: string | null = null, expired: Expired[] = []): RetentionResult => {
      mark({ phase: outcome === 'rejected' ? 'aborted' : 'done' });
      showLines(`retention ${system}: ${outcome}${by === null ? '' : ` by ${by}`}`, [...expired.flatMap(describeExpired), ...lines]);
      return { system, outcome, by, plans, expired };
    };
    if (!input.apply) return end('dry');
    if (plans.every(isIdle)) return end('idle');
    const { waitMs = 0, approval } = view.retention ?? {};
    const answer = await gate.ask({ view, purpose: 'retention', run, gate: approval, waitMs, requestedBy: input.requestedBy, about: plans.map(describeGoing).join(' '), lines });
    if (!answer.passed) return end('rejected', answer.by);
    mark({ phase: 'running' });
    showLines(`retention ${system}: lets go`, lines);
    const { epoch } = await callControl('claimEpoch', { system, why: 'retention', takeOver: false }, `hold the command of ${system}`);
    // Whoever runs hears it, and it says nothing to a backup.
    const backupRuns = await trySignal(lockIds.backup(system), progressSignal.name, null);
    const expired = await sideBySide(planned, sources.length, ({ summary: { source }, plan }) => call('expire', { system, source, epoch, run, plan: plan!, backupRuns }, `let go what is over of ${source}`));
    const about = expired.flatMap(describeExpired).join('; ').slice(0, 2_000);
    const approvers = approvedBy(answer);
    const { workflowId } = workflowInfo();
    await callControl('recordAct', { system, by: input.requestedBy ?? anonymous, act: 'dispose', outcome: 'permitted', about: `${approvers ? `approved by ${approvers}; ` : ''}${about}`, workflow: 'applyRetention', workflowId, runId: run }, 'audit: what is gone');
    return end('applied', null, expired);
  }));
}

/** For whoever is asked: what goes of a source, as it was planned. */
const describeGoing = ({ source, totals }: RetentionSummary): string =>
  `Of ${source} ${totals.basesThatGo} of ${totals.bases} bases, ${totals.slicesThatGo} of ${totals.slices} slices${totals.unfinishedThatGo > 0 ? ` and the rests of ${totals.unfinishedThatGo} that were never sealed` : ''} go, ${formatBytes(totals.bytesThatGo)}.`;
