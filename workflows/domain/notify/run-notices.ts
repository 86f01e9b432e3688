import { alertKeys } from './alert-keys.ts';
import { describePartial } from '../chosen-namespaces.ts';
import { describeProgress } from '../describe-progress.ts';
import { leftOut } from '../build-report.ts';
import { layout } from '../layout.ts';
import { answersToFailure, answersToGate, answersToList, approvalsOf } from '../how-to-answer.ts';
import { describeLeft, isUndoneByHand, leftAfterService, type GateState, type RunState, type StepState } from '../run-state.ts';
import { formatDuration, formatMinute } from '../units.ts';
import { fillTemplate, fitted, oneLine, sentLines, type InternalTemplates, type InternalWord, type Notice, type NoticePhase, type Severity } from './notice.ts';

/** A run as the messages about it need it. */
export interface RunFacts {
  state: RunState;
  /** names the run; messages of one run belong together by it */
  run: string;
  /** steps that wait for a person's retry or skip */
  failed: readonly string[];
  /** the run is being undone, so what failed is an undo */
  undoing: boolean;
  /** UTC ISO */
  at: string;
  /** of the message within its run: with the run, its id */
  number: number;
  /** the system file's words, by phase; left out: the usual ones */
  templates?: InternalTemplates | undefined;
}

/** Something that people are to be told of a run. */
export type Moment =
  | { phase: 'started' | 'served' | 'resolved' | 'aborted' }
  | { phase: 'update'; nextAt: string }
  /** `called`: people who are called now, besides; `receivers`: these and no others are told */
  | { phase: 'approval'; gate: string; called?: string[]; receivers?: string[] | undefined }
  | { phase: 'failed' | 'stuck' | 'confirm'; step: string }
  /** `also`: receivers that were called besides those of the phase */
  | { phase: 'answered'; of: NoticePhase; subject: string; what: string; also?: string[] }
  | { phase: 'warning'; what: string; breach: boolean }
  | { phase: 'held'; by: string; reason: string | null }
  | { phase: 'severity'; from: string; to: string; by: string; reason: string | null }
  | { phase: 'comment'; by: string; text: string }
  | { phase: 'note'; text: string };

const clock = (at: string): string => `${at.slice(11, 19)}Z`;
const severities: Record<Moment['phase'], Severity> = {
  started: 'critical', update: 'info', approval: 'critical', confirm: 'critical', failed: 'critical', stuck: 'critical', answered: 'info',
  warning: 'warning', served: 'info', resolved: 'info', aborted: 'error', held: 'warning', severity: 'warning', comment: 'info', note: 'info',
};

/** The message to those who run the system: what is happening, what is left, who is waited for and exactly how to answer. */
export function internalNotice(moment: Moment, facts: RunFacts): Notice {
  const { state, run, at } = facts;
  const subject = moment.phase === 'held' ? 'hold' : 'gate' in moment ? moment.gate : 'step' in moment ? moment.step : 'subject' in moment ? moment.subject : null;
  const severity = moment.phase === 'warning' && moment.breach ? 'critical' : state.gateOf !== undefined && moment.phase === 'approval' ? 'warning' : severities[moment.phase];
  const ends = moment.phase === 'resolved' || moment.phase === 'aborted' || moment.phase === 'answered';
  return fitted({
    id: `${run}/${facts.number}-${moment.phase}`,
    audience: 'internal',
    phase: moment.phase,
    // Nobody is to be got out of bed for a drill, or for data that is taken out beside a service that runs.
    severity: (state.purpose === 'drill' && !isStuckAlone(moment.phase, state)) || state.only ? 'info' : severity,
    at,
    title: `${state.purpose === 'drill' ? 'DRILL ' : ''}${state.system}: ${titleOf(moment, facts)}`,
    lines: linesOf(moment, facts),
    answers: answersOf(moment, facts),
    thread: run,
    ...('called' in moment && moment.called ? { called: moment.called } : {}),
    ...(moment.phase === 'resolved' || moment.phase === 'aborted' ? { page: layout.evidence(state.system, run, 'report.json') } : {}),
    alert: { key: subject === null ? alertKeys.run(state.system, run) : alertKeys.waiting(state.system, run, subject), state: ends ? 'closed' : 'open' },
    facts: {
      system: state.system, purpose: state.purpose, status: state.status, subject, requestedBy: state.requestedBy,
      incidentAt: state.incidentAt, startedAt: state.startedAt, servedAt: state.servedAt, endedAt: state.endedAt,
      rtoObjectiveMs: state.rtoObjectiveMs, elapsedMs: passedMs(state, at), forecastMs: state.forecastMs,
    },
  });
}

