import { isWait, tookOf, type RunState, type StepState } from '../../workflows/domain/run-state.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { isOver } from './facts.ts';
import { html, Markup } from './html.ts';

/** The steps in the order in which they began, and where each lies between the incident and the end, 0 to 1. */
export interface Timeline {
  spanMs: number;
  served: number | null;
  /** null: the run ended before the objective was over */
  objective: number | null;
  /** `waits`: when nothing of it ran, for a person or for its next try */
  rows: { step: StepState; note: string; kind: 'worked' | 'waited' | 'over' | 'failed' | 'none'; from: number; to: number; budgetTo: number | null; waits: { from: number; to: number }[] }[];
}

interface Wait {
  fromMs: number;
  toMs: number;
}

/** A step that did nothing for a while is not to be drawn as if it had worked: at its gates, and between a try that failed and the next one. */
function waitsOf(step: StepState, { gates, journal }: RunState, endMs: number): Wait[] {
  if (isWait(step)) return [];
  const overMs = step.endedAt === null ? endMs : Date.parse(step.endedAt);
  const atGates = gates.flatMap(({ step: of, openedAt, closedAt }) => (of === step.id && openedAt !== null ? [{ fromMs: Date.parse(openedAt), toMs: closedAt === null ? endMs : Date.parse(closedAt) }] : []));
  const lines = journal.filter(({ about, what }) => about === step.id && /^(try \d+ failed|started, try)/.test(what));
  const betweenTries = lines.flatMap(({ at, what }, index) => (what.startsWith('try') && (lines[index + 1] || step.state !== 'failed') ? [{ fromMs: Date.parse(at), toMs: lines[index + 1] ? Date.parse(lines[index + 1]!.at) : overMs }] : []));
  return [...atGates, ...betweenTries].filter(({ fromMs, toMs }) => toMs > fromMs);
}

export function layTimeline(state: RunState, finishedAt: string): Timeline {
  const fromMs = Math.min(Date.parse(state.incidentAt), Date.parse(state.startedAt));
  const spanMs = Math.max(Date.parse(finishedAt) - fromMs, 1000);
  const place = (ms: number): number => Math.min(1, Math.max(0, (ms - fromMs) / spanMs));
  const objective = Date.parse(state.incidentAt) + state.rtoObjectiveMs;
  const rows = [...state.steps].sort((a, b) => (a.startedAt ?? '9').localeCompare(b.startedAt ?? '9')).map((step): Timeline['rows'][number] => {
    // One that the run leaves out by itself, as a drill does the switch, took no time and had no budget.
    if (step.state === 'skipped' && step.skippedBy === undefined) return { step, note: 'passed over', kind: 'none', from: 0, to: 0, budgetTo: null, waits: [] };
    const waits = waitsOf(step, state, Date.parse(finishedAt));
    const waitedMs = waits.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
    const waited = waitedMs > 0 ? `, waited ${formatDuration(waitedMs)}` : '';
    const placed = waits.map(({ fromMs: a, toMs: b }) => ({ from: place(a), to: place(b) }));
    if (step.startedAt === null) return { step, note: `${step.state}${waited}`, kind: 'none', from: 0, to: 0, budgetTo: null, waits: placed };
    const startedMs = Date.parse(step.startedAt);
    const failed = step.state === 'failed' || step.state === 'stuck';
    const budget = step.budgetMs === null || isWait(step) ? '' : ` of ${formatDuration(step.budgetMs)}`;
    return {
      step,
      note: `${failed ? `${step.state}, ` : ''}${tookOf(step)}${budget}${isOver(step) ? ' (over)' : ''}${waited}`,
      kind: failed ? 'failed' : isWait(step) ? 'waited' : isOver(step) ? 'over' : 'worked',
      from: place(startedMs),
      to: step.endedAt === null ? 1 : place(Date.parse(step.endedAt)),
      budgetTo: step.budgetMs === null ? null : place(startedMs + step.budgetMs),
      waits: placed,
    };
  });
  return { spanMs, rows, served: state.servedAt === null ? null : place(Date.parse(state.servedAt)), objective: state.only || state.purpose === 'drill' || objective >= fromMs + spanMs ? null : place(objective) };
}

/** Steps of the axis: the smallest round duration that leaves at most six marks. */
export function tickMs(spanMs: number): number {
  const rounds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 172_800, 604_800];
  return (rounds.find((round) => spanMs / (round * 1000) <= 6) ?? Math.ceil(spanMs / 6000)) * 1000;
}

const percent = (share: number): string => `${(share * 100).toFixed(2)}%`;
const at = (share: number): Markup => html`left:${percent(share)}`;
const between = (from: number, to: number): Markup => html`left:${percent(from)};width:${percent(to - from)}`;

/**
 * The steps as bars from the incident on, each over its budget (pale; cut off at the right edge). Boxes and text, no picture: on a narrow
 * screen names stand above their bars, and nothing is scaled down; on paper no row is torn apart. What a colour says, pattern or note says too.
 */
export function renderTimeline(state: RunState, finishedAt: string): Markup {
  const { spanMs, served, objective, rows } = layTimeline(state, finishedAt);
  const ticks = Array.from({ length: Math.floor(spanMs / tickMs(spanMs)) + 1 }, (_, index) => index * tickMs(spanMs));
  const lines = html`${ticks.map((ms) => html`<i class="tick" style="${at(ms / spanMs)}"></i>`)}${served !== null && html`<i class="served" style="${at(served)}"></i>`}${objective !== null && html`<i class="objective" style="${at(objective)}"></i>`}`;
  // A mark so near the right edge that its text would stand out of it says nothing.
  const axis = ticks.filter((ms) => ms / spanMs <= 0.94).map((ms) => html`<span style="${at(ms / spanMs)}">${ms === 0 ? '0' : formatDuration(ms)}</span>`);
  return html`<div class="timeline${rows.length > 30 && ' long'}">
<div class="row axis"><span></span><span class="track">${axis}</span><span></span></div>
${rows.map((row) => html`<div class="row"><code class="name">${row.step.id}</code><span class="track">${lines}${row.budgetTo !== null && html`<i class="budget" style="${between(row.from, row.budgetTo)}"></i>`}${row.kind !== 'none' && html`<i class="bar ${row.kind}" style="${between(row.from, row.to)}"></i>`}${row.waits.map(({ from, to }) => html`<i class="bar waited" style="${between(from, to)}"></i>`)}</span><span class="note">${row.note}</span></div>\n`)}</div>
<p class="legend">Time since the incident. <span><i class="key budget"></i>the step’s budget</span> <span><i class="key worked"></i>worked</span> <span><i class="key waited"></i>waited for a person, or for its next try</span> <span><i class="key over"></i>over budget</span> <span><i class="key failed"></i>failed</span>${served !== null && html` <span><i class="key served"></i>service was back</span>`}${objective !== null && html` <span><i class="key objective"></i>objective of the recovery time</span>`}</p>`;
}
