import { describeDue, describeProof, describeShare, resultWord } from '../../workflows/domain/describe-drills.ts';
import type { Drill, DrillHistory } from '../../workflows/domain/drill-history.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { chartSteps, chartTimes } from './charts.ts';
import { against, shownRuns } from './earlier-runs.ts';
import { formatTime } from './facts.ts';
import { html, list, Markup, section, table } from './html.ts';
import { pageStyle, style } from './style.ts';

const minute = (at: string): string => `${at.slice(0, 16).replace('T', ' ')} UTC`;

interface Said {
  tone: 'good' | 'warn' | 'bad';
  headline: string;
}

/** The worst that is so now. */
function headOf({ system, due, lastDrill }: DrillHistory): Said {
  const overdue = due.filter((one) => one.overdue).length;
  const missing = due.filter(({ applied }) => applied === false).length;
  if (lastDrill?.result === 'failed') return { tone: 'bad', headline: `The last drill of ${system} failed` };
  if (overdue > 0) return { tone: 'bad', headline: overdue === 1 ? `A drill of ${system} is overdue` : `${overdue} drills of ${system} are overdue` };
  if (lastDrill === null) return { tone: 'warn', headline: `No drill of ${system} has left a report yet` };
  if (missing > 0) return { tone: 'warn', headline: `${missing} of ${due.length} schedules of drills of ${system} are not applied` };
  if (lastDrill.result === 'missed') return { tone: 'warn', headline: `The last drill of ${system} recovered everything, past an objective` };
  return { tone: 'good', headline: `The last drill of ${system} passed` };
}

/** Drills of all of the data: one of a part proves nothing of the time that all of it takes. */
const charts = (whole: readonly Drill[]): Markup => html`<h3>Time to recover</h3>
<div class="chart">${chartTimes(whole, 'rto', '')}</div>
<h3>Data that would be lost</h3>
<div class="chart">${chartTimes(whole, 'rpo', '')}</div>
<p class="legend">A bar for each whole drill, the newest last; ✕ did not meet the objective.</p>
<h3>Steps of the newest</h3>
<div class="chart">${chartSteps(whole.at(-1)!, whole.slice(0, -1))}</div>
<p class="legend"><span><i class="key worked"></i>the newest</span> <span>○ an earlier one</span> <span><i class="key objective"></i>the step’s budget</span> ✕ over it.</p>`;

const runs = (of: readonly Drill[]): Markup =>
  table<Drill>(
    [
      { title: 'When (UTC)', whole: true, cell: ({ startedAt }) => startedAt.slice(0, 16).replace('T', ' ') },
      { title: 'What', cell: ({ purpose, runbook, only }) => [purpose, ...(runbook === null ? [] : [runbook]), ...(only === null ? [] : [`only ${only.join(', ')}`])].join(', ') },
      { title: 'Result', cell: ({ result, why }) => html`<span class="${result === 'failed' ? 'bad' : result === 'missed' ? 'warn' : 'good'}">${resultWord[result]}</span>${why !== null && `: ${why}`}` },
      { title: 'Time to recover', cell: ({ rto }) => against(rto) },
      { title: 'Data lost', cell: ({ rpo }) => against(rpo) },
      { title: 'Proof', name: true, cell: (run) => describeProof(run) },
      { title: 'Removed', whole: true, optional: true, cell: ({ cleanedUp }) => (cleanedUp === null ? '' : cleanedUp ? 'yes' : html`<span class="bad">NO</span>`) },
    ],
    [...of],
  );

/**
 * What drills showed, as one page that loads nothing from anywhere, for `holdfast drills --out`. Whatever came from a run is escaped.
 * @param at - when it was read, UTC ISO.
 */
export function renderDrillsHtml(history: DrillHistory, at: string): string {
  const { system, drills, lastDrill, lastSuccess, due } = history;
  const { tone, headline } = headOf(history);
  const whole = drills.filter(({ purpose, only }) => purpose === 'drill' && only === null).sort((a, b) => a.startedAt.localeCompare(b.startedAt)).slice(-shownRuns);
  const fact = (title: string, value: string, note: string, is = ''): Markup => html`<div class="fact"><h3>${title}</h3><strong class="${is}">${value}</strong><span>${note}</span></div>\n`;
  const overdue = due.filter((one) => one.overdue).length;
  const next = due.flatMap(({ nextAt }) => nextAt ?? []).sort()[0];
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${system}: drills</title>
<style>${new Markup(style + pageStyle(`${system}, drills, ${formatTime(at)}`))}</style></head>
<body>
<header><p class="what">${system}, drills, as of ${minute(at)}</p>
<h1 class="${tone}">${headline}</h1>
<p class="outcome">${describeShare(history)}.</p></header>
<div class="facts">
${fact('Last drill', lastDrill ? resultWord[lastDrill.result] : 'none', lastDrill ? minute(lastDrill.startedAt) : '', lastDrill === null ? '' : lastDrill.result === 'failed' ? 'bad' : lastDrill.result === 'missed' ? 'warn' : 'good')}
${fact('Last success', lastSuccess ? minute(lastSuccess.startedAt).slice(0, 10) : 'never', 'a whole drill, proved equal')}
${fact('Time to recover (RTO)', lastSuccess?.rto.achievedMs == null ? 'not known' : formatDuration(lastSuccess.rto.achievedMs), lastSuccess ? `of the last success; objective ${formatDuration(lastSuccess.rto.objectiveMs)}` : '', lastSuccess?.rto.met == null ? '' : lastSuccess.rto.met ? 'good' : 'bad')}
${fact('Next', next === undefined ? 'none' : minute(next).slice(0, 10), overdue > 0 ? `${overdue} overdue` : next === undefined ? 'nothing is scheduled' : minute(next).slice(11), overdue > 0 ? 'bad' : '')}</div>
${section('Schedules', due.length === 0 ? html`<p>There is no schedule of drills in the system file.</p>` : list(due.map(describeDue)))}
${whole.length > 0 && section('How long, and how much', charts(whole))}
${section('Drills and recoveries', drills.length === 0 ? html`<p>None has left a report in the store.</p>` : runs(drills))}
<footer>From the reports of runs in the store, the newest ${drills.length}.</footer>
</body></html>
`.text;
}
