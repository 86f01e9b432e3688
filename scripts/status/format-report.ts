import { describePartial } from '../../workflows/domain/chosen-namespaces.ts';
import { reachedSwitchMs } from '../../workflows/domain/forecast-rto.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import type { RunReport } from '../../workflows/domain/report.ts';

const verdict = (met: boolean | null): string => (met === null ? '' : met ? ', met' : ', missed');
const achieved = (ms: number | null): string => (ms === null ? 'not reached' : formatDuration(ms));

/** A drill moves no traffic: what it says of the time to recover goes up to where the switch would be, as in its report. */
function rtoLine({ outcome, rto, state }: RunReport): string {
  const reachedMs = outcome.startsWith('done') ? reachedSwitchMs(state) : null;
  if (state.purpose === 'drill') return `RTO         ${achieved(reachedMs)} of ${formatDuration(rto.objectiveMs)}${verdict(reachedMs === null ? null : reachedMs <= rto.objectiveMs)}, up to where the switch would be`;
  return `RTO         ${achieved(rto.achievedMs)} of ${formatDuration(rto.objectiveMs)}${verdict(rto.met)} (machine ${formatDuration(rto.machineMs)}, people ${formatDuration(rto.humanMs)})`;
}

/** What a run came to, a fact a line. */
export function formatReport(report: RunReport): string {
  const { rpo } = report;
  return [
    `outcome     ${report.outcome}`,
    ...(report.state.only ? [`restored    ${describePartial(report.state.only)}; no traffic was moved`] : [
      rtoLine(report),
      `RPO         ${achieved(rpo.achievedMs)} of ${formatDuration(rpo.objectiveMs)}${verdict(rpo.met)}`,
    ]),
    ...report.validation.map((one) => `validation  ${one.id}: ${one.ok ? 'passed' : 'failed'}, ${one.claim}`),
    ...Object.entries(report.fence).map(([source, fence]) => `fence       ${source}: ${fence.outcome}; ${fence.evidence.join('; ')}`),
    ...report.warnings.map((warning) => `warning     ${warning}`),
  ].join('\n');
}
