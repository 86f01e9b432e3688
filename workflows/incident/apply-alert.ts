import type { Alert } from '../domain/alert.ts';
import { automatic, goesOn, isOver, kindOf, type IncidentRun, type IncidentState } from '../domain/incident.ts';
import type { IncidentsView } from '../domain/incident-schema.ts';
import { note, type Effect } from './effects.ts';
import { restartLadders, startLadders } from './ladders.ts';
import { hours } from '../domain/units.ts';

const alertsKept = 100;
/** An alert that began earlier says little of now: its run waits for a person. */
const autoWithinMs = hours(1);
/** An alert soon after the end is the same incident again. */
const reopenWithinMs = hours(1);

/** Whether an alert is of this incident; one that comes long after the end begins another. */
export const belongs = ({ status, resolvedAt, closedAt, alerts }: IncidentState, alert: Alert, at: string): boolean =>
  closedAt === null && (alert.state === 'resolved' || status !== 'resolved' || alerts.some(({ key }) => key === alert.key) || Date.parse(at) - Date.parse(resolvedAt!) < reopenWithinMs);

/** An alert, or its end. The same one again counts, and changes nothing. */
export function applyAlert(state: IncidentState, alert: Alert, { rules, updateEveryMs }: Pick<IncidentsView, 'rules' | 'updateEveryMs'>, at: string): Effect[] {
  const known = state.alerts.find(({ key }) => key === alert.key);
  if (alert.state === 'resolved') return known?.firing ? quiet(state, known, at) : [];
  if (known) {
    known.count += 1;
    known.firing = true;
    known.lastAt = at;
    return [];
  }
  const { key, from, rule, name, summary, link } = alert;
  state.alerts = [...state.alerts, { key, from, rule, name, summary, link, firing: true, at: alert.at, lastAt: at, count: 1 }].slice(-alertsKept);
  note(state, at, `alert ${name} (${from}), since ${alert.at}: ${summary}`);
  if (state.status === 'resolved') {
    reopen(state, at, null);
    state.nextUpdateAt = new Date(Date.parse(at) + updateEveryMs[state.severity ?? 'P2']).toISOString();
  }
  startLadders(state, rules[rule]?.contacts ?? [], at);
  return propose(state, alert, rules[rule], at);
}

function quiet(state: IncidentState, alert: IncidentState['alerts'][number], at: string): Effect[] {
  alert.firing = false;
  alert.lastAt = at;
  const firing = state.alerts.filter((other) => other.firing).length;
  note(state, at, `alert ${alert.name} is quiet; ${firing === 0 ? 'none fires any more' : `${firing} still fire`}`);
  return firing === 0 && state.status !== 'resolved' ? [{ kind: 'tell', what: 'no alert fires any more', isNews: false }] : [];
}

export function reopen(state: IncidentState, at: string, by: string | null): void {
  note(state, at, `opened again; it was resolved at ${state.resolvedAt}`, by);
  Object.assign(state, { status: 'investigating', resolvedAt: null, resolvedBy: null } satisfies Partial<IncidentState>);
  restartLadders(state, at);
}

/** One proposal for each runbook at a time; by itself only the first run of an incident starts, so that what people aborted does not come back. */
function propose(state: IncidentState, alert: Alert, rule: IncidentsView['rules'][string] | undefined, at: string): Effect[] {
  const what = `alert ${alert.name}: ${alert.summary}`;
  if (!rule || state.runs.some((run) => run.runbook === rule.runbook && !isOver(run)) || state.runs.some(goesOn)) return [{ kind: 'tell', what, isNews: true }];
  const isFirst = state.runs.length === 0;
  const isRecent = Date.parse(at) - Date.parse(alert.at) < autoWithinMs;
  const run = addRun(state, { runbook: rule.runbook, by: `alert ${alert.name}`, why: alert.summary, at });
  if (!rule.auto || !isFirst || !isRecent) {
    note(state, at, `run ${run.id} (${run.kind}) is proposed${rule.auto ? `, and does not start by itself: ${isFirst ? 'the alert is old' : 'the incident has had a run'}` : ''}`);
    return [{ kind: 'tell', what: `${what}; a run is proposed`, isNews: true }];
  }
  run.status = 'starting';
  run.by = automatic;
  note(state, at, `run ${run.id} (${run.kind}) starts by itself, as alert ${alert.rule} of the system file says`);
  return [{ kind: 'start', run: run.id }, { kind: 'tell', what: `${what}; a run starts by itself`, isNews: true }];
}

export function addRun(state: IncidentState, { runbook, by, why, at }: { runbook: string | null; by: string; why: string; at: string }): IncidentRun {
  const run: IncidentRun = {
    id: `r${state.runs.length + 1}`, kind: kindOf(runbook, state.homeward), runbook, status: 'proposed', why, by, proposedAt: at,
    entry: null, workflowId: null, runId: null, steps: [], servedAt: null, endedAt: null, outcome: null, rpo: null,
  };
  state.runs = [...state.runs, run];
  return run;
}
