import { formatBytes, formatDuration } from '../../workflows/domain/units.ts';
import type { GateState, RunState, StepState } from '../../workflows/domain/run-state.ts';
import type { ActivityProgress, RunStatusView } from './read-run.ts';

/** Which activities tell how far a step is, by what the step uses. */
const activitiesOfStep: Record<string, string[]> = {
  provision: ['provisionTarget'],
  restore: ['restoreGroup', 'prepareRestore'],
  replay: ['replayLog'],
  'build-indexes': ['buildIndexes'],
  validate: ['validateTarget'],
  fence: ['fencePrimary', 'retirePrimary'],
  drain: ['drainLog', 'replayLog'],
  promote: ['promoteTarget'],
  switch: ['admitTraffic', 'watchHealth'],
  protect: ['startTimeline', 'planDump', 'dumpGroup', 'sealBackup', 'proveArchive'],
};

export interface StepProgress {
  percent: number | null;
  done: number;
  of: number;
  unit: string;
  etaMs: number | null;
}

/** A query is answered with the time of the workflow's last event, so the time of a step that runs stands still there. */
function elapsedOf(step: StepState, nowMs: number): number {
  const isFirstTry = step.state === 'running' && step.attempt <= 1 && step.startedAt !== null;
  return isFirstTry ? Math.max(step.elapsedMs, nowMs - Date.parse(step.startedAt!)) : step.elapsedMs;
}

/** Activities of one step that run side by side, as one figure; undefined while none of them has said anything. */
export function sumProgress(step: StepState, activities: ActivityProgress[], elapsedMs: number): StepProgress | undefined {
  const known = activities.filter(({ activity, heartbeat }) => activitiesOfStep[step.uses]?.includes(activity) && heartbeat?.of);
  if (known.length === 0 && !step.work) return undefined;
  const underWay = known.reduce((sum, { heartbeat }) => sum + (heartbeat!.done ?? 0), 0);
  const done = Math.min((step.work?.done ?? 0) + underWay, step.work?.of ?? Infinity);
  const of = step.work?.of ?? known.reduce((sum, { heartbeat }) => sum + (heartbeat!.of ?? 0), 0);
  const etas = known.map(({ heartbeat }) => heartbeat!.etaMs ?? null).filter((etaMs) => etaMs !== null);
  // What is under way knows only its own end; where the whole is known, its rate so far tells more.
  const etaMs = step.work ? (done > 0 ? ((of - done) * elapsedMs) / done : null) : etas.length > 0 ? Math.max(...etas) : null;
  const unit = step.work?.unit ?? known[0]!.heartbeat!.unit ?? '';
  return { percent: Math.round((done / of) * 1000) / 10, done, of, unit, etaMs };
}

const amount = ({ done, of, unit }: StepProgress): string => {
  if (unit === 'ms') return `${formatDuration(done)} of ${formatDuration(of)}`;
  return unit === 'bytes' ? `${formatBytes(done)} of ${formatBytes(of)}` : `${done.toLocaleString('en-US')} of ${of.toLocaleString('en-US')} ${unit}`;
};

function rate({ done, unit }: StepProgress, elapsedMs: number): string {
  if (elapsedMs < 1000 || done === 0 || unit === 'ms') return '';
  const aSecond = done / (elapsedMs / 1000);
  return unit === 'bytes' ? `${formatBytes(Math.round(aSecond))}/s` : `${Math.round(aSecond).toLocaleString('en-US')}/s`;
}

function runningFacts(step: StepState, view: RunStatusView, nowMs: number): string[] {
  const elapsedMs = elapsedOf(step, nowMs);
  const progress = sumProgress(step, view.activities, elapsedMs);
  const failing = view.activities.find(({ activity, attempt, lastFailure }) => activitiesOfStep[step.uses]?.includes(activity) && attempt > 1 && lastFailure);
  return [
    progress && progress.percent !== null ? `${progress.percent.toFixed(1)}%  ${amount(progress)}` : '',
    progress ? rate(progress, elapsedMs) : '',
    progress?.etaMs != null ? `${formatDuration(progress.etaMs)} left` : '',
    `${formatDuration(elapsedMs)}${step.budgetMs === null ? '' : ` of ${formatDuration(step.budgetMs)}`}`,
    failing ? `try ${failing.attempt}, last: ${failing.lastFailure!.split('\n')[0]}` : '',
  ];
}

function waitingFacts(gate: GateState | undefined, nowMs: number): string[] {
  if (!gate) return [];
  const approved = gate.decisions.filter(({ decision }) => decision === 'approve').length;
  return [
    `${approved} of ${gate.quorum} approval${gate.quorum === 1 ? '' : 's'}`,
    gate.people.length > 0 ? `from ${gate.people.join(', ')}` : gate.notRequester ? 'from anybody but the requester' : '',
    gate.openedAt === null ? '' : `open for ${formatDuration(nowMs - Date.parse(gate.openedAt))}`,
  ];
}

function formatStep(step: StepState, view: RunStatusView, idWidth: number, nowMs: number): string {
  const facts = {
    running: () => runningFacts(step, view, nowMs),
    waiting: () => waitingFacts(view.state.gates.find((gate) => gate.step === step.id && gate.status === 'open'), nowMs),
    failed: () => [step.error ? `${step.error.type}: ${step.error.message}` : ''],
    stuck: () => [step.error ? `${step.error.type}: ${step.error.message}` : ''],
    done: () => [`${formatDuration(step.elapsedMs)}${step.budgetMs === null ? '' : ` of ${formatDuration(step.budgetMs)}`}`, step.summary ?? ''],
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

function forecast(state: RunState): string[] {
  if (state.forecastMs === null || state.servedAt !== null || state.endedAt !== null) return [];
  const spareMs = state.rtoObjectiveMs - state.forecastMs;
  const against = spareMs >= 0 ? `${formatDuration(spareMs)} inside the objective` : `${formatDuration(-spareMs)} past the objective`;
  return [`forecast ${formatDuration(state.forecastMs)}, ${against}`];
}

/** What a person can do now, with the exact command. */
function wayOn(state: RunState): string[] {
  const open = state.gates.filter((gate) => gate.status === 'open').map((gate) => `answer: holdfast approve ${state.system} --gate ${gate.gate} --by NAME`);
  const failed = state.status === 'paused' || state.status === 'stuck' ? [`paused: holdfast retry|skip|abort ${state.system}`] : [];
  return [...open, ...failed];
}

/** The whole state, a fact a line. */
export function formatRun(view: RunStatusView): string {
  const { state } = view;
  const nowMs = Date.parse(view.readAt);
  const started = order(state);
  const idWidth = Math.max(0, ...started.map(({ id }) => id.length));
  const pending = state.steps.filter((step) => step.state === 'pending').map(({ id }) => id);
  return [
    `recover ${state.system}   ${state.status}   purpose ${state.purpose}   objective ${formatDuration(state.rtoObjectiveMs)}   ${clocks(state, nowMs)}`,
    ...started.map((step) => formatStep(step, view, idWidth, nowMs)),
    ...(pending.length > 0 ? [`  pending  ${pending.join(', ')}`] : []),
    ...state.warnings.map((warning) => `warning  ${warning}`),
    ...forecast(state),
    ...wayOn(state),
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
  return [`recover ${state.system} ${state.status}`, clocks(state, nowMs), `${done} of ${state.steps.length} steps`, ...now].join('; ');
}
