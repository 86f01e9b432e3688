import { describePartial } from '../../workflows/domain/chosen-namespaces.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatLogPosition } from '../../workflows/domain/log-position.ts';
import { bytesToRestore, type RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import type { RunReport, WritesReport } from '../../workflows/domain/report.ts';
import type { GateState, StepState } from '../../workflows/domain/run-state.ts';
import { formatBytes, formatDuration } from '../../workflows/domain/units.ts';
import { html, list, Markup, section, table } from './html.ts';
import { describeOutcome, listNextSteps } from './outcome.ts';
import { style } from './style.ts';
import { renderTimeline } from './timeline.ts';

/** `2026-11-21 03:00:05.123 UTC`, for people. */
const time = (at: string | null): string => (at === null ? '' : `${at.replace('T', ' ').replace(/Z$/, '')} UTC`);
const clock = (at: string | null): string => (at === null ? '' : at.slice(11, 23).replace(/Z$/, ''));
const count = (n: number): string => n.toLocaleString('en-US');
const duration = (ms: number | null): string => (ms === null ? 'not reached' : formatDuration(ms));

function fact(title: string, value: string, note: string, met: boolean | null): Markup {
  const tone = met === null ? '' : met ? 'good' : 'bad';
  return html`<div class="fact"><h3>${title}</h3><strong class="${tone}">${value}</strong><span>${note}</span></div>\n`;
}

function facts(report: RunReport): Markup {
  const { rto, rpo, validation } = report;
  const word = (met: boolean | null): string => (met === null ? '' : met ? ', met' : ', missed');
  const gates = validation.filter((result) => result.effect === 'gate');
  const failed = validation.filter((result) => !result.ok).length;
  const fences = Object.values(report.fence);
  const isDrill = report.state.purpose === 'drill';
  if (report.state.only) return partialFacts(report, failed, gates.length);
  return html`<div class="facts">
${isDrill ? fact('Time of the drill', duration(Date.parse(report.finishedAt) - Date.parse(report.state.startedAt)), `no traffic was moved; people ${formatDuration(rto.humanMs)}`, null) : fact('Time to recover (RTO)', duration(rto.achievedMs), `objective ${formatDuration(rto.objectiveMs)}${word(rto.met)}; machine ${formatDuration(rto.machineMs)}, people ${formatDuration(rto.humanMs)}`, rto.met)}
${fact(isDrill ? 'Data that would be lost (RPO)' : 'Data lost (RPO)', duration(rpo.achievedMs), `objective ${formatDuration(rpo.objectiveMs)}${word(rpo.met)}; incident minus the last entry applied`, rpo.met)}
${fact('Validation', validation.length === 0 ? 'not run' : failed === 0 ? 'passed' : `${failed} failed`, `${validation.length} run, ${gates.length} of them must pass`, validation.length === 0 ? null : failed === 0)}
${isDrill ? fact('Old primary', 'left alone', 'a drill does not touch it', null) : fact('Old primary', fences.length === 0 ? 'not fenced' : fences.map((fence) => fence.outcome).join(', '), fences.length === 0 ? 'it may still take writes' : 'what the fence could show', fences.length === 0 ? null : fences.every((fence) => fence.outcome !== 'unproved'))}
</div>`;
}

/** A partial restore has no time or data of the system to lose: what counts is what came back, and whether it is right. */
function partialFacts({ state, finishedAt, points, validation }: RunReport, failed: number, gates: number): Markup {
  const part = points.flatMap(({ only }) => only ?? []);
  const of = (key: 'collections' | 'documents'): number => part.reduce((sum, one) => sum + one[key], 0);
  return html`<div class="facts">
${fact('Partial restore', (state.only ?? []).join(', '), 'nothing else was restored', null)}
${fact('Collections', part.length === 0 ? 'none' : count(of('collections')), `${count(of('documents'))} documents of them in the base; the log brings the rest`, null)}
${fact('Time', duration(Date.parse(finishedAt) - Date.parse(state.startedAt)), 'no traffic was moved', null)}
${fact('Validation', validation.length === 0 ? 'not run' : failed === 0 ? 'passed' : `${failed} failed`, `${validation.length} run, ${gates} of them must pass`, validation.length === 0 ? null : failed === 0)}
</div>`;
}

const fenceMeaning = {
  proved: 'It is proved that it takes no writes.',
  isolated: 'Every path that we control is cut; that it takes no writes on another path is not proved.',
  unproved: 'It is not proved that it takes no writes. Two primaries may be taking writes that cannot be merged.',
} as const;

function fences(report: RunReport): Markup {
  const entries = Object.entries(report.fence);
  if (report.state.purpose === 'drill') return html`<p>A drill leaves the primary alone.</p>`;
  if (report.state.only) return html`<p>A partial restore leaves the primary alone.</p>`;
  if (entries.length === 0) return html`<p>The old primary was not fenced in this run.</p>`;
  return html`${entries.map(
    ([source, fence]) => html`<p><strong>${source}</strong>: ${fence.outcome}, ${time(fence.fencedAt)}. ${fenceMeaning[fence.outcome]}
${fence.logReachable ? 'Its log could still be read, so the last writes could be drained.' : 'Its log could not be read any more: what was not archived is lost.'}</p>
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

function writes(of: WritesReport): Markup {
  const age = (ms: number | null): string => (ms === null ? 'none' : `${formatDuration(ms)} before the incident`);
  return section(
    'Acknowledged writes',
    html`<p>Clients kept a ledger of every acknowledged write; it was compared with the recovered data, write by write.</p>`,
    table<[string, string]>(
      [{ title: 'What', cell: ([what]) => what }, { title: 'Found', cell: ([, found]) => found }],
      [
        ['acknowledged before the incident', count(of.acknowledged)],
        ['of these lost', count(of.lost)],
        ['newest lost', age(of.newestLostAgeMs)],
        ['oldest lost', age(of.oldestLostAgeMs)],
        ['outcome unknown to the client', count(of.unknown)],
        ['acknowledged by the new side', count(of.acknowledgedAfterSwitch)],
        ['old primary, started again', of.oldPrimary],
      ],
    ),
  );
}

function validation(report: RunReport): Markup {
  if (report.validation.length === 0) return html`<p>Nothing was validated.</p>`;
  return html`${report.validation.map(
    (result) => html`<p><strong class="${result.ok ? 'good' : 'bad'}">${result.id}: ${result.ok ? 'passed' : 'failed'}</strong> (${result.effect === 'gate' ? 'must pass' : 'warns only'}). Claim: ${result.claim}.</p>
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
      { title: 'Source', cell: (point) => point.source },
      { title: 'Base backup', cell: (point) => html`<code>${point.base.backup}</code> of ${time(point.base.finishedAt)}` },
      { title: 'Size', number: true, cell: (point) => (point.only ? `${formatBytes(bytesToRestore(point))} of ${formatBytes(point.base.plainBytes)}` : formatBytes(point.base.plainBytes)) },
      { title: 'Log after it', cell: (point) => `${count(point.log.slices)} slices, ${formatBytes(point.log.storedBytes)} stored` },
      { title: 'Reaches', whole: true, cell: (point) => formatLogPosition(point.reaches) },
      { title: 'Timeline', cell: (point) => html`<code class="whole">${point.timeline}</code>` },
    ],
    of,
  );

const steps = (of: StepState[]): Markup =>
  table(
    [
      { title: 'Step', cell: (step) => html`<code>${step.id}</code>` },
      { title: 'State', whole: true, cell: (step) => html`<span class="${step.state === 'failed' || step.state === 'stuck' ? 'bad' : ''}">${step.state}</span>` },
      { title: 'Took', number: true, cell: (step) => formatDuration(step.elapsedMs) },
      { title: 'Budget', number: true, cell: (step) => (step.budgetMs === null ? '' : formatDuration(step.budgetMs)) },
      { title: 'Tries', number: true, cell: (step) => step.attempt },
      { title: 'What came of it', cell: (step) => (step.error ? html`<span class="bad">${step.error.type}: ${step.error.message}</span>` : step.summary) },
    ],
    of,
  );

function approvals(gates: GateState[]): Markup {
  if (gates.length === 0) return html`<p>This run had no gate.</p>`;
  return html`<p>Names are claimed where it says so: whoever sent the approval gave the name, and nothing proved it. “totp” and “signature” were checked against the person’s secret or key.</p>
${gates.map((gate) => html`<p><strong>${gate.gate}</strong>: ${gate.status}. ${gate.description}</p>
${gate.decisions.length > 0 && list(gate.decisions.map((decision) => `${decision.decision} by ${decision.by} (${decision.proof})${decision.onBehalfOf === undefined ? '' : ` for ${decision.onBehalfOf}`}, ${time(decision.at)}${decision.reason === null ? '' : `: ${decision.reason}`}`))}`)}`;
}

const journal = (report: RunReport): Markup =>
  table(
    [
      { title: 'UTC', cell: (entry) => clock(entry.at) },
      { title: 'About', whole: true, cell: (entry) => html`<code>${entry.about}</code>` },
      { title: 'What', cell: (entry) => entry.what },
      { title: 'By (claimed)', optional: true, cell: (entry) => entry.by },
    ],
    report.state.journal,
  );

/**
 * The report of a run as one HTML page that loads nothing from anywhere: safe to mail, to print, to open in ten years.
 * Everything that came from the run is escaped.
 */
export function renderReportHtml(report: RunReport): string {
  const outcome = describeOutcome(report);
  const watched = oldSide(report);
  const page = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${report.system}: ${outcome.headline}</title>
<style>${new Markup(style)}</style></head>
<body>
<header><p class="what">${report.title} (${report.system}), ${report.state.purpose}${report.state.severity && `, severity ${report.state.severity}`}${report.state.runbook && `, runbook ${report.state.runbook}${(report.state.escalations ?? []).map(({ from }) => `, escalated from ${from}`).join('')}`}${report.state.only && `, ${describePartial(report.state.only)}`}, incident ${time(report.incidentAt)}</p>
<h1 class="${outcome.tone}">${outcome.headline}</h1>
<p class="outcome">${outcome.sentence}</p></header>
${facts(report)}
${report.warnings.length > 0 && section('Warnings', list(report.warnings))}
${section('Next steps', list(listNextSteps(report)))}
${section('What the fence showed', fences(report))}
${watched && section('The old side from now on', watched)}
${report.writes && writes(report.writes)}
${section('Validation', validation(report))}
${section('Steps against their budgets', renderTimeline(report.state, report.finishedAt), steps(report.state.steps))}
${section('Approvals', approvals(report.state.gates))}
${section('Recovery point', report.points.length > 0 ? points(report.points) : html`<p>None was chosen.</p>`)}
${section('Journal', journal(report))}
<footer>Run <code>${report.workflowId}</code> (<code>${report.runId}</code>), asked for by ${report.state.requestedBy} (claimed), started ${time(report.state.startedAt)}, finished ${time(report.finishedAt)}. Report format ${report.format}.</footer>
</body></html>
`;
  return page.text;
}
