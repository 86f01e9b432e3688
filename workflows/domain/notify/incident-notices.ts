import { recoveredAt, type IncidentRun, type IncidentState } from '../incident.ts';
import { formatDuration, formatMinute } from '../units.ts';
import { fitted, type Notice, type NoticePhase, type Severity } from './notice.ts';
import type { Origin } from './other-notices.ts';
import { alertKeys } from './alert-keys.ts';

const bySeverity: Record<string, Severity> = { P1: 'critical', P2: 'error', P3: 'warning', P4: 'info' };

/** How it stands, in the order of the handbooks' status update: incident, status, impact, next update, actions. */
function statusLines(state: IncidentState, at: string): string[] {
  const over = recoveredAt(state);
  const passedMs = Math.max(0, Date.parse(over ?? at) - Date.parse(state.startedAt));
  const actions = state.runs.filter(({ status }) => status !== 'dismissed').map(describeRun);
  return [
    `incident: ${state.summary}`,
    `status: ${state.status}${state.severity ? `, ${state.severity}` : ''}; ${over ? `over after ${formatDuration(passedMs)}` : `for ${formatDuration(passedMs)}`} (RTO ${formatDuration(state.rtoObjectiveMs)}), since ${formatMinute(state.startedAt)}`,
    `impact: ${state.impact ?? 'nobody has said'}`,
    ...(state.nextUpdateAt && state.status !== 'resolved' ? [`next update: by ${formatMinute(state.nextUpdateAt)}`] : []),
    ...(actions.length > 0 ? actions.map((action) => `run ${action}`) : ['runs: none']),
  ];
}

export const describeRun = ({ id, kind, runbook, status, by, why, steps, workflowId }: IncidentRun): string => {
  const now = steps.length > 0 ? `: ${steps.map((step) => `${step.id} ${step.state}`).join(', ')}` : '';
  return `${id}: ${kind}${runbook ? ` (${runbook})` : ''}, ${status}${status === 'proposed' || status === 'refused' || status === 'dismissed' ? ` (${why})` : `, by ${by}`}${workflowId ? ` ${workflowId}` : ''}${now}`;
};

const made = (origin: Origin, state: IncidentState, said: { phase: NoticePhase; severity: Severity; title: string; lines: string[]; answers?: string[]; called?: string[]; key: string; closed?: boolean }): Notice =>
  fitted({
    id: `${origin.run}/${origin.number}-${said.phase}`,
    audience: 'internal',
    phase: said.phase,
    severity: said.severity,
    at: origin.at,
    title: `${state.system}: ${said.title}`,
    lines: said.lines,
    answers: said.answers ?? [],
    ...(said.called && said.called.length > 0 ? { called: said.called } : {}),
    thread: alertKeys.incident(state.system, state.id),
    alert: { key: said.key, state: said.closed ? 'closed' : 'open' },
    facts: { system: state.system, incident: state.id, status: state.status, severity: state.severity, impact: state.impact, startedAt: state.startedAt, nextUpdateAt: state.nextUpdateAt, resolvedAt: state.resolvedAt },
  });

export const howToUpdate = (system: string): string[] => [`signal \`update\` with \`{"status": "identified", "text": "…", "by": "YOUR NAME"}\``, `or \`holdfast incident update ${system} --status identified --text "…" --by YOUR-NAME\``];
export const howToStart = (system: string, run: string): string[] => [`signal \`start\` with \`{"run": "${run}", "by": "YOUR NAME"}\` (or \`dismiss\`, with a reason)`, `or \`holdfast incident start ${system} --run ${run} --by YOUR-NAME\``];

/** It was opened or changed. `what` says how, in a line. */
export const incidentChanged = (origin: Origin, state: IncidentState, what: string, isNews: boolean): Notice =>
  made(origin, state, {
    phase: 'incident',
    severity: isNews ? (bySeverity[state.severity ?? 'P2'] ?? 'error') : 'info',
    title: `incident ${state.status === 'resolved' ? 'RESOLVED' : state.status}: ${what}`,
    lines: statusLines(state, origin.at),
    answers: state.runs.filter(({ status }) => status === 'proposed').slice(0, 1).flatMap(({ id }) => howToStart(state.system, id)),
    key: alertKeys.incident(state.system, state.id),
    closed: state.status === 'resolved',
  });

export const updateDue = (origin: Origin, state: IncidentState): Notice =>
  made(origin, state, {
    phase: 'update-due',
    severity: state.status === 'resolved' ? 'info' : 'warning',
    title: state.status === 'resolved' ? 'the review of the incident is due' : 'the next update on the incident is DUE',
    lines: [`due since ${formatMinute(state.nextUpdateAt ?? origin.at)}`, ...statusLines(state, origin.at)],
    answers: state.status === 'resolved' ? [`\`holdfast incident review ${state.system} --cause "…" --by YOUR-NAME\``] : howToUpdate(state.system),
    key: alertKeys.updateDue(state.system, state.id),
  });

export const updateGiven = (origin: Origin, state: IncidentState, by: string): Notice =>
  made(origin, state, { phase: 'update-due', severity: 'info', title: `${state.closedAt ? 'closed' : 'an update was given'} by ${by}`, lines: statusLines(state, origin.at), key: alertKeys.updateDue(state.system, state.id), closed: true });

/** To those of a rung of the contacts, and again when they are not needed any more. */
export const callWanted = (origin: Origin, state: IncidentState, of: { ladder: string; rung: number; to: string[]; over: boolean }): Notice =>
  made(origin, state, {
    phase: 'escalation',
    severity: of.over ? 'info' : 'critical',
    title: of.over ? `nobody of ${of.ladder} is called any more: ${state.status === 'resolved' ? 'resolved' : 'answered'}` : `CALLED${of.to.length > 0 ? `: ${of.to.join(', ')}` : ''} (${of.ladder}): incident ${state.answeredAt === null ? 'without an answer' : 'not over'}`,
    lines: statusLines(state, origin.at),
    answers: of.over ? [] : howToUpdate(state.system),
    called: of.over ? [] : of.to,
    key: alertKeys.call(state.system, state.id, of.ladder, of.rung),
    closed: of.over,
  });

/** To the owner of a step that waits or has failed, and again when it goes on. */
export const ownerWanted = (origin: Origin, state: IncidentState, of: { step: string; is: string; owner: string; run: IncidentRun; over: boolean }): Notice =>
  made(origin, state, {
    phase: 'owner',
    severity: of.over ? 'info' : 'critical',
    title: of.over ? `step ${of.step} (${of.owner}) does not wait any more` : `step ${of.step} ${of.is === 'waiting' ? 'WAITS' : 'HAS FAILED'}: ${of.owner}`,
    lines: [`run ${describeRun(of.run)}`, ...statusLines(state, origin.at)],
    answers: of.over ? [] : [`what it waits for: \`holdfast status ${state.system}\``],
    key: alertKeys.owner(state.system, state.id, of.step),
    closed: of.over,
  });
