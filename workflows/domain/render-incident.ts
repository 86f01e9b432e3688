import type { IncidentRecord } from './incident-record.ts';
import { formatDuration } from './units.ts';

const met = (is: boolean | null): string => (is === null ? 'not known' : is ? 'met' : 'MISSED');
/** What people typed must not become a heading or a list of its own. */
const inline = (text: string): string => text.replace(/\s+/g, ' ').replace(/([\\`*_[\]<>#|])/g, '\\$1');
const list = (title: string, lines: readonly string[]): string => (lines.length === 0 ? '' : `\n## ${title}\n\n${lines.map((line) => `- ${line}`).join('\n')}\n`);

/** What is kept of an incident, as Markdown for people. */
export function renderIncident({ state, recoveryMs, rto, rpo }: IncidentRecord): string {
  const facts = [
    `system: ${state.system}; id: ${state.id}; severity: ${state.severity ?? 'not said'}`,
    `impact: ${inline(state.impact ?? 'nobody said')}`,
    `started ${state.startedAt}, opened ${state.openedAt} by ${inline(state.openedBy)}`,
    `resolved ${state.resolvedAt ?? 'never'}${state.resolvedBy ? ` by ${inline(state.resolvedBy)}` : ''}; closed ${state.closedAt ?? 'not yet'}`,
    `time to recovery: ${recoveryMs === null ? 'not known' : formatDuration(recoveryMs)}; RTO ${formatDuration(rto.objectiveMs)} ${met(rto.met)}`,
    `loss of data: ${rpo.achievedMs === null ? 'not known' : formatDuration(rpo.achievedMs)}; RPO ${formatDuration(rpo.objectiveMs)} ${met(rpo.met)}`,
  ];
  const runs = state.runs.map(({ id, kind, runbook, status, by, why, workflowId, servedAt, outcome }) => `${id}: ${kind}${runbook ? ` (${runbook})` : ''}, ${outcome ?? status}, by ${inline(by)}: ${inline(why)}${servedAt ? `; service back ${servedAt}` : ''}${workflowId ? `; ${workflowId}` : ''}`);
  const alerts = state.alerts.map(({ name, from, at, firing, count, summary }) => `${inline(name)} (${from}) since ${at}, ${firing ? 'still fired' : 'ended'}, told ${count} times: ${inline(summary)}`);
  const { review } = state;
  return [
    `# Incident: ${inline(state.summary)}\n\n${facts.map((fact) => `- ${fact}`).join('\n')}\n`,
    review ? `\n## Review\n\nBy ${inline(review.by)}, ${review.at}. Cause: ${inline(review.cause)}\n` : '\n## Review\n\n**None.**\n',
    list('Learnt', (review?.lessons ?? []).map(inline)),
    list('To do', (review?.actions ?? []).map(inline)),
    list('Runs', runs),
    list('Owners', state.owners.map(({ step, role, person }) => `${step}: ${inline(role)}${person ? ` (${inline(person)})` : ''}`)),
    list('Alerts', alerts),
    list('Journal', state.journal.map(({ at, by, what }) => `${at}${by ? ` ${inline(by)}` : ''}: ${inline(what)}`)),
    list('Warnings', state.warnings.map(inline)),
  ].join('');
}