/** An undo failed, or is a person's, and nobody watches: what the drill made stays, and the lock of the system's runs with it. */
export const isStuckAlone = (phase: NoticePhase | 'answered', { unattended, steps }: Pick<RunState, 'unattended' | 'steps'>): boolean =>
  unattended === true && (phase === 'stuck' || (phase === 'confirm' && steps.some(isUndoneByHand)));

const kindOf = ({ purpose, only }: RunState): string => (only ? 'partial restore' : purpose);

/** A run with a switch that has ended before service was back: to call the disruption resolved would be a lie. */
export const isUnserved = ({ servedAt, steps }: Pick<RunState, 'servedAt' | 'steps'>): boolean => servedAt === null && steps.some(({ uses }) => uses === 'switch');

function titleOf(moment: Moment, { state, at }: RunFacts): string {
  const kind = kindOf(state);
  const without = leftOut(state, []);
  switch (moment.phase) {
    case 'started': return `${kind} started`;
    case 'update': return `${kind} ${state.status === 'running' && openGates(state).length + waitingLists(state).length > 0 ? 'waits' : state.status}${state.only ? '' : `, ${formatDuration(passedMs(state, at))} of ${formatDuration(state.rtoObjectiveMs)}`}`;
    case 'approval': return `APPROVAL WANTED${state.gateOf === undefined ? '' : ` for ${kind}`}: ${moment.gate}`;
    case 'confirm': return `${state.steps.some((step) => step.id === moment.step && isUndoneByHand(step)) ? 'UNDO BY HAND' : 'CHECKLIST'} WAITS: ${moment.step}`;
    case 'failed': return leftAfterService(state) ? `recovered, and step ${moment.step} failed` : `PAUSED: step ${moment.step} failed`;
    case 'stuck': return `STUCK: the undo of ${moment.step} failed`;
    case 'answered': return `${moment.subject}: ${moment.what}`;
    case 'warning': return moment.what;
    case 'served': return `service is back after ${formatDuration(passedMs(state, at))} (objective ${formatDuration(state.rtoObjectiveMs)})`;
    case 'resolved': return `${kind} done${without.length > 0 ? `, but ${without.join('; ')}` : ''}`;
    case 'aborted': return `${kind} ABORTED`;
    case 'held': return `HELD by ${moment.by}`;
    case 'severity': return `severity ${moment.from} → ${moment.to}, says ${moment.by}`;
    case 'comment': return `${moment.by}: ${moment.text}`;
    case 'note': return moment.text;
  }
}

/** Who is waited for, and as the usual words have it. */
interface Asked {
  fact: string;
  line: string;
}

/** What a message is made of, whatever its words. */
interface Parts {
  /** what it is about, and what a person said to it */
  about: string[];
  /** of the gate or the list that it is about, and of what waits besides */
  asks: Asked[];
  others: Asked[];
  clock: string;
  now: string | null;
  left: string | null;
  next: string | null;
  /** of a run that has ended */
  warnings: string[];
}

