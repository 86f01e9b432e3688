import type { Drill, DrillDue, DrillHistory } from './drill-history.ts';
import { formatLogPosition } from './log-position.ts';
import { formatBytes, formatDuration } from './units.ts';

const minute = (at: string): string => `${at.slice(0, 16).replace('T', ' ')} UTC`;
const against = ({ achievedMs, objectiveMs }: Drill['rto' | 'rpo']): string => `${achievedMs === null ? 'not reached' : formatDuration(achievedMs)} of ${formatDuration(objectiveMs)}`;

/** `passed`, `passed late`, `FAILED`: for people. */
export const resultWord = { passed: 'passed', missed: 'objective missed', failed: 'FAILED' } as const;

/** `equal: 4 collections, 490,500 documents`. */
export function describeProof({ proof }: Pick<Drill, 'proof'>): string {
  if (proof.equal === null) return 'nothing compared';
  return `${proof.equal ? 'equal' : 'DIFFERS'}: ${proof.collections} collections, ${proof.documents.toLocaleString('en-US')} documents`;
}

export const describeShare = ({ compliance: { of, within, share } }: DrillHistory): string => (share === null ? 'no whole drill yet' : `${within} of ${of} within the objectives (${Math.round(share * 100)} %)`);

export function describeDue({ schedule, nextAt, lastDueAt, lastAt, applied, overdue }: DrillDue): string {
  if (applied === false) return `${schedule}: NOT APPLIED: nothing starts it (holdfast apply); last ${lastAt === null ? 'never' : minute(lastAt)}`;
  const next = `${nextAt === null ? 'nothing next' : `next ${minute(nextAt)}`}${applied === null ? '; whether it is applied is not known, as Temporal does not answer' : ''}`;
  return overdue ? `${schedule}: OVERDUE since ${minute(lastDueAt!)}, last ${lastAt === null ? 'never' : minute(lastAt)}; ${next}` : `${schedule}: ${next}`;
}

function describeRun(run: Drill): string[] {
  const { purpose, startedAt, result, why, rto, rpo, schedule, requestedBy, runbook, only, sources, cleanedUp } = run;
  const what = [purpose, ...(runbook === null ? [] : [`runbook ${runbook}`]), ...(only === null ? [] : [`only ${only.join(', ')}`])].join(', ');
  const left = cleanedUp === null ? '' : cleanedUp ? '; removed afterwards' : '; NOT REMOVED';
  return [
    `${minute(startedAt)}  ${resultWord[result]}  ${what} by ${schedule ?? requestedBy}  ${run.run}`,
    `  RTO ${against(rto)}${rto.humanMs > 0 ? ` (people ${formatDuration(rto.humanMs)})` : ''}; RPO ${against(rpo)}; ${describeProof(run)}${left}`,
    ...sources.map(({ source, bytes, logMs, limit }) => `  ${source}: ${formatBytes(bytes)}, ${formatDuration(logMs)} of log, up to before ${formatLogPosition(limit)}`),
    ...(why === null ? [] : [`  ${why}`]),
  ];
}

/** In lines, for people. */
export function describeDrills(history: DrillHistory): string[] {
  const { system, drills, lastSuccess, due } = history;
  return [
    `${system}: ${describeShare(history)}; last success ${lastSuccess === null ? 'never' : minute(lastSuccess.startedAt)}`,
    ...due.map(describeDue),
    ...(due.length === 0 ? ['no schedule of drills in the system file'] : []),
    ...drills.flatMap(describeRun),
  ];
}
