import { uuid4 } from '@temporalio/workflow';
import type { Decision } from '../act-recorder.ts';
import type { Alert } from '../domain/alert.ts';
import type { IncidentsView } from '../domain/incident-schema.ts';
import type { IncidentState } from '../domain/incident.ts';
import { makeId } from '../domain/make-id.ts';
import type { Severity } from '../domain/messages.ts';
import type { NotifyView } from '../domain/notify/notice.ts';
import type { People } from '../domain/people.ts';

/** What an incident knows of its system. It is refreshed by each alert; what is written on the clock, the objectives, stays. */
export interface IncidentView {
  system: string;
  title: string;
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  people: People | undefined;
  notify: NotifyView | undefined;
  incidents: IncidentsView;
  runbooks: string[];
  /** those of them that lead home */
  homeward: string[];
}

export interface OpenedIncident {
  summary: string;
  severity: Severity | null;
  impact: string | null;
  startedAt: string;
  by: string;
  alert: Alert | null;
}

/** From openIncident: an alert for an incident that is open. */
export interface AlertTold {
  alert: Alert;
  view: IncidentView;
}

export interface RunIncidentInput {
  view: IncidentView;
  opened: OpenedIncident;
  /** of the run before this one, whose history is gone */
  state?: IncidentState | undefined;
  /** reminders since the last update */
  reminders?: number | undefined;
  /** others that came before this incident had begun */
  alerts?: AlertTold[] | undefined;
  /** decisions that the store had not taken yet when the run before this one ended */
  unrecorded?: readonly Decision[] | undefined;
}

/** What is on the clock when an incident is opened. @param openedAt - UTC ISO. */
export function newState(view: IncidentView, opened: OpenedIncident, openedAt: string): IncidentState {
  return {
    format: 1,
    id: makeId(Date.now(), uuid4()),
    system: view.system,
    summary: opened.summary,
    status: 'investigating',
    severity: opened.severity,
    impact: opened.impact,
    startedAt: opened.startedAt,
    openedAt,
    openedBy: opened.by,
    rtoObjectiveMs: view.rtoObjectiveMs,
    rpoObjectiveMs: view.rpoObjectiveMs,
    nextUpdateAt: new Date(Date.parse(openedAt) + view.incidents.updateEveryMs[opened.severity ?? 'P2']).toISOString(),
    homeward: view.homeward,
    owners: Object.entries(view.incidents.owners).map(([step, { role, person }]) => ({ step, role, person: person ?? null })),
    answeredAt: null,
    ladders: [],
    alerts: [],
    runs: [],
    resolvedAt: null,
    resolvedBy: null,
    review: null,
    closedAt: null,
    journal: [],
    warnings: [],
  };
}

/** The incident that an alert begins when the one before it is closed. */
export function openedBy({ alert, view }: AlertTold, at: string): OpenedIncident {
  const rule = view.incidents.rules[alert.rule];
  return { summary: alert.summary, severity: rule?.severity ?? null, impact: rule?.impact ?? null, startedAt: alert.at < at ? alert.at : at, by: `alert ${alert.name} (${alert.from})`, alert };
}
