import type { IncidentMessage, IncidentMessageName } from '../domain/incident-messages.ts';
import { goesOn, type IncidentRun, type IncidentState } from '../domain/incident.ts';
import { mainRunbook } from '../domain/expand-runbook.ts';
import { anonymous } from '../domain/messages.ts';
import type { IncidentsView } from '../domain/incident-schema.ts';
import type { NotifyView } from '../domain/notify/notice.ts';
import type { People } from '../domain/people.ts';
import { permit, type Act } from '../domain/permissions.ts';
import type { Refusal } from '../runbook/waits-for.ts';
import { addRun, reopen } from './apply-alert.ts';
import { note, type Effect } from './effects.ts';

export const acts: Record<IncidentMessageName, Act> = { update: 'update-incident', assign: 'update-incident', start: 'recover', dismiss: 'dismiss-run', resolve: 'resolve-incident', review: 'review-incident' };

export type Asked = { [N in IncidentMessageName]: { name: N; message: IncidentMessage<N> } }[IncidentMessageName];
export interface Known {
  people: People | undefined;
  /** names of the system's runbooks */
  runbooks: readonly string[];
  incidents: Pick<IncidentsView, 'outside'>;
  notify: NotifyView | undefined;
}

const refuse = (type: Refusal['type'], message: string): Refusal => ({ type, message });
const proposals = ({ runs }: IncidentState): IncidentRun[] => runs.filter(({ status }) => status === 'proposed');
const list = (runs: readonly IncidentRun[]): string => runs.map(({ id, kind, status }) => `${id} (${kind}, ${status})`).join(', ') || 'none';

/** Why a message cannot be obeyed now; undefined: it can. Said twice, it is refused the second time. */
export function refuseMessage(state: IncidentState, { name, message }: Asked, { people, runbooks, incidents, notify }: Known): Refusal | undefined {
  const permission = permit(people, acts[name], message.by);
  if (permission.may === false) return refuse('NotPermitted', permission.why);
  if (state.closedAt) return refuse('NotWaiting', `Incident ${state.id} was closed at ${state.closedAt}.`);
  if ('outside' in message && message.outside !== undefined && (incidents.outside.length === 0 || !notify?.external)) return refuse('BadInput', 'Nobody outside is told of incidents of this system: its file names no severity under incidents.outside.');
  switch (name) {
    case 'update': return saysNothing(state, message) ? refuse('NotWaiting', 'That is how it stands already.') : undefined;
    case 'assign': return refuseOwner(state, message);
    case 'start': return refuseStart(state, message, runbooks);
    case 'dismiss': {
      const run = proposed(state, message.run);
      return 'type' in run ? run : undefined;
    }
    case 'resolve': return state.status === 'resolved' ? refuse('NotWaiting', `It was resolved by ${state.resolvedBy} at ${state.resolvedAt}.`) : undefined;
    case 'review': return state.status === 'resolved' ? undefined : refuse('NotWaiting', `It is ${state.status}: it is reviewed once it was resolved.`);
  }
}

function saysNothing(state: IncidentState, { status, severity, impact, text, outside, nextUpdate, by = anonymous }: IncidentMessage<'update'>): boolean {
  const last = state.journal.at(-1);
  if (nextUpdate !== undefined) return false;
  if ((status ?? state.status) !== state.status || (severity ?? state.severity) !== state.severity || (impact ?? state.impact) !== state.impact) return false;
  const said = outside === undefined ? text : toldOutside(outside);
  return said === undefined || (last?.by === by && last.what === said);
}

function refuseOwner(state: IncidentState, { step, to, role }: IncidentMessage<'assign'>): Refusal | undefined {
  const owner = state.owners.find((one) => one.step === step);
  if (!owner && role === undefined) return refuse('BadInput', `Step "${step}" has no owner yet: say the role, too. Owners: ${state.owners.map((one) => one.step).join(', ') || 'none'}.`);
  return owner?.person === to && (role ?? owner.role) === owner.role ? refuse('NotWaiting', `${to} answers for "${step}" already.`) : undefined;
}

function proposed(state: IncidentState, id: string | undefined): IncidentRun | Refusal {
  const open = proposals(state);
  if (id === undefined) return open.length === 1 ? open[0]! : refuse(open.length === 0 ? 'NotWaiting' : 'BadInput', open.length === 0 ? `No run is proposed. Runs: ${list(state.runs)}.` : `More than one run is proposed: say which, by "run": ${list(open)}.`);
  const run = state.runs.find((one) => one.id === id);
  if (!run) return refuse('BadInput', `There is no run "${id}". Runs: ${list(state.runs)}.`);
  return run.status === 'proposed' ? run : refuse('NotWaiting', `Run ${id} is ${run.status}, not proposed.`);
}

