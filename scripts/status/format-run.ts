import { describePartial } from '../../workflows/domain/chosen-namespaces.ts';
import { describeProgress, describeShare } from '../../workflows/domain/describe-progress.ts';
import { describeTarget } from '../../workflows/domain/describe-target.ts';
import { answersToDamage } from '../../workflows/domain/how-to-answer.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { activitiesOfStep, progressOfStep } from '../../workflows/domain/step-progress.ts';
import { describeLeft, isUndoneByHand, leftAfterService, tookOf, type GateState, type RunState, type StepState } from '../../workflows/domain/run-state.ts';
import { formatWatch } from './format-watch.ts';
import { runningProgress } from './read-activities.ts';
import type { RunStatusView } from './read-run.ts';

/** A query is answered with the time of the workflow's last event, so the time of a step that runs stands still there. */
function elapsedOf(step: StepState, nowMs: number): number {
  const isFirstTry = step.state === 'running' && step.attempt <= 1 && step.startedAt !== null;
  return isFirstTry ? Math.max(step.elapsedMs, nowMs - Date.parse(step.startedAt!)) : step.elapsedMs;
}

function runningFacts(step: StepState, view: RunStatusView, nowMs: number): string[] {
  const elapsedMs = elapsedOf(step, nowMs);
  const progress = progressOfStep(step, runningProgress(view.activities), nowMs);
  const failing = view.activities.find(({ activity, attempt, lastFailure }) => activitiesOfStep(step.uses).includes(activity) && attempt > 1 && lastFailure);
  return [
    progress?.phase ?? '',
    ...(progress ? describeProgress(progress) : []),
    `${formatDuration(elapsedMs)}${step.budgetMs === null ? '' : ` of ${formatDuration(step.budgetMs)}`}`,
    failing ? `try ${failing.attempt}, last: ${failing.lastFailure!.split('\n')[0]}` : '',
  ];
}

/** How far a gate is, a fact each. */
export function waitingFacts(gate: GateState | undefined, nowMs: number): string[] {
  if (!gate) return [];
  const approved = gate.decisions.filter(({ decision }) => decision === 'approve').length;
  return [
    `${approved} of ${gate.quorum} approval${gate.quorum === 1 ? '' : 's'}`,
    gate.people.length > 0 ? `from ${gate.people.join(', ')}` : gate.notRequester ? 'from anybody but the requester' : '',
    approved > 0 && gate.lapsesAt !== undefined ? `lapses in ${formatDuration(Date.parse(gate.lapsesAt) - nowMs)}` : '',
    gate.proof === undefined ? '' : `proof: ${gate.proof}`,
    gate.openedAt === null ? '' : `open for ${formatDuration(nowMs - Date.parse(gate.openedAt))}`,
  ];
}

function formatStep(step: StepState, view: RunStatusView, idWidth: number, nowMs: number): string {
  const facts = {
    running: () => runningFacts(step, view, nowMs),
    waiting: () => step.items ? [isUndoneByHand(step) ? 'is to be taken back by hand' : `${step.items.filter(({ by }) => by !== null).length} of ${step.items.length} confirmed`] : waitingFacts(view.state.gates.find((gate) => gate.step === step.id && gate.status === 'open'), nowMs),
    failed: () => [step.error ? `${step.error.type}: ${step.error.message}` : ''],
    stuck: () => [step.error ? `${step.error.type}: ${step.error.message}` : ''],
    done: () => [`${tookOf(step)}${step.budgetMs === null ? '' : ` of ${formatDuration(step.budgetMs)}`}`, step.summary ?? ''],
    skipped: () => [step.summary ?? ''],
    undone: () => [step.summary ?? ''],
    pending: () => [],
  }[step.state]();
  return `  ${step.state.padEnd(8)} ${step.id.padEnd(idWidth)}  ${facts.filter((fact) => fact !== '').join('  ')}`.trimEnd();
}

const order = (state: RunState): StepState[] => state.steps.filter((step) => step.state !== 'pending').sort((a, b) => (a.startedAt ?? '9').localeCompare(b.startedAt ?? '9'));

function clocks(state: RunState, nowMs: number): string {
  const servedMs = state.servedAt === null ? null : Date.parse(state.servedAt) - Date.parse(state.incidentAt);
  const endMs = state.endedAt === null ? nowMs : Date.parse(state.endedAt);
  if (servedMs !== null) return `service back after ${formatDuration(servedMs)}`;
  return `elapsed ${formatDuration(endMs - Date.parse(state.incidentAt))}`;
}

