import { describeProof, resultWord } from '../../workflows/domain/describe-drills.ts';
import { drillOf, type Drill } from '../../workflows/domain/drill-history.ts';
import { median } from '../../workflows/domain/median.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { chartSteps, chartTimes } from './charts.ts';
import { formatTime } from './facts.ts';
import { html, Markup, table } from './html.ts';

/** More bars than these say little more, and have no room for their values. */
export const shownRuns = 12;

export interface Compared {
  run: Drill;
  /** of the same purpose, whole, the oldest first */
  earlier: Drill[];
  /** with this one */
  all: Drill[];
}

/** What a run is held against: whole runs of the same purpose that ended before it. Undefined: there is none, or the run is a partial one. */
export function compareWith(report: RunReport, runs: readonly Drill[]): Compared | undefined {
  const run = drillOf(report);
  const earlier = runs
    .filter((one) => one.purpose === run.purpose && one.only === null && one.run !== run.run && one.startedAt < run.startedAt)
    .sort((a, b) => a.startedAt.localeCompare(b.startedAt))
    .slice(1 - shownRuns);
  return run.only !== null || earlier.length === 0 ? undefined : { run, earlier, all: [...earlier, run] };
}

export const against = ({ achievedMs, objectiveMs, met }: Drill['rto' | 'rpo']): string => `${achievedMs === null ? 'not reached' : formatDuration(achievedMs)} of ${formatDuration(objectiveMs)}${met === false ? ' (missed)' : ''}`;

/** Titles and cells, the newest first: the same in the page and in Markdown. */
export const runRows = ({ all, run }: Compared): { titles: string[]; rows: string[][] } => ({
  titles: ['When', 'Result', 'Time to recover', 'Data lost', 'Proof', 'Removed'],
  rows: [...all].reverse().map((one) => [`${formatTime(one.startedAt).slice(0, 16)}${one.run === run.run ? ' (this one)' : ''}`, resultWord[one.result], against(one.rto), against(one.rpo), describeProof(one), one.cleanedUp === null ? '' : one.cleanedUp ? 'yes' : 'NO']),
});

export function stepRows({ run, earlier }: Compared): { titles: string[]; rows: string[][] } {
  const rows = run.steps.filter(({ uses, elapsedMs }) => uses !== 'approval' && elapsedMs > 0).map(({ id, elapsedMs, budgetMs }) => {
    const past = earlier.flatMap(({ steps }) => steps.filter((step) => step.id === id && step.state === 'done').map((step) => step.elapsedMs));
    return [id, formatDuration(elapsedMs), past.length === 0 ? 'never' : formatDuration(median(past)), past.length === 0 ? '' : formatDuration(Math.max(...past)), budgetMs === null ? '' : formatDuration(budgetMs)];
  });
  return { titles: ['Step', 'This time', 'Usually', 'At most', 'Budget'], rows };
}

const tableOf = ({ titles, rows }: { titles: string[]; rows: string[][] }): Markup =>
  table(titles.map((title, index) => ({ title, name: index === 0, cell: (row: string[]) => row[index] ?? '' })), rows);

export const renderCompared = (compared: Compared): Markup => html`<h3>Time to recover</h3>
<div class="chart">${chartTimes(compared.all, 'rto', compared.run.run)}</div>
<h3>Data that would be lost</h3>
<div class="chart">${chartTimes(compared.all, 'rpo', compared.run.run)}</div>
<p class="legend">A bar for each run, the last is this one; ✕ did not meet the objective.</p>
<h3>Steps</h3>
<div class="chart">${chartSteps(compared.run, compared.earlier)}</div>
<p class="legend"><span><i class="key worked"></i>this time</span> <span>○ an earlier run</span> <span><i class="key objective"></i>the step’s budget</span> ✕ over it.</p>
${tableOf(runRows(compared))}
${tableOf(stepRows(compared))}`;