function partsOf(moment: Moment, facts: RunFacts): Parts {
  const { state, at } = facts;
  const gate = moment.phase === 'approval' ? state.gates.find((candidate) => candidate.gate === moment.gate) : undefined;
  const step = moment.phase === 'failed' || moment.phase === 'stuck' ? state.steps.find(({ id }) => id === moment.step) : undefined;
  const list = moment.phase === 'confirm' ? state.steps.find(({ id }) => id === moment.step) : undefined;
  const asked = moment.phase === 'started' ? [`asked for by ${state.requestedBy}${state.only ? `: ${describePartial(state.only)}` : ''}`] : [];
  const said = moment.phase === 'held' || moment.phase === 'severity' ? [moment.reason ?? ''] : moment.phase === 'comment' ? [moment.text] : [];
  const ended = state.status === 'done' || state.status === 'aborted';
  const goesOn = !ended && state.gateOf === undefined;
  const asItIs = (line: string): Asked => ({ fact: line, line });
  return {
    about: [...(gate ? [gate.description] : step?.error ? [`${step.error.type}: ${step.error.message}`] : []), ...said, ...asked],
    asks: gate ? [{ fact: approvalsOf(gate), line: `approvals: ${approvalsOf(gate)}` }] : list ? itemsLeft(list).map(asItIs) : [],
    others: goesOn ? waiting(moment, facts).map(asItIs) : [],
    clock: clocksOf(state, at),
    now: goesOn ? happening(state) : null,
    left: goesOn ? left(state) : null,
    next: goesOn && moment.phase === 'update' ? clock(moment.nextAt) : null,
    warnings: ended ? state.warnings.slice(-3).map((warning) => `warning: ${warning}`) : [],
  };
}

function linesOf(moment: Moment, facts: RunFacts): string[] {
  const parts = partsOf(moment, facts);
  const template = facts.templates?.[moment.phase as keyof InternalTemplates];
  if (template !== undefined) return worded(template, moment, facts, parts);
  const lines = (of: readonly Asked[]): string[] => of.map(({ line }) => line);
  return [...parts.about, ...lines(parts.asks), parts.clock, ...parts.warnings, ...(parts.now === null ? [] : [parts.now]), ...lines(parts.others), ...(parts.left === null ? [] : [parts.left]), ...(parts.next === null ? [] : [`next update by ${parts.next}`])];
}

/**
 * In the words of the system file. Who is waited for is in the message whatever they say: what of it is not in the lines as they are going to be sent stands before them,
 * in the usual words, where nothing is cut off for its length. How to answer is no part of the words: `answers` is sent beside them.
 */
function worded(template: string, moment: Moment, { state }: RunFacts, { about, asks, others, clock: passed, now, left: todo, next, warnings }: Parts): string[] {
  const said = (lines: readonly string[]): string | null => (lines.length > 0 ? lines.join('; ') : null);
  const who = [...asks, ...others];
  const lines = fillTemplate<InternalWord>(template, {
    system: state.system, what: kindOf(state), by: state.requestedBy, since: formatMinute(state.incidentAt), subject: 'gate' in moment ? moment.gate : 'step' in moment ? moment.step : null,
    about: said(about), who: said(who.map(({ fact }) => fact)), clock: passed, now: now?.replace(/^now: /, '') ?? null, left: todo === null || todo === '' ? null : todo.replace(/^left: /, ''), next, warnings: said(warnings),
  });
  const sent = sentLines(lines);
  const missing = who.filter(({ fact }) => !sent.some((line) => line.includes(oneLine(fact))));
  return [...missing.map(({ line }) => line), ...lines];
}

function happening(state: RunState): string {
  const running = state.steps.filter(({ state: is }) => is === 'running');
  return `now: ${running.length > 0 ? running.map(describeStep).join('; ') : 'nothing runs'}`;
}

function describeStep({ id, startedAt, progress }: StepState): string {
  return `${id} since ${startedAt ? clock(startedAt) : 'now'}${progress ? ` (${describeProgress(progress).join(', ')})` : ''}`;
}

function left(state: RunState): string {
  const pending = state.steps.filter(({ state: is }) => is === 'pending').map(({ id }) => id);
  if (state.status === 'compensating' || state.status === 'stuck') {
    const undos = state.steps.filter(({ undo }) => undo).map(({ id }) => id);
    return undos.length > 0 ? `left to undo: ${undos.join(', ')}` : '';
  }
  const afterService = leftAfterService(state);
  if (afterService) return describeLeft(afterService);
  return pending.length > 0 ? `left: ${pending.join(', ')} (${pending.length} of ${state.steps.length} steps)` : 'left: no step';
}