function refuseStart(state: IncidentState, { run, runbook }: IncidentMessage<'start'>, runbooks: readonly string[]): Refusal | undefined {
  if (state.status === 'resolved') return refuse('NotWaiting', 'It is resolved: say by update how it stands now, then start a run.');
  const going = state.runs.find(goesOn);
  if (going) return refuse('NotWaiting', `Run ${going.id} goes on (${going.status}): one at a time.`);
  if (runbook !== undefined && run !== undefined) return refuse('BadInput', 'Either "run" (a proposed one) or "runbook" (another).');
  if (runbook !== undefined) return runbooks.includes(runbook) ? undefined : refuse('BadInput', `There is no runbook "${runbook}"; known: ${runbooks.join(', ')}.`);
  const found = proposed(state, run);
  return 'type' in found ? found : undefined;
}

/** What a person told. Asked only after `refuseMessage` found nothing against it. */
export function applyMessage(state: IncidentState, asked: Asked, at: string, ms: { update(): number; review: number }): Effect[] {
  const by = asked.message.by ?? anonymous;
  const promise = (afterMs: number): string => new Date(Date.parse(at) + afterMs).toISOString();
  state.answeredAt ??= at;
  switch (asked.name) {
    case 'update': return update(state, asked.message, by, at, (afterMs) => promise(afterMs ?? ms.update()));
    case 'assign': {
      const { step, to, role } = asked.message;
      const others = state.owners.filter((owner) => owner.step !== step);
      state.owners = [...others, { step, role: role ?? state.owners.find((owner) => owner.step === step)!.role, person: to }];
      note(state, at, `${to} answers for ${step}`, by);
      return [{ kind: 'tell', what: `${to} answers for step ${step}, says ${by}`, isNews: false }];
    }
    case 'start': return start(state, asked.message, by, at);
    case 'dismiss': {
      const run = proposed(state, asked.message.run) as IncidentRun;
      Object.assign(run, { status: 'dismissed', why: asked.message.reason, endedAt: at } satisfies Partial<IncidentRun>);
      note(state, at, `run ${run.id} is not wanted: ${asked.message.reason}`, by);
      return [{ kind: 'tell', what: `run ${run.id} is not wanted, says ${by}: ${asked.message.reason}`, isNews: false }];
    }
    case 'resolve': {
      Object.assign(state, { status: 'resolved', resolvedAt: at, resolvedBy: by, nextUpdateAt: promise(ms.review) } satisfies Partial<IncidentState>);
      const open = state.runs.filter(goesOn).map(({ id }) => id);
      if (open.length > 0) state.warnings = [...state.warnings, `resolved by ${by} while ${open.join(', ')} went on`];
      note(state, at, `resolved: ${asked.message.text}${open.length > 0 ? `; ${open.join(', ')} still went on` : ''}`, by);
      return [{ kind: 'update-given', by }, { kind: 'tell', what: asked.message.text, isNews: false }, ...outsideOf(state, asked.message.outside, by, at)];
    }
    case 'review': {
      const { cause, lessons, actions } = asked.message;
      state.review = { by, at, cause, lessons, actions };
      note(state, at, 'reviewed', by);
      return [];
    }
  }
}

function update(state: IncidentState, { status, severity, impact, text, outside, nextUpdate }: IncidentMessage<'update'>, by: string, at: string, promise: (afterMs: number | undefined) => string): Effect[] {
  const changes = [
    ...(status && status !== state.status ? [`${state.status} → ${status}`] : []),
    ...(severity && severity !== state.severity ? [`severity ${state.severity ?? 'not said'} → ${severity}`] : []),
    ...(impact && impact !== state.impact ? [`impact: ${impact}`] : []),
  ];
  const isWorse = severity !== undefined && severity < (state.severity ?? 'P9');
  const reopens = state.status === 'resolved' && status !== undefined;
  if (reopens) {
    reopen(state, at, by);
    state.answeredAt = at;
  }
  Object.assign(state, { ...(status ? { status } : {}), ...(severity ? { severity } : {}), ...(impact ? { impact } : {}) });
  if (changes.length > 0) note(state, at, changes.join('; '), by);
  if (text) note(state, at, text, by);
  if (state.status !== 'resolved') state.nextUpdateAt = promise(nextUpdate);
  return [{ kind: 'update-given', by }, { kind: 'tell', what: [...changes, ...(text ? [text] : [])].join('; ') || (outside ? 'people outside were told' : `next update by ${state.nextUpdateAt}`), isNews: isWorse || reopens }, ...outsideOf(state, outside, by, at)];
}

const toldOutside = (text: string): string => `told outside: ${text}`;

function outsideOf(state: IncidentState, text: string | undefined, by: string, at: string): Effect[] {
  if (text === undefined) return [];
  note(state, at, toldOutside(text), by);
  return [{ kind: 'outside', text }];
}

function start(state: IncidentState, { run: id, runbook, targetTime, reason }: IncidentMessage<'start'>, by: string, at: string): Effect[] {
  const run = runbook === undefined ? (proposed(state, id) as IncidentRun) : addRun(state, { runbook: runbook === mainRunbook ? null : runbook, by, why: reason ?? 'started by hand', at });
  Object.assign(run, { status: 'starting', by, ...(reason ? { why: reason } : {}) } satisfies Partial<IncidentRun>);
  note(state, at, `run ${run.id} (${run.kind}) is started${reason ? `: ${reason}` : ''}`, by);
  return [{ kind: 'start', run: run.id, targetTime }];
}
