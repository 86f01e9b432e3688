import type { BaseFacts, PeriodReport, RunFacts, SourceFacts } from './period-report.ts';
import type { Tone } from './report-page.ts';
import { formatDuration } from './units.ts';

/** Something that a person should look at. bad: what is promised does not hold now, or log is lost; warn: it held, and not everything went well. */
export interface Trouble {
  tone: 'warn' | 'bad';
  what: string;
}

/** A base that is so much larger or smaller than the one before the period is looked at by a person. */
const sizeChange = 0.5;

/** For people. */
export const formatMinute = (at: string): string => `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`;
export const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** What is not as it should be, the worst first. Pure: the same facts, the same troubles. */
export function judgePeriod(report: PeriodReport): Trouble[] {
  const troubles = [...report.sources.flatMap((source) => ofSource(source, report)), ...ofWork(report), ...report.runs.flatMap(ofRun), ...ofActs(report)];
  if (report.incidents?.open) troubles.push({ tone: 'bad', what: `an incident is open: ${report.incidents.open.summary}` });
  troubles.push(...report.unread.map((what): Trouble => ({ tone: 'warn', what })));
  return [...troubles.filter(({ tone }) => tone === 'bad'), ...troubles.filter(({ tone }) => tone === 'warn')];
}

export const toneOf = (troubles: readonly Trouble[]): Tone => (troubles.length === 0 ? 'good' : troubles.some(({ tone }) => tone === 'bad') ? 'bad' : 'warn');

function ofSource(facts: SourceFacts, { period, rpoObjectiveMs }: PeriodReport): Trouble[] {
  const { source, newest, restorable, archive, madeCount, gapCount, gaps, disbelievedCount } = facts;
  const found: Trouble[] = [];
  const say = (tone: Trouble['tone'], what: string): void => void found.push({ tone, what: `${source}: ${what}` });
  if (newest === null) say('bad', 'there is no backup');
  else if (restorable === null) say('bad', 'nothing can be restored');
  else if (madeCount === 0) say('warn', `no backup was made in the ${period}; the newest is of ${formatMinute(newest.at)}`);
  for (const { from, to } of gaps) say('bad', `log is lost for ever, from ${formatMinute(from)} to ${formatMinute(to)}`);
  if (gapCount > gaps.length) say('bad', `${gapCount - gaps.length} more gaps in the log`);
  if (archive && !archive.noLog) {
    if (archive.archivedToAt === null) say('bad', 'its log is not archived');
    else if (!archive.sourceReachable) say('bad', `the source does not answer; its log is archived up to ${formatMinute(archive.archivedToAt)}`);
    else if (archive.rpoMs !== null && archive.rpoMs > rpoObjectiveMs) say('bad', `the archive is ${formatDuration(archive.rpoMs)} behind, and the RPO is ${formatDuration(rpoObjectiveMs)}`);
  }
  if (disbelievedCount > 0) say('warn', `${counted(disbelievedCount, 'object')} in the store not believed`);
  for (const { backup, mark } of facts.made) if (mark !== null) say('warn', `backup ${backup} is marked: ${mark}`);
  const growth = growthOf(facts);
  if (growth !== null && Math.abs(growth) > sizeChange) say('warn', `the newest backup is ${percent(growth)} than the last one before the ${period}`);
  return found;
}

/** How much the data has grown since the last base before the period, as a share; null: there is nothing to compare. */
export function growthOf({ newest, before }: { newest: BaseFacts | null; before: BaseFacts | null }): number | null {
  if (!newest || !before || newest.backup === before.backup || before.plainBytes === 0) return null;
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

function ofRun({ purpose, finishedAt, outcome, rtoMet, rpoMet, proved }: RunFacts): Trouble[] {
  const missed = [...(rtoMet === false ? ['RTO'] : []), ...(rpoMet === false ? ['RPO'] : [])];
  const name = `${purpose} that ended ${formatMinute(finishedAt)}`;
  return [
    ...(outcome.startsWith('done') ? [] : [{ tone: 'bad' as const, what: `${name}: ${outcome}` }]),
    ...(proved === false ? [{ tone: 'bad' as const, what: `${name}: validation does not hold` }] : []),
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
