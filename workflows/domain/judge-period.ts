import { describeRoom, fewDays } from './capacity.ts';
import { describeDue } from './describe-drills.ts';
import { logPositionAt } from './log-position.ts';
import type { BaseFacts, PeriodReport, RunFacts, SourceFacts } from './period-report.ts';
import type { Problem, Readiness } from './readiness.ts';
import { counted, type Tone } from './report-page.ts';
import { formatMinute } from './units.ts';

/** Something that a person should look at. bad: what is promised does not hold now, or log is lost; warn: it held, and not everything went well. */
export interface Trouble {
  tone: 'warn' | 'bad';
  what: string;
}

/**
 * What is not as it should be, the worst first. Pure: the same facts, the same troubles. What stands against a recovery now is judged by readiness, what is unusual and how much room is left
 * by what the alerts go by: here is only what happened in the period, and what of theirs it says already.
 */
export function judgePeriod(report: PeriodReport): Trouble[] {
  const troubles = [...ofReadiness(report), ...report.sources.flatMap((source) => ofSource(source, report)), ...ofBackups(report), ...ofWork(report), ...ofDrills(report), ...report.runs.flatMap(ofRun), ...ofActs(report)];
  if (report.incidents?.open) troubles.push({ tone: 'bad', what: `an incident is open: ${report.incidents.open.summary}` });
  troubles.push(...report.unread.map((what): Trouble => ({ tone: 'warn', what })));
  return [...troubles.filter(({ tone }) => tone === 'bad'), ...troubles.filter(({ tone }) => tone === 'warn')];
}

export const toneOf = (troubles: readonly Trouble[]): Tone => (troubles.length === 0 ? 'good' : troubles.some(({ tone }) => tone === 'bad') ? 'bad' : 'warn');

/** Of these the promise is broken, though something could be recovered. */
const broken: readonly Problem['kind'][] = ['rpo', 'rto', 'gap', 'bucket'];

function ofReadiness({ readiness, runs, drills }: PeriodReport): Trouble[] {
  if (!readiness) return [];
  const isTold = ({ key }: Problem): boolean => (key === 'drill' && runs.some(({ run }) => run === readiness.lastDrill?.run)) || (drills?.due.some(({ schedule, overdue }) => overdue && key === `drill/${schedule}`) ?? false);
  const more = readiness.problemCount - readiness.problems.length;
  return [
    ...readiness.problems.filter((problem) => !isTold(problem)).map(({ kind, makes, what }): Trouble => ({ tone: makes === 'not ready' || broken.includes(kind) ? 'bad' : 'warn', what: `${makes}: ${what}` })),
    ...(more > 0 ? [{ tone: 'warn' as const, what: `${counted(more, 'more problem')} of readiness: holdfast ready ${readiness.system}` }] : []),
  ];
}

function ofSource(facts: SourceFacts, { period, readiness, anomalies }: PeriodReport): Trouble[] {
  const { source, newest, restorable, madeCount, gapCount, gaps, disbelievedCount } = facts;
  const found: Trouble[] = [];
  const say = (tone: Trouble['tone'], what: string): void => void found.push({ tone, what: `${source}: ${what}` });
  const judged = readiness?.sources.find((one) => one.source === source);
  if (!judged && newest === null) say('bad', 'there is no backup');
  else if (!judged && restorable === null) say('bad', 'nothing can be restored');
  if (!anomalies && newest !== null && madeCount === 0) say('warn', `no backup was made in the ${period}; the newest is of ${formatMinute(newest.at)}`);
  for (const { from, to } of gaps.filter((gap) => !isOpen(judged, gap.to))) say('bad', `log is lost for ever, from ${formatMinute(from)} to ${formatMinute(to)}`);
  if (gapCount > gaps.length) say('bad', `${gapCount - gaps.length} more gaps in the log`);
  if (!judged && disbelievedCount > 0) say('warn', `${counted(disbelievedCount, 'object')} in the store not believed`);
  for (const { backup, mark } of facts.made) if (mark !== null) say('warn', `backup ${backup} is marked: ${mark}`);
  return found;
}

/** Readiness tells of it already. */
const isOpen = (judged: Readiness['sources'][number] | undefined, to: string): boolean => judged?.openGaps.slice(-3).some((gap) => logPositionAt(gap.to) === to) ?? false;

