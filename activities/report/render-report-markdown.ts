import type { Drill } from '../../workflows/domain/drill-history.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatLogPosition } from '../../workflows/domain/log-position.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { tookOf, type JournalEntry, type StepState } from '../../workflows/domain/run-state.ts';
import { formatBytes, formatDuration } from '../../workflows/domain/units.ts';
import { aboutNames, aboutWrites, describeLog, fenceMeaning, formatCount, formatTime, isOver, listDecisions, listFacts, listGivenUp, listTurns, listWrites, noFence, noTurns } from './facts.ts';
import { compareWith, runRows, stepRows } from './earlier-runs.ts';
import { describeOutcome, listNextSteps } from './outcome.ts';
import { layTimeline } from './timeline.ts';

/** What came from the run must not become a heading, a link, a cell or markup of its own. */
const inline = (text: string): string => text.replace(/\s+/g, ' ').replace(/([\\`*_[\]<>#|~&])/g, '\\$1');
const list = (lines: readonly string[]): string => lines.map((line) => `- ${line}`).join('\n');
const section = (title: string, ...body: string[]): string => `## ${title}\n\n${body.filter((part) => part !== '').join('\n\n')}\n`;

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}

const barWidth = 40;

/** The same bars as the page's, in letters: `#` worked, `.` the budget left, `~` waited for a person or for its next try, `!` over budget, `X` failed. */
function timeline({ state, finishedAt }: RunReport): string {
  const marks = { worked: '#', waited: '~', over: '!', failed: 'X', none: ' ' } as const;
  const { spanMs, rows } = layTimeline(state, finishedAt);
  // A fence inside would end the block, a line break the row.
  const names = rows.map(({ step }) => step.id.replace(/[\s`]+/g, ' '));
  const wide = Math.max(0, ...names.map(({ length }) => length));
  const lines = rows.map((row, index) => {
    const [from, to] = [Math.min(barWidth - 1, Math.floor(row.from * barWidth)), Math.ceil(row.to * barWidth)];
    const budgetTo = row.budgetTo === null ? 0 : Math.ceil(row.budgetTo * barWidth);
    const bar = Array.from({ length: barWidth }, (_, at) => (row.waits.some((wait) => at >= Math.floor(wait.from * barWidth) && at < Math.ceil(wait.to * barWidth)) ? '~' : row.kind !== 'none' && at >= from && at < Math.max(to, from + 1) ? marks[row.kind] : at >= from && at < budgetTo ? '.' : ' '));
    return `${names[index]!.padEnd(wide)} |${bar.join('')}| ${row.note}`;
  });
  const end = `${formatDuration(spanMs)} after the incident`;
  return ['```', ...lines, `${' '.repeat(wide)} 0${end.padStart(barWidth + 1)}`, '```', '`#` worked, `.` budget left, `~` waited for a person, or for its next try, `!` over budget, `X` failed'].join('\n');
}

const steps = (of: readonly StepState[]): string =>
  table(
    ['Step', 'State', 'Took', 'Budget', 'Tries', 'What came of it'],
    of.map((step) => [
      inline(step.id), step.state, `${tookOf(step)}${isOver(step) ? ' (over)' : ''}`, step.budgetMs === null ? '' : formatDuration(step.budgetMs), String(step.attempt),
      inline(step.error ? `${step.error.type}: ${step.error.message}` : (step.summary ?? '')),
    ]),
  );

const journal = (entries: readonly JournalEntry[]): string =>
  table(['Time', 'About', 'What', 'Sent as'], entries.map(({ at, about, what, by }) => [formatTime(at), inline(about), inline(what), inline(by ?? '')]));

function fences(report: RunReport): string {
  const none = noFence(report);
  if (none !== undefined) return none;
  return Object.entries(report.fence)
    .map(([source, fence]) => `**${inline(source)}**: ${fence.outcome}, ${formatTime(fence.fencedAt)}. ${fenceMeaning[fence.outcome]} ${describeLog(fence.logReachable)}\n\n${list(fence.evidence.map(inline))}`)
    .join('\n\n');
}

const validation = (report: RunReport): string =>
  report.validation.length === 0
    ? 'Nothing was validated.'
    : report.validation
        .map((result) => {
          const rows = result.collections.map((one) => [inline(one.ns), formatCount(one.count), one.expectedCount === null ? '' : formatCount(one.expectedCount), one.hashEqual === null ? 'not compared' : one.hashEqual ? 'equal' : 'DIFFERS', inline(one.note ?? '')]);
          const left = result.collectionCount > rows.length ? `${formatCount(rows.length)} of ${formatCount(result.collectionCount)} collections shown.` : '';
          const head = `**${inline(result.id)}: ${result.ok ? 'passed' : 'FAILED'}** (${result.effect === 'gate' ? 'must pass' : 'warns only'}). Claim: ${inline(result.claim)}.`;
          return [head, list(result.problems.map(inline)), rows.length > 0 ? table(['Collection', 'Documents', 'Expected', 'Content', 'Note'], rows) : '', left].filter((part) => part !== '').join('\n\n');
        })
        .join('\n\n');

const watched = ({ system, runId, watches = {} }: RunReport): string =>
  list(Object.entries(watches).map(([source, { workflowId, endsAt }]) => `${inline(source)}: workflow \`${workflowId}\` looks after the old primary until ${formatTime(endsAt)} (\`holdfast watch status ${system}\`). What it took that the recovered data does not hold will be in \`${layout.evidence(system, runId, `diverged-${source}.html`)}\`.`));

const points = ({ points: of }: RunReport): string =>
  table(['Source', 'Base backup', 'Size', 'Log after it', 'Reaches', 'Timeline'], of.map((point) => [inline(point.source), `${point.base.backup} of ${formatTime(point.base.finishedAt)}`, formatBytes(point.base.plainBytes), `${formatCount(point.log.slices)} slices`, formatLogPosition(point.reaches), point.timeline]));

/** The report of a run as Markdown, for a ticket, a chat or a terminal: the same facts as the page, in the same order. */
export function renderReportMarkdown(report: RunReport, runs: readonly Drill[] = []): string {
  const { state } = report;
  const outcome = describeOutcome(report);
  const turns = listTurns(report);
  const compared = compareWith(report, runs);
  const gates = state.gates.map((gate) => [`**${inline(gate.gate)}**: ${gate.status}. ${inline(gate.description)}`, list(listDecisions(gate).map(inline))].filter((part) => part !== '').join('\n\n'));
  const givenUp = listGivenUp(report);
  const marks = (met: boolean | null): string => (met === null ? '' : met ? 'yes' : 'NO');
  return [
    `# ${inline(outcome.headline)}\n\n${inline(outcome.sentence)}\n\n${inline(`${report.title} (${report.system}), ${state.purpose}${state.severity ? `, severity ${state.severity}` : ''}${state.runbook ? `, runbook ${state.runbook}` : ''}${(state.escalations ?? []).map(({ from }) => `, escalated from ${from}`).join('')}, incident ${formatTime(report.incidentAt)}`)}\n`,
    `${table(['', 'Reached', 'Good', ''], listFacts(report).map(({ title, value, note, met }) => [title, inline(value), marks(met), inline(note)]))}\n`,
    ...(report.warnings.length > 0 ? [section('Warnings', list(report.warnings.map(inline)))] : []),
    section('Next steps', list(listNextSteps(report).map(inline))),
    section('Timeline against budgets', timeline(report)),
    ...(compared ? [section(`Against earlier ${compared.run.purpose === 'drill' ? 'drills' : 'recoveries'}`, ...[runRows(compared), stepRows(compared)].map(({ titles, rows }) => table(titles, rows.map((row) => row.map(inline)))))] : []),
    section('What failed, and what people decided', turns.length > 0 ? journal(turns) : noTurns),
    section('Approvals', ...(gates.length > 0 ? [aboutNames, ...gates] : ['This run had no gate.'])),
    section('What the fence showed', fences(report)),
    ...(watched(report) === '' ? [] : [section('The old side from now on', watched(report))]),
    ...(report.writes ? [section('Acknowledged writes', aboutWrites, table(['What', 'Found'], listWrites(report.writes).map((row) => row.map(inline))))] : []),
    section('Validation', validation(report)),
    section('Steps', steps(state.steps)),
    ...(givenUp.length > 0 ? [section('Runbooks that were given up', ...givenUp.flatMap(({ title, rows }) => [`**${inline(title)}**`, table(['Step', 'State', 'Took', 'What came of it'], rows.map((row) => row.map(inline)))]))] : []),
    section('Recovery point', report.points.length > 0 ? points(report) : 'None was chosen.'),
    section('Journal', journal(state.journal)),
    `Run \`${report.workflowId}\` (\`${report.runId}\`), asked for by ${inline(state.requestedBy)} (claimed), started ${formatTime(state.startedAt)}, finished ${formatTime(report.finishedAt)}. Report format ${report.format}.\n`,
  ].join('\n');
}
