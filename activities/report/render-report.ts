import { describePartial } from '../../workflows/domain/chosen-namespaces.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatLogPosition } from '../../workflows/domain/log-position.ts';
import type { Drill } from '../../workflows/domain/drill-history.ts';
import { bytesToRestore, type RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import type { RunReport, WritesReport } from '../../workflows/domain/report.ts';
import { tookOf, type GateState, type JournalEntry, type StepState } from '../../workflows/domain/run-state.ts';
import { formatBytes, formatDuration } from '../../workflows/domain/units.ts';
import { aboutNames, aboutWrites, describeLog, fenceMeaning, formatCount, formatTime, isOver, listDecisions, listFacts, listGivenUp, listTurns, listWrites, noFence, noTurns } from './facts.ts';
import { html, list, Markup, section, table } from './html.ts';
import { compareWith, renderCompared } from './earlier-runs.ts';
import { describeOutcome, listNextSteps } from './outcome.ts';
import { pageStyle, style } from './style.ts';
import { renderTimeline } from './timeline.ts';

const time = formatTime;
const count = formatCount;

const facts = (report: RunReport): Markup =>
  html`<div class="facts">
${listFacts(report).map(({ title, value, note, met }) => html`<div class="fact"><h3>${title}</h3><strong class="${met === null ? '' : met ? 'good' : 'bad'}">${value}</strong><span>${note}</span></div>\n`)}</div>`;

function fences(report: RunReport): Markup {
  const none = noFence(report);
  if (none !== undefined) return html`<p>${none}</p>`;
  return html`${Object.entries(report.fence).map(
    ([source, fence]) => html`<p class="leads"><strong>${source}</strong>: ${fence.outcome}, ${time(fence.fencedAt)}. ${fenceMeaning[fence.outcome]}
${describeLog(fence.logReachable)}</p>
${list(fence.evidence)}`,
  )}`;
}

/** What comes after the report: a page cannot tell it, but where it will stand. */
function oldSide({ system, runId, watches = {} }: RunReport): Markup | false {
  const entries = Object.entries(watches);
  if (entries.length === 0) return false;
  return html`${entries.map(([source, { workflowId, endsAt }]) => html`<p><strong>${source}</strong>: workflow <code>${workflowId}</code> knocks at the old primary until ${time(endsAt)}, and fences it as soon as it answers. This page was written before that: what the watch has found, <code>holdfast watch status ${system}</code> says.</p>
<p>Once the old primary has answered, what it took that the recovered data does not hold is a page of its own: <code>${layout.evidence(system, runId, `diverged-${source}.html`)}</code> in the store, and beside the folder of this page one that ends in <code>-diverged-${runId.slice(0, 8)}</code>. <code>holdfast diverged ${system} --source ${source} --run ${runId}</code> prints the writes themselves. No such page: nothing of the kind was found so far.</p>`)}`;
}

const writes = (of: WritesReport): Markup =>
  section(
    'Acknowledged writes',
    html`<p>${aboutWrites}</p>`,
    table<[string, string]>([{ title: 'What', cell: ([what]) => what }, { title: 'Found', cell: ([, found]) => found }], listWrites(of)),
  );

function validation(report: RunReport): Markup {
  if (report.validation.length === 0) return html`<p>Nothing was validated.</p>`;
  return html`${report.validation.map(
    (result) => html`<p class="leads"><strong class="${result.ok ? 'good' : 'bad'}">${result.id}: ${result.ok ? 'passed' : 'failed'}</strong> (${result.effect === 'gate' ? 'must pass' : 'warns only'}). Claim: ${result.claim}.</p>
${result.problems.length > 0 && list(result.problems)}
${result.collections.length > 0 && table(
    [
      { title: 'Collection', cell: (row) => html`<code>${row.ns}</code>` },
      { title: 'Documents', number: true, cell: (row) => count(row.count) },
      { title: 'Expected', number: true, optional: true, cell: (row) => (row.expectedCount === null ? '' : count(row.expectedCount)) },
      { title: 'Content', cell: (row) => (row.hashEqual === null ? 'not compared' : row.hashEqual ? 'equal' : html`<span class="bad">differs</span>`) },
      { title: 'Note', optional: true, cell: (row) => row.note },
    ],
    result.collections,
  )}
${result.collectionCount > result.collections.length && html`<p>${count(result.collections.length)} of ${count(result.collectionCount)} collections shown.</p>`}`,
  )}`;
}

const points = (of: RecoveryPoint[]): Markup =>
  table(
    [
      { title: 'Source', name: true, cell: (point) => point.source },
      { title: 'Base backup', cell: (point) => html`<code>${point.base.backup}</code> of ${time(point.base.finishedAt)}` },
      { title: 'Size', number: true, cell: (point) => (point.only ? `${formatBytes(bytesToRestore(point))} of ${formatBytes(point.base.plainBytes)}` : formatBytes(point.base.plainBytes)) },
      { title: 'Log after it', cell: (point) => `${count(point.log.slices)} slices, ${formatBytes(point.log.storedBytes)} stored` },
      { title: 'Reaches', whole: true, cell: (point) => formatLogPosition(point.reaches) },
      { title: 'Timeline', whole: true, cell: (point) => html`<code>${point.timeline}</code>` },
    ],
    of,
  );

const steps = (of: StepState[]): Markup =>
  table(
    [
      { title: 'Step', name: true, cell: (step) => html`<code>${step.id}</code>` },
      { title: 'State', whole: true, cell: (step) => html`<span class="${step.state === 'failed' || step.state === 'stuck' ? 'bad' : ''}">${step.state}</span>` },
      { title: 'Took', number: true, cell: (step) => html`${tookOf(step)}${isOver(step) && html` <span class="warn">(over)</span>`}` },
      { title: 'Budget', number: true, cell: (step) => (step.budgetMs === null ? '' : formatDuration(step.budgetMs)) },
      { title: 'Tries', number: true, cell: (step) => step.attempt },
      { title: 'What came of it', wide: true, cell: (step) => (step.error ? html`<span class="bad">${step.error.type}: ${step.error.message}</span>` : step.summary) },
    ],
    of,
  );

function approvals(gates: GateState[]): Markup {
  if (gates.length === 0) return html`<p>This run had no gate.</p>`;
  return html`<p>${aboutNames}</p>
${gates.map((gate) => html`<p class="leads"><strong>${gate.gate}</strong>: ${gate.status}. ${gate.description}</p>
${listDecisions(gate).length > 0 && list(listDecisions(gate))}`)}`;
}

const givenUp = (report: RunReport): Markup =>
  html`${listGivenUp(report).map(
    ({ title, rows }) => html`<p class="leads">${title}</p>
${table<string[]>([{ title: 'Step', name: true, cell: ([id]) => html`<code>${id}</code>` }, { title: 'State', cell: ([, is]) => is }, { title: 'Took', number: true, cell: ([, , took]) => took }, { title: 'What came of it', wide: true, cell: ([, , , what]) => what }], rows)}`,
  )}`;

/** The day stands only where it is not the incident's own. */
const journal = (entries: JournalEntry[], incidentAt: string): Markup =>
  table(
    [
      { title: 'Time (UTC)', whole: true, cell: ({ at }) => (at.slice(0, 10) === incidentAt.slice(0, 10) ? at.slice(11, 23) : at.slice(0, 23).replace('T', ' ')) },
      { title: 'About', name: true, cell: (entry) => html`<code>${entry.about}</code>` },
      { title: 'What', wide: true, cell: ({ what, by }) => html`${what}${by !== null && html` <span class="by">(sent as ${by})</span>`}` },
    ],
    entries,
  );

/**
 * The report of a run as one HTML page that loads nothing from anywhere: safe to mail, to print, to open in ten years.
 * Everything that came from the run is escaped.
 * @param runs - what the store knows of other runs: this one is held against those of its kind
 */
export function renderReportHtml(report: RunReport, runs: readonly Drill[] = []): string {
  const outcome = describeOutcome(report);
  const watched = oldSide(report);
  const turns = listTurns(report);
  const compared = compareWith(report, runs);
  const page = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${report.system}: ${outcome.headline}</title>
<style>${new Markup(style + pageStyle(`${report.system}, ${report.state.purpose}, incident ${time(report.incidentAt)}, run ${report.runId}`))}</style></head>
<body>
<header><p class="what">${report.title} (${report.system}), ${report.state.purpose}${report.state.severity && `, severity ${report.state.severity}`}${report.state.runbook && `, runbook ${report.state.runbook}${(report.state.escalations ?? []).map(({ from }) => `, escalated from ${from}`).join('')}`}${report.state.only && `, ${describePartial(report.state.only)}`}, incident ${time(report.incidentAt)}</p>
<h1 class="${outcome.tone}">${outcome.headline}</h1>
<p class="outcome">${outcome.sentence}</p></header>
${facts(report)}
${report.warnings.length > 0 && section('Warnings', list(report.warnings))}
${section('Next steps', list(listNextSteps(report)))}
${section('Timeline against budgets', renderTimeline(report.state, report.finishedAt))}
${compared && section(`Against earlier ${compared.run.purpose === 'drill' ? 'drills' : 'recoveries'}`, renderCompared(compared))}
${section('What failed, and what people decided', turns.length > 0 ? journal(turns, report.incidentAt) : html`<p>${noTurns}</p>`)}
${section('Approvals', approvals(report.state.gates))}
${section('What the fence showed', fences(report))}
${watched && section('The old side from now on', watched)}
${report.writes && writes(report.writes)}
${section('Validation', validation(report))}
${section('Steps', steps(report.state.steps))}
${listGivenUp(report).length > 0 && section('Runbooks that were given up', givenUp(report))}
${section('Recovery point', report.points.length > 0 ? points(report.points) : html`<p>None was chosen.</p>`)}
${section('Journal', journal(report.state.journal, report.incidentAt))}
<footer>Run <code>${report.workflowId}</code> (<code>${report.runId}</code>), asked for by ${report.state.requestedBy} (claimed), started ${time(report.state.startedAt)}, finished ${time(report.finishedAt)}. Report format ${report.format}.</footer>
</body></html>
`;
  return page.text;
}
