import { setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { startLocked, trySignal } from './children.ts';
import { HoldfastError } from './domain/errors.ts';
import { runbookNames } from './domain/expand-runbook.ts';
import { toIncidentsView } from './domain/incident-schema.ts';
import { automatic, incidentSignals } from './domain/incident.ts';
import { openIncidentInput, parseInput, type OpenIncidentInput } from './domain/inputs.ts';
import { anonymous } from './domain/messages.ts';
import { lockIds } from './domain/names.ts';
import type { SystemView } from './domain/system-view.ts';
import { failure, surfacing } from './failure.ts';
import type { AlertTold, IncidentView, OpenedIncident } from './incident/incident-input.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';

/**
 * Opens an incident: the entry, under any id. The incident is the child `incident/<system>`, so that there is one at a time; an alert
 * joins the one that is open. `holdfast listen` starts it under an id that is made of the alert's occurrence, so that a delivery that comes twice is one start.
 *
 * @param typed - OpenIncidentInput as a person types it.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, AlreadyRunning.
 */
export async function openIncident(typed: unknown): Promise<{ workflowId: string; joined: boolean } | { workflowId: null }> {
  return await surfacing(async () => {
    const input = parseInput('openIncident', openIncidentInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    const of = viewOf(view);
    // The system file says which alerts open one; nobody of its people is asked.
    if (input.alert) checkRule(of, input.alert.rule);
    // A store that is away, of all times, must not keep an incident from being opened.
    let recorded: Promise<unknown> | undefined;
    await admit('openIncident', view, input.alert ? { ...input, requestedBy: `alert ${input.alert.name}`, reason: input.alert.summary } : input, (record) => (recorded = record));
    mark({ system: view.system, purpose: 'incident' });
    const workflowId = lockIds.incident(view.system);
    if (workflowInfo().workflowId === workflowId) throw new HoldfastError('BadInput', `The workflow id ${workflowId} is the lock of the incident itself.`, { hint: 'start openIncident under any other id' });
    const answer = await open(workflowId, of, opened(input, of));
    await recorded;
    return answer;
  });
}

const viewOf = (view: SystemView): IncidentView => ({
  system: view.system,
  title: view.title,
  rtoObjectiveMs: view.rtoObjectiveMs,
  rpoObjectiveMs: view.rpoObjectiveMs,
  people: view.people,
  notify: view.notify,
  incidents: view.incidents ?? toIncidentsView(),
  runbooks: runbookNames(view),
  homeward: Object.entries(view.runbooks ?? {}).flatMap(([name, { towards }]) => (towards === 'home' ? [name] : [])),
});

function checkRule({ system, incidents }: IncidentView, rule: string): void {
  if (!incidents.rules[rule]) throw new HoldfastError('BadInput', `field "alert.rule" is "${rule}", and listen.alerts of ${system} has ${Object.keys(incidents.rules).join(', ') || 'none'}.`);
}

function opened({ summary, severity, impact, startedAt, requestedBy, alert }: OpenIncidentInput, { incidents }: IncidentView): OpenedIncident {
  const now = workflowInfo().startTime.toISOString();
  // A clock that is ahead must not put the start into the future.
  const at = startedAt ?? alert?.at ?? now;
  if (!alert && Date.parse(at) > Date.parse(now) + 60_000) throw new HoldfastError('BadInput', `openIncident: field "startedAt" is ${at}, which is in the future: now it is ${now}.`);
  if (!alert && summary === undefined) throw new HoldfastError('BadInput', 'openIncident: field "summary" is missing, expected what is wrong, a line.', { hint: '{"system": "demo", "summary": "documents cannot be saved"}' });
  if (requestedBy === automatic) throw new HoldfastError('BadInput', `openIncident: field "requestedBy" is "${automatic}", which is nobody's name.`);
  const rule = alert ? incidents.rules[alert.rule] : undefined;
  return {
    summary: summary ?? alert!.summary,
    severity: severity ?? rule?.severity ?? null,
    impact: impact ?? rule?.impact ?? null,
    startedAt: at < now ? at : now,
    by: alert ? `alert ${alert.name} (${alert.from})` : (requestedBy ?? anonymous),
    alert: alert ?? null,
  };
}

/** Killed anywhere: the start of the child and the signal are commands of this workflow, done once each; an alert that is told twice counts once. */
async function open(workflowId: string, view: IncidentView, what: OpenedIncident): Promise<{ workflowId: string; joined: boolean } | { workflowId: null }> {
  const { alert } = what;
  for (;;) {
    // The end of an alert opens nothing.
    const child = alert?.state === 'resolved' ? undefined : await startLocked('runIncident', workflowId, { view, opened: what }, `incident of ${view.system}: ${what.summary}`);
    if (child) {
      setCurrentDetails(`The incident is workflow \`${workflowId}\`: its details, its state and its messages are there.`);
      return { workflowId, joined: false };
    }
    if (!alert) {
      throw failure('AlreadyRunning', `An incident of ${view.system} is open already: workflow ${workflowId}.`, { hint: `holdfast incident show ${view.system}; say what is new by update, or review it if it is resolved` });
    }
    const told: AlertTold = { alert, view };
    if (await trySignal(workflowId, incidentSignals.alert, told)) {
      setCurrentDetails(`The incident is workflow \`${workflowId}\`: the alert was told to it.`);
      return { workflowId, joined: true };
    }
    // It has been closed between the two: this alert opens the next one.
    if (alert.state === 'resolved') return { workflowId: null };
  }
}