function forecast(state: RunState, nowMs: number): string[] {
  if (state.forecastMs === null || state.servedAt !== null || state.endedAt !== null) return [];
  const spareMs = state.rtoObjectiveMs - state.forecastMs;
  const against = spareMs >= 0 ? `${formatDuration(spareMs)} inside the objective` : `${formatDuration(-spareMs)} past the objective`;
  return [`forecast ${formatDuration(state.forecastMs)}, ${against}; ${describeShare(Math.max(0, nowMs - Date.parse(state.incidentAt)), state.forecastMs)}`];
}

/** The command that answers a gate: `of` is the system, and where it is not the system's run the workflow. */
export const howToAnswer = (of: string, { gate, proof }: GateState): string => `answer: holdfast approve ${of} --gate ${gate} --by NAME${proof === undefined ? '' : proof === 'signature' ? ' --sign KEYFILE' : ' --code CODE'}`;

/** What a person can do now, with the exact command. */
function wayOn(state: RunState): string[] {
  const open = state.gates.filter((gate) => gate.status === 'open').map((gate) => howToAnswer(state.system, gate));
  const failed = state.status === 'paused' || state.status === 'stuck' ? [...state.steps.filter((step) => step.state === 'failed').flatMap(({ id }) => answersToDamage(state, id)).map((way) => way.replaceAll('`', '')), `paused: holdfast retry|skip|abort ${state.system}`] : [];
  const held = state.held ? [`held by ${state.held.by} since ${state.held.at}${state.held.reason ? `: ${state.held.reason}` : ''}; go on: holdfast resume ${state.system}`] : [];
  const items = state.steps.flatMap((step) => (step.state === 'waiting' ? (step.items ?? []) : []).filter(({ by }) => by === null).map((item) => `to do: ${item.do}; then holdfast confirm ${state.system} --step ${step.id} --item ${item.id}`));
  return [...open, ...items, ...failed, ...held];
}

/** The whole state, a fact a line. */
export function formatRun(view: RunStatusView): string {
  const { state } = view;
  const nowMs = Date.parse(view.readAt);
  const started = order(state);
  const idWidth = Math.max(0, ...started.map(({ id }) => id.length));
  const pending = state.steps.filter((step) => step.state === 'pending').map(({ id }) => id);
  return [
    `recover ${state.system}   ${state.status}${state.severity ? `   ${state.severity}` : ''}   purpose ${state.purpose}   ${state.only ? describePartial(state.only) : `objective ${formatDuration(state.rtoObjectiveMs)}`}   ${clocks(state, nowMs)}`,
    ...started.map((step) => formatStep(step, view, idWidth, nowMs)),
    ...(pending.length > 0 ? [`  pending  ${pending.join(', ')}`] : []),
    ...(state.runbook ? [`runbook  ${state.runbook}${(state.escalations ?? []).map(({ from, why }) => `, after ${from} (${why})`).join('')}`] : []),
    ...(state.target ? [`recovery point  ${describeTarget(state.target)}`] : []),
    ...(leftAfterService(state) ? [describeLeft(leftAfterService(state)!)] : []),
    ...state.warnings.map((warning) => `warning  ${warning}`),
    ...forecast(state, nowMs),
    ...wayOn(state),
    ...(view.watches ?? []).map(formatWatch),
  ].join('\n');
}

/** One line for where no screen can be redrawn: what runs or waits now. */
export function formatRunLine(view: RunStatusView): string {
  const { state } = view;
  const nowMs = Date.parse(view.readAt);
  const done = state.steps.filter((step) => step.state === 'done' || step.state === 'skipped').length;
  const now = state.steps
    .filter((step) => ['running', 'waiting', 'failed', 'stuck'].includes(step.state))
    .map((step) => formatStep(step, view, 0, nowMs).trim().replace(/\s{2,}/g, ' '));
  return [`recover ${state.system} ${state.status}${state.severity ? ` ${state.severity}` : ''}`, ...(state.only ? [describePartial(state.only)] : []), clocks(state, nowMs), `${done} of ${state.steps.length} steps`, ...now].join('; ');
}