function ofBackups({ anomalies, capacity }: PeriodReport): Trouble[] {
  const soon = capacity !== null && capacity.daysLeft !== null && capacity.daysLeft < fewDays;
  return [
    ...(anomalies ?? []).map(({ level, said }): Trouble => ({ tone: level === 'critical' ? 'bad' : 'warn', what: said })),
    ...(capacity && (capacity.level === 'critical' || capacity.level === 'warning' || soon) ? [{ tone: capacity.level === 'critical' ? ('bad' as const) : ('warn' as const), what: `the store is filling: ${describeRoom(capacity)}` }] : []),
  ];
}

function ofDrills({ drills, late }: PeriodReport): Trouble[] {
  const overdue = (drills?.due ?? []).filter((due) => due.overdue);
  return [...overdue.map((due): Trouble => ({ tone: 'warn', what: `drill ${describeDue(due)}` })), ...late.map((what): Trouble => ({ tone: 'warn', what: `schedule ${what}` }))];
}

/** How much the data has grown since the last base before the period, as a share; null: there is nothing to compare. */
export function growthOf({ newest, before }: { newest: BaseFacts | null; before: BaseFacts | null }): number | null {
  if (!newest || !before || newest.backup === before.backup || before.plainBytes === 0 || newest.increment || before.increment) return null;
  return newest.plainBytes / before.plainBytes - 1;
}

export const percent = (share: number): string => `${Math.abs(share * 100).toFixed(Math.abs(share) < 0.1 ? 1 : 0)} % ${share < 0 ? 'smaller' : 'larger'}`;

function ofWork({ work, period }: PeriodReport): Trouble[] {
  if (!work) return [];
  const { kinds, schedules } = work;
  const found: Trouble[] = [];
  for (const [kind, { failed, ended, lastFailed }] of Object.entries(kinds)) {
    if (failed === 0 || kind === 'recovery') continue;
    // A verification that failed found damage: that a later one of another kind was well takes nothing back.
    found.push({ tone: lastFailed || kind === 'verification' ? 'bad' : 'warn', what: `${kind}: ${failed} of ${ended} failed${lastFailed ? ', the last one too' : ''}` });
  }
  for (const { id, paused, missed } of schedules) {
    if (paused !== null) found.push({ tone: 'warn', what: `schedule ${id} is paused: ${paused || 'nobody said why'}` });
    if (missed > 0) found.push({ tone: 'warn', what: `schedule ${id}: ${counted(missed, 'start')} missed since it was made` });
  }
  for (const { id, last } of schedules) if (last?.status === 'FAILED') found.push({ tone: 'warn', what: `schedule ${id}: its last start failed` });
  if (work.forgottenBefore !== null) found.push({ tone: 'warn', what: `what ended before ${formatMinute(work.forgottenBefore)} is not known: Temporal keeps no more of the ${period}` });
  return found;
}

function ofRun({ purpose, finishedAt, outcome, result, why, rto, rpo, proof }: RunFacts): Trouble[] {
  const missed = [...(rto.met === false ? ['RTO'] : []), ...(rpo.met === false ? ['RPO'] : [])];
  const name = `${purpose} that ended ${formatMinute(finishedAt)}`;
  return [
    ...(result === 'failed' ? [{ tone: 'bad' as const, what: `${name}: ${proof.equal === false ? 'what was restored differs' : outcome}${why === null || why === outcome ? '' : `: ${why.slice(0, 300)}`}` }] : []),
    ...(missed.length > 0 ? [{ tone: 'warn' as const, what: `${name}: ${missed.join(' and ')} missed` }] : []),
  ];
}

function ofActs({ acts }: PeriodReport): Trouble[] {
  if (!acts) return [];
  return [
    ...(acts.problemCount > 0 ? [{ tone: 'bad' as const, what: `the audit does not hold in ${counted(acts.problemCount, 'place')}: ${acts.problems[0] ?? ''}` }] : []),
    ...(acts.refusedCount > 0 ? [{ tone: 'warn' as const, what: `${counted(acts.refusedCount, 'request')} refused` }] : []),
  ];
}
