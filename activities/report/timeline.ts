import type { RunState, StepState } from '../../workflows/domain/run-state.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { html, Markup } from './html.ts';

const width = 1000;
const labelWidth = 190;
const noteWidth = 170;
const rowHeight = 26;
const top = 30;

interface Scale {
  fromMs: number;
  toMs: number;
  x: (ms: number) => number;
}

/** Steps of the axis: the smallest round duration that leaves at most eight marks. */
function tickMs(spanMs: number): number {
  const rounds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];
  return (rounds.find((round) => spanMs / (round * 1000) <= 8) ?? 86_400) * 1000;
}

function axis(scale: Scale, bottom: number): Markup[] {
  const marks: Markup[] = [];
  const span = scale.toMs - scale.fromMs;
  const step = tickMs(span);
  for (let ms = 0; ms <= span; ms += step) {
    const x = scale.x(scale.fromMs + ms).toFixed(1);
    marks.push(html`<line class="grid" x1="${x}" x2="${x}" y1="${top - 6}" y2="${bottom}"/><text class="tick" x="${x}" y="${top - 12}">${ms === 0 ? '0' : formatDuration(ms)}</text>\n`);
  }
  return marks;
}

function bar(step: StepState, index: number, scale: Scale): Markup {
  const y = top + index * rowHeight;
  const label = html`<text class="label" x="${labelWidth - 8}" y="${y + 16}">${step.id}</text>`;
  const note = step.budgetMs === null ? formatDuration(step.elapsedMs) : `${formatDuration(step.elapsedMs)} of ${formatDuration(step.budgetMs)}`;
  if (step.startedAt === null) {
    return html`${label}<text class="note" x="${width - noteWidth + 8}" y="${y + 16}">${step.state}</text>\n`;
  }
  const started = Date.parse(step.startedAt);
  const ended = step.endedAt === null ? scale.toMs : Date.parse(step.endedAt);
  const x = scale.x(started);
  const over = step.budgetMs !== null && step.elapsedMs > step.budgetMs;
  const waits = step.uses === 'approval';
  const kind = step.state === 'failed' || step.state === 'stuck' ? 'failed' : waits ? 'waited' : over ? 'over' : 'done';
  const budget = step.budgetMs === null ? null : html`<rect class="budget" x="${x.toFixed(1)}" y="${y + 3}" width="${Math.max(2, scale.x(started + step.budgetMs) - x).toFixed(1)}" height="18" rx="2"/>`;
  return html`${label}${budget}<rect class="${kind}" x="${x.toFixed(1)}" y="${y + 6}" width="${Math.max(2, scale.x(ended) - x).toFixed(1)}" height="12" rx="2"><title>${step.id}: ${step.state}, ${note}</title></rect><text class="note" x="${width - noteWidth + 8}" y="${y + 16}">${waits ? `waited ${formatDuration(ended - started)}` : note}${over ? ' (over)' : ''}</text>\n`;
}

/** The steps as bars from the incident on, each over its budget (pale; cut off at the right edge), as inline SVG. */
export function renderTimeline(state: RunState, finishedAt: string): Markup {
  const fromMs = Math.min(Date.parse(state.incidentAt), Date.parse(state.startedAt));
  const toMs = Math.max(Date.parse(finishedAt), fromMs + 1000);
  const plot = width - labelWidth - noteWidth;
  const x = (ms: number): number => labelWidth + Math.min(1, Math.max(0, (ms - fromMs) / (toMs - fromMs))) * plot;
  const scale: Scale = { fromMs, toMs, x };
  const bottom = top + state.steps.length * rowHeight;
  const served = state.servedAt === null ? null : x(Date.parse(state.servedAt)).toFixed(1);
  const ordered = [...state.steps].sort((a, b) => (a.startedAt ?? '9').localeCompare(b.startedAt ?? '9'));
  return html`<svg viewBox="0 0 ${width} ${bottom + 24}" role="img" aria-label="steps of the run over time">
${axis(scale, bottom)}${ordered.map((step, index) => bar(step, index, scale))}${served && html`<line class="served" x1="${served}" x2="${served}" y1="${top - 6}" y2="${bottom + 4}"/><text class="servedLabel" x="${served}" y="${bottom + 18}">service was back</text>`}
</svg>
<p class="legend">Time since the incident. Pale: the step's budget. <span class="key done"></span> worked <span class="key waited"></span> waited for a person <span class="key over"></span> over budget <span class="key failed"></span> failed</p>`;
}
