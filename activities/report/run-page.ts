import type { ReportPage } from '../../workflows/domain/report-page.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { tookOf } from '../../workflows/domain/run-state.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { formatTime, isOver, listDecisions, listFacts } from './facts.ts';
import { describeOutcome, listNextSteps } from './outcome.ts';

/** The report of a recovery or a drill as a page for a mail; what it has beside this, the timeline first of all, is on the page in the store. */
export function runPage(report: RunReport): ReportPage {
  const { state, system, title } = report;
  const { tone, headline, sentence } = describeOutcome(report);
  const failed = report.validation.filter(({ ok }) => !ok);
  return {
    about: `${title} (${system}), ${state.purpose}${state.runbook ? `, runbook ${state.runbook}` : ''}, ${formatTime(report.incidentAt)}`,
    tone,
    headline,
    sentence,
    facts: listFacts(report),
    sections: [
      ...(report.warnings.length > 0 ? [{ title: 'Warnings', list: report.warnings }] : []),
      { title: 'Next steps', list: listNextSteps(report) },
      {
        title: 'Validation',
        table: { columns: [{ title: 'Check', kind: 'name' }, { title: 'Held' }, { title: 'Claim', kind: 'wide' }, { title: 'Collections', kind: 'number' }], rows: report.validation.map(({ id, ok, claim, collectionCount }) => [id, ok ? 'yes' : { text: 'no', tone: 'bad' }, claim, String(collectionCount)]) },
        ...(failed.length > 0 ? { list: failed.flatMap(({ id, problems }) => problems.slice(0, 5).map((problem) => `${id}: ${problem}`)) } : {}),
      },
      {
        title: 'Steps',
        table: { columns: [{ title: 'Step', kind: 'name' }, { title: 'State' }, { title: 'Took', kind: 'number' }, { title: 'Budget', kind: 'number' }, { title: 'What came of it', kind: 'wide' }], rows: state.steps.map((step) => [step.id, step.state === 'failed' || step.state === 'stuck' ? { text: step.state, tone: 'bad' } : step.state, isOver(step) ? { text: `${tookOf(step)} (over)`, tone: 'warn' } : tookOf(step), step.budgetMs === null ? '' : formatDuration(step.budgetMs), step.error ? `${step.error.type}: ${step.error.message}` : (step.summary ?? '')]) },
      },
      ...(state.gates.some((gate) => listDecisions(gate).length > 0) ? [{ title: 'Approvals', list: state.gates.flatMap((gate) => listDecisions(gate).map((said) => `${gate.gate}: ${said}`)) }] : []),
    ],
    footer: `Run ${report.workflowId} (${report.runId}), asked for by ${state.requestedBy} (claimed), finished ${formatTime(report.finishedAt)}.`,
  };
}
