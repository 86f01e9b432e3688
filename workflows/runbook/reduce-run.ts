import { HoldfastError } from '../domain/errors.ts';
import { journalPageLines } from '../domain/journal.ts';
import type { RunState } from '../domain/run-state.ts';
import { applyPersonsEvent, applyProof } from './apply-persons-event.ts';
import { accountHumanTime, startClocks, timerDue, watchForecast } from './clocks.ts';
import { Draft } from './draft.ts';
import { isEnded, reducerVersion, type PersonsEvent, type Reduced, type RunEvent, type RunSnapshot } from './run-types.ts';
import { settle } from './settle.ts';
import { stepDone, stepFailed, undoDone, undoFailed } from './step-events.ts';

const personsKinds: Record<PersonsEvent['kind'], true> = { approve: true, reject: true, retry: true, skip: true, abort: true, delegate: true, hold: true, resume: true, comment: true, extend: true, severity: true, choose: true, escalate: true, confirm: true };
const isPersons = (event: RunEvent): event is { at: string } & PersonsEvent => Object.hasOwn(personsKinds, event.kind);

/** What may still come of a run that has ended. */
const isOfEnded: ReadonlySet<RunEvent['kind']> = new Set(['noted', 'warned', 'proof-checked', 'journal-kept']);

/**
 * One event's effect on a run: the next snapshot, and what to do now. Pure: the given snapshot is not changed, and the same
 * two arguments always give the same answer.
 *
 * An event that does not fit (a late answer of an earlier try, a timer of something that has passed, the same event again) changes nothing but
 * the journal. @throws NewerFormat - the snapshot is of another version of the engine.
 */
export function reduceRun(snapshot: RunSnapshot, event: RunEvent): Reduced {
  if (snapshot.version !== reducerVersion) {
    throw new HoldfastError('NewerFormat', `The run is of engine version ${String(snapshot.version)}; this worker knows ${reducerVersion}.`);
  }
  const draft = new Draft(snapshot, event.at);
  accountHumanTime(draft);
  if (isPersons(event)) applyPersonsEvent(draft, event);
  else if (!isEnded(draft.snapshot) || isOfEnded.has(event.kind)) apply(draft, event);
  settle(draft);
  return { snapshot: draft.snapshot, commands: draft.commands };
}

function apply(draft: Draft, event: Exclude<RunEvent, PersonsEvent>): void {
  switch (event.kind) {
    case 'run-started':
      if (!draft.snapshot.started) startClocks(draft);
      break;
    case 'step-done':
      stepDone(draft, event);
      break;
    case 'step-failed':
      stepFailed(draft, event);
      break;
    case 'undo-done':
      undoDone(draft, event);
      break;
    case 'undo-failed':
      undoFailed(draft, event);
      break;
    case 'timer-due':
      timerDue(draft, event.timer);
      break;
    case 'served':
      served(draft, event.servedAt, event.noReturn);
      break;
    case 'warned':
      draft.warn(event.about, event.what);
      break;
    case 'noted':
      draft.note(event.about, event.what, event.by ?? null);
      break;
    case 'journal-kept':
      journalKept(draft.snapshot.state, event.page);
      break;
    case 'proof-checked':
      applyProof(draft, event);
      break;
    case 'forecast':
      forecast(draft, event.forecastMs, event.basis);
      break;
  }
}

function served(draft: Draft, servedAt: string | null, noReturn: string | null): void {
  const { snapshot } = draft;
  if (servedAt !== null && snapshot.state.servedAt === null) {
    snapshot.state.servedAt = servedAt;
    snapshot.humanMsAtService = snapshot.state.humanMs;
    draft.note('run', `service is back since ${servedAt}`);
  }
  if (noReturn !== null && snapshot.noReturn === null) {
    snapshot.noReturn = noReturn;
    draft.note('run', `turning back is over: ${noReturn}`);
  }
}

/** Lines leave the state only once they are in the store; said twice it changes nothing. */
function journalKept(state: RunState, page: number): void {
  if (page !== (state.journalPages ?? 0) + 1) return;
  state.journalPages = page;
  state.journal = state.journal.slice(journalPageLines);
}

function forecast(draft: Draft, forecastMs: number, basis: string): void {
  const { state } = draft.snapshot;
  const wasLate = state.forecastMs !== null && state.forecastMs > state.rtoObjectiveMs;
  state.forecastMs = forecastMs;
  state.forecastBasis = basis;
  if (!wasLate && forecastMs > state.rtoObjectiveMs && state.servedAt === null) draft.warnForecast(forecastMs, basis);
  watchForecast(draft);
}
