import { goesOn, isOver, kindOf, type IncidentRun, type IncidentState, type JoinAnswer, type JoinAsked, type RunTold } from '../domain/incident.ts';
import { addRun } from './apply-alert.ts';
import { note, type Effect } from './effects.ts';

const waits = ({ state }: IncidentRun['steps'][number]): boolean => state !== 'running';

/** A recovery that wants to be this incident's. One that the incident itself has started is known by its entry. */
export function applyJoin(state: IncidentState, { incident, entry, runbook, by, why }: JoinAsked, at: string): JoinAnswer {
  if (incident !== 'open' && incident !== state.id) return { refused: `the incident of ${state.system} that is open is ${state.id}` };
  if (state.status === 'resolved') return { refused: `incident ${state.id} was resolved at ${state.resolvedAt}` };
  if (!state.runs.some((run) => run.entry === entry)) {
    const run = addRun(state, { runbook, by, why: why ?? 'started by hand', at });
    Object.assign(run, { status: 'starting', entry } satisfies Partial<IncidentRun>);
    note(state, at, `run ${run.id} (${run.kind}) joins`, by);
  }
  return { incident: state.id, startedAt: state.startedAt, severity: state.severity };
}

/** What a run says of itself. Said twice it changes nothing, and an end is final. */
export function applyTold(state: IncidentState, told: RunTold, at: string): Effect[] {
  const run = state.runs.find(({ entry }) => entry === told.entry);
  if (!run || told.incident !== state.id || (isOver(run) && run.status !== 'lost')) return [];
  const before = { ...run };
  Object.assign(run, {
    runbook: told.runbook, kind: kindOf(told.runbook, state.homeward), status: told.status, workflowId: told.workflowId || null, runId: told.runId || null,
    steps: told.steps, servedAt: told.servedAt, endedAt: told.endedAt, outcome: told.outcome, rpo: told.rpo,
    ...(told.why === undefined ? {} : { why: told.why }),
  } satisfies Partial<IncidentRun>);
  const news = newsOf(before, run);
  news.forEach((what) => note(state, at, what));
  return [...news.map((what): Effect => ({ kind: 'tell', what, isNews: run.status === 'refused' || run.status === 'aborted' })), ...ownersOf(state, before, run)];
}

/** What the run itself tells (an approval, a failure, a warning) is not told twice. */
function newsOf(before: IncidentRun, now: IncidentRun): string[] {
  const name = `run ${now.id}`;
  return [
    ...(before.kind !== now.kind ? [`${name}: ${before.kind} → ${now.kind}, runbook ${now.runbook}`] : []),
    ...(before.status === 'starting' && goesOn(now) ? [`${name} (${now.kind}) has started: ${now.workflowId}`] : []),
    ...(before.servedAt === null && now.servedAt !== null ? [`service is back since ${now.servedAt}, by ${name}`] : []),
    ...(!isOver(before) && isOver(now) ? [`${name} ${now.status === 'refused' ? `was refused: ${now.why}` : `has ended: ${now.outcome ?? now.status}`}`] : []),
  ];
}

/** Steps with an owner that wait or have failed and did not before; and those that do so no more. */
function ownersOf(state: IncidentState, before: IncidentRun, now: IncidentRun): Effect[] {
  const owned = new Set(state.owners.map(({ step }) => step));
  const wanted = (run: IncidentRun): IncidentRun['steps'] => run.steps.filter((step) => waits(step) && owned.has(step.id));
  const isIn = (steps: IncidentRun['steps'], { id, state: is }: IncidentRun['steps'][number]): boolean => steps.some((step) => step.id === id && step.state === is);
  return [
    ...wanted(before).filter(({ id }) => !wanted(now).some((step) => step.id === id)).map(({ id, state: is }): Effect => ({ kind: 'owner', run: now.id, step: id, is, over: true })),
    ...wanted(now).filter((step) => !isIn(wanted(before), step)).map(({ id, state: is }): Effect => ({ kind: 'owner', run: now.id, step: id, is, over: false })),
  ];
}
