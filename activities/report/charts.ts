import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Drill } from '../../workflows/domain/drill-history.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { Markup } from './html.ts';
import { tickMs } from './timeline.ts';

/**
 * Charts of the report, drawn by Observable Plot into a document of its own: an SVG that loads nothing, takes its colours from the page (dark, light, paper), and carries
 * every value as text, so nothing is said by a colour or a length alone.
 */

const width = 860;
const narrow = { fontSize: '13px', maxWidth: '100%', height: 'auto', overflow: 'visible' };

function drawn(options: Plot.PlotOptions & { ariaLabel: string }): Markup {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = Plot.plot({ ...options, width, style: narrow, document: document as never });
  svg.setAttribute('role', 'img');
  return new Markup(svg.outerHTML);
}

const ticksTo = (mostMs: number): number[] => Array.from({ length: Math.floor(mostMs / tickMs(mostMs)) + 1 }, (_, n) => n * tickMs(mostMs));
const tickText = (ms: number): string => (ms === 0 ? '0' : formatDuration(ms));

/** One bar a run, the oldest first; the line is the objective, where it is near enough to be seen. */
export function chartTimes(runs: readonly Drill[], which: 'rto' | 'rpo', shownRun: string): Markup {
  const rows = runs.map(({ run, startedAt, result, [which]: { achievedMs, met } }) => ({ run, label: startedAt.slice(0, 10), ms: achievedMs ?? 0, text: achievedMs === null ? (result === 'failed' ? '✕ failed' : '✕ none') : `${formatDuration(achievedMs)}${met === false ? ' ✕' : ''}`, fill: met === false ? 'var(--over)' : 'var(--bar)', bad: achievedMs === null || met === false, shown: run === shownRun }));
  const objectiveMs = runs.at(-1)![which].objectiveMs;
  const longestMs = Math.max(1_000, ...rows.map(({ ms }) => ms));
  const near = objectiveMs <= longestMs * 3;
  const mostMs = (near ? Math.max(longestMs, objectiveMs) : longestMs) * 1.18;
  const name = which === 'rto' ? 'time to recover' : 'data that would be lost';
  return drawn({
    ariaLabel: `${name}: ${rows.map(({ label, text }) => `${label} ${text}`).join(', ')}; objective ${formatDuration(objectiveMs)}`,
    height: 210,
    marginLeft: 62,
    marginBottom: 36,
    marginTop: 26,
    x: { type: 'band', domain: rows.map(({ run }) => run), label: null, tickSize: 0, padding: rows.length < 6 ? 0.5 : 0.25, tickFormat: (run: string) => rows.find((row) => row.run === run)!.label.slice(rows.length > 8 ? 5 : 0) },
    y: { domain: [0, mostMs], ticks: ticksTo(mostMs), tickFormat: tickText, label: null, grid: true, tickSize: 0 },
    marks: [
      Plot.barY(rows, { x: 'run', y: 'ms', fill: 'fill', stroke: 'var(--ink)', strokeWidth: (row: (typeof rows)[number]) => (row.shown ? 2 : 0), rx: 2 }),
      Plot.text(rows, { x: 'run', y: 'ms', text: 'text', dy: -9, fill: (row: (typeof rows)[number]) => (row.bad ? 'var(--bad)' : 'var(--ink)'), fontWeight: 600 }),
      Plot.ruleY([0], { stroke: 'var(--soft)' }),
      ...(near ? [Plot.ruleY([objectiveMs], { stroke: 'var(--bad)', strokeWidth: 1.5, strokeDasharray: '6 3' })] : []),
      Plot.text([near ? `objective ${formatDuration(objectiveMs)}` : `objective ${formatDuration(objectiveMs)}, far above`], { frameAnchor: 'top-right', dy: -20, fill: 'var(--bad)' }),
    ],
  });
}

/** A bar for each step of this run, a dot for each time that an earlier run took; the mark is the budget, where it is near enough to be seen. */
export function chartSteps(run: Drill, earlier: readonly Drill[]): Markup {
  const steps = run.steps.filter(({ uses, state, elapsedMs }) => uses !== 'approval' && state === 'done' && elapsedMs > 0);
  const past = earlier.flatMap((one) => one.steps.filter(({ id, state }) => state === 'done' && steps.some((step) => step.id === id))).map(({ id, elapsedMs }) => ({ id, ms: elapsedMs }));
  const mostMs = Math.max(1_000, ...steps.map(({ elapsedMs }) => elapsedMs), ...past.map(({ ms }) => ms)) * 1.22;
  const rows = steps.map(({ id, elapsedMs, budgetMs }) => ({ id, ms: elapsedMs, budgetMs, over: budgetMs !== null && elapsedMs > budgetMs, text: `${formatDuration(elapsedMs)}${budgetMs === null ? '' : ` of ${formatDuration(budgetMs)}${elapsedMs > budgetMs ? ' ✕' : ''}`}` }));
  const textAt = rows.map((row) => ({ ...row, at: Math.max(row.ms, ...past.filter(({ id }) => id === row.id).map(({ ms }) => ms), row.budgetMs !== null && row.budgetMs <= mostMs ? row.budgetMs : 0) }));
  return drawn({
    ariaLabel: `steps: ${rows.map(({ id, text }) => `${id} ${text}`).join(', ')}`,
    height: 44 + rows.length * 26,
    marginLeft: 170,
    marginRight: 150,
    marginBottom: 30,
    marginTop: 6,
    y: { type: 'band', domain: rows.map(({ id }) => id), label: null, tickSize: 0, padding: 0.3 },
    x: { domain: [0, mostMs], ticks: ticksTo(mostMs), tickFormat: tickText, label: null, grid: true, tickSize: 0 },
    marks: [
      Plot.barX(rows, { y: 'id', x: 'ms', fill: (row: (typeof rows)[number]) => (row.over ? 'var(--over)' : 'var(--bar)'), rx: 2 }),
      Plot.tickX(rows.filter(({ budgetMs }) => budgetMs !== null && budgetMs <= mostMs), { y: 'id', x: 'budgetMs', stroke: 'var(--bad)', strokeWidth: 2 }),
      Plot.dot(past, { y: 'id', x: 'ms', r: 3.5, fill: 'var(--ground)', stroke: 'var(--ink)', strokeWidth: 1.3 }),
      Plot.text(textAt, { y: 'id', x: 'at', text: 'text', textAnchor: 'start', dx: 8, fill: (row: (typeof rows)[number]) => (row.over ? 'var(--bad)' : 'var(--ink)') }),
    ],
  });
}
