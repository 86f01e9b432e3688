import type { RunReport } from '../../workflows/domain/report.ts';
import { formatDuration } from '../../workflows/domain/units.ts';

export interface Outcome {
  tone: 'good' | 'warn' | 'bad';
  headline: string;
  sentence: string;
}

const objectives = (report: RunReport): string => {
  const { rto, rpo } = report;
  const service = rto.achievedMs === null ? 'Service did not come back in this run.' : `Service was back ${formatDuration(rto.achievedMs)} after the incident (objective ${formatDuration(rto.objectiveMs)}).`;
  const data = rpo.achievedMs === null ? 'How much data is lost is not known.' : `The recovered data ends ${formatDuration(rpo.achievedMs)} before the incident (objective ${formatDuration(rpo.objectiveMs)}).`;
  return `${service} ${data}`;
};

/** What happened, in words for somebody who has just been woken. */
export function describeOutcome(report: RunReport): Outcome {
  const title = report.title;
  const missed = report.rto.met === false || report.rpo.met === false;
  switch (report.outcome) {
    case 'done':
      return {
        tone: missed ? 'warn' : 'good',
        headline: missed ? `${title} is recovered, but an objective was missed` : `${title} is recovered`,
        sentence: objectives(report),
      };
    case 'done, fence unproved':
      return {
        tone: 'warn',
        headline: `${title} is recovered, but the old primary may still take writes`,
        sentence: `${objectives(report)} It is not proved that the old primary is unable to write: make sure of it first.`,
      };
    case 'aborted':
      return { tone: 'warn', headline: `The recovery of ${title} was aborted`, sentence: `What the run had done was undone, as the steps below say. ${objectives(report)}` };
    case 'failed':
      return { tone: 'bad', headline: `The recovery of ${title} failed`, sentence: `Traffic may be where it was before the run; see the steps below. ${objectives(report)}` };
  }
}

/** What a person has to do now, the most urgent first. */
export function listNextSteps(report: RunReport): string[] {
  const next: string[] = [];
  const stuck = report.state.steps.filter((step) => step.state === 'stuck').map((step) => step.id);
  if (stuck.length > 0) next.push(`Undo by hand what could not be undone: ${stuck.join(', ')}.`);
  if (report.outcome === 'done, fence unproved') next.push('Power the old primary off, or cut its network: it may still take writes that cannot be merged.');
  if (report.outcome === 'done' || report.outcome === 'done, fence unproved') {
    next.push('Add members to the new replica set: service runs on one member, so another loss is another recovery.');
    next.push('Restart clients that were writing during the switch: a client that retries across it may write twice.');
    next.push('Keep the old primary’s disk: log that was never archived can only be read there.');
    next.push('Plan the way home (failback) at a quiet time.');
  } else {
    const failed = report.state.steps.find((step) => step.state === 'failed');
    if (failed) next.push(`Look at step ${failed.id}: ${failed.error ? failed.error.message : 'it failed'}.`);
    next.push(`Start again when the cause is gone: holdfast recover ${report.system}`);
  }
  return next;
}