const waitingLists = (state: RunState): StepState[] => state.steps.filter(({ state: is, items }) => is === 'waiting' && items !== undefined);
const itemsLeft = ({ items }: StepState): string[] => (items ?? []).filter(({ by }) => by === null).map(({ id, do: what }) => `to do: ${id}: ${what}`);

const openGates = (state: RunState): GateState[] => state.gates.filter(({ status }) => status === 'open');

/** What waits for people beside what the message is about. */
function waiting(moment: Moment, { state, failed, undoing }: RunFacts): string[] {
  const gates = openGates(state).filter(({ gate }) => moment.phase !== 'approval' || gate !== moment.gate);
  const lists = waitingLists(state).filter(({ id }) => moment.phase !== 'confirm' || id !== moment.step);
  const steps = failed.filter((id) => (moment.phase !== 'failed' && moment.phase !== 'stuck') || id !== moment.step);
  return [
    ...gates.map((gate) => `waits for approval \`${gate.gate}\` since ${clock(gate.openedAt!)}: ${approvalsOf(gate)}`),
    ...lists.map((list) => `waits for people to ${isUndoneByHand(list) ? 'take back by hand' : 'confirm'} \`${list.id}\`: ${itemsLeft(list).length} of ${list.items!.length} to do`),
    ...steps.map((id) => `waits for an answer: ${undoing ? 'the undo of ' : ''}\`${id}\` failed`),
  ];
}

/** How to answer what the message is about; an update says it of everything that waits. */
function answersOf(moment: Moment, { state, failed, undoing }: RunFacts): string[] {
  if (moment.phase === 'approval') return state.gates.filter(({ gate }) => gate === moment.gate).flatMap((gate) => answersToGate(state, gate));
  if (moment.phase === 'failed' || moment.phase === 'stuck') return answersToFailure(state, moment.step, moment.phase === 'stuck');
  if (moment.phase === 'confirm') return waitingLists(state).filter(({ id }) => id === moment.step).flatMap((list) => answersToList(state.system, list));
  if (moment.phase === 'held') return [`when it may go on: signal \`resume\` with \`{"by": "YOUR NAME"}\``, `or \`holdfast resume ${state.system} --by YOUR-NAME\``];
  if (moment.phase !== 'update' && moment.phase !== 'warning') return [];
  return [...openGates(state).flatMap((gate) => answersToGate(state, gate)), ...waitingLists(state).flatMap((list) => answersToList(state.system, list)), ...failed.flatMap((id) => answersToFailure(state, id, undoing))].slice(0, 6);
}

const passedMs = (state: RunState, at: string): number => Math.max(0, Date.parse(state.servedAt ?? state.endedAt ?? at) - Date.parse(state.incidentAt));

function clocksOf(state: RunState, at: string): string {
  const human = `; waited for people ${formatDuration(state.humanMs)}`;
  // Service does not wait for a partial restore, or for what is no recovery.
  if (state.only || state.gateOf !== undefined) return `started ${clock(state.startedAt)}${human}`;
  const objective = formatDuration(state.rtoObjectiveMs);
  const passed = formatDuration(passedMs(state, at));
  if (state.servedAt) return `RTO: service back after ${passed} of ${objective}${human}`;
  if (state.endedAt) return `RTO: ended after ${passed} of ${objective}, service was not seen back${human}`;
  const breachAt = new Date(Date.parse(state.incidentAt) + state.rtoObjectiveMs).toISOString();
  const late = passedMs(state, at) >= state.rtoObjectiveMs;
  const forecast = state.forecastMs === null ? '' : `; forecast ${formatDuration(state.forecastMs)}`;
  return `RTO: ${passed} of ${objective} passed, ${late ? 'BREACHED' : 'breach'} at ${clock(breachAt)}${forecast}${human}`;
}
