import { answersToFailure, answersToGate, answersToList, approvalsOf } from '../domain/how-to-answer.ts';
import type { StepState } from '../domain/run-state.ts';
import { describePartial } from '../domain/chosen-namespaces.ts';
import { describeProgress, describeShare } from '../domain/describe-progress.ts';
import { describeTarget } from '../domain/describe-target.ts';
import type { Phase } from '../domain/names.ts';
import { formatDuration } from '../domain/units.ts';
import { failedSteps, openGates, waitingLists } from './refusal.ts';
import type { RunSnapshot } from './run-types.ts';

/** The Temporal UI shows no more than this of a workflow's details in comfort. */
export const detailsBytes = 4_000;

/** What the search attribute HoldfastPhase says. */
export function phaseOf(snapshot: RunSnapshot): Phase {
  const { status } = snapshot.state;
  return status === 'running' && openGates(snapshot).length + waitingLists(snapshot).length > 0 ? 'waiting' : status;
}

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
const clock = (at: string): string => `${at.slice(11, 19)}Z`;

/** Who is waited for, and what to send, word by word. */
function waiting(snapshot: RunSnapshot): string[] {
  const { system } = snapshot.state;
  const gates = openGates(snapshot).map((gate) =>
    [
      `- **WAITING for approval \`${gate.gate}\`** since ${clock(gate.openedAt!)}: ${approvalsOf(gate)}`,
      `  - ${cut(gate.description, 300)}`,
      ...answersToGate(system, gate.gate, gate.proof).map((way) => `  - ${way}`),
    ].join('\n'),
  );
  const failed = failedSteps(snapshot).map((id) => {
    const step = snapshot.state.steps.find((candidate) => candidate.id === id)!;
    const undo = step.state === 'stuck';
    return [
      `- **${undo ? 'STUCK: the undo of' : 'PAUSED: step'} \`${id}\` ${undo ? '' : 'has '}failed**: ${cut(`${step.error?.type}: ${step.error?.message}`, 400)}`,
      // On the way back an undo that is left out would have the next restore go on top of what is there.
      ...(snapshot.rewind ? [`signal \`retry\` \`{"step": "${id}"}\` or \`abort\``] : answersToFailure(system, id, undo)).map((way) => `  - ${way}`),
    ].join('\n');
  });
  const lists = waitingLists(snapshot).map((step) =>
    [
      `- **WAITING for people to confirm \`${step.id}\`**: ${cut(step.summary ?? '', 200)}`,
      ...step.items!.map((item) => `  - ${item.by === null ? '**to do**' : `done by ${cut(item.by, 60)}`} \`${item.id}\`: ${cut(item.do, 150)}`),
      ...answersToList(system, step).map((way) => `  - ${way}`),
    ].join('\n'),
  );
  return [...gates, ...lists, ...failed];
}

function stepLine(step: StepState): string {
  const budget = step.budgetMs === null ? '' : ` of ${formatDuration(step.budgetMs)}`;
  const tries = step.attempt > 1 ? `, try ${step.attempt}` : '';
  if (step.state === 'pending') return `- pending ${step.id}${step.budgetMs === null ? '' : ` (budget ${formatDuration(step.budgetMs)})`}${step.error ? `: ${cut(step.error.message, 120)}` : ''}`;
  if (step.state === 'running') return `- **running** ${step.id} since ${clock(step.startedAt!)}${step.budgetMs === null ? '' : `, budget ${formatDuration(step.budgetMs)}`}${tries}${howFar(step)}`;
  return `- ${step.state} ${step.id} ${formatDuration(step.elapsedMs)}${budget}${tries}${step.summary ? `: ${cut(step.summary, 90)}` : ''}`;
}

function howFar({ progress }: StepState): string {
  return progress ? `: ${[cut(progress.phase, 60), ...describeProgress(progress)].filter((fact) => fact !== '').join(', ')}` : '';
}

/** What people have asked for that is not a step. */
function notices({ state, rewind }: RunSnapshot): string {
  return [
    ...(state.held ? [`\n- **HELD** by ${cut(state.held.by, 100)} since ${clock(state.held.at)}${state.held.reason ? `: ${cut(state.held.reason, 150)}` : ''}: no new step starts; signal \`resume\`, or \`holdfast resume ${state.system}\``] : []),
    ...(rewind ? [`\n- **on the way back**, asked for by ${cut(rewind.by, 100)}: ${cut(rewind.why, 200)}`] : []),
    ...(state.runbook ? [`\n- runbook ${state.runbook}${(state.escalations ?? []).map(({ from }) => `, after ${from}`).join('')}`] : []),
    ...(state.target ? [`\n- recovery point: ${describeTarget(state.target)}`] : []),
  ].join('');
}

function heading(snapshot: RunSnapshot, at: string): string {
  const { state } = snapshot;
  const passedMs = Date.parse(state.servedAt ?? at) - Date.parse(state.incidentAt);
  const breachAt = new Date(Date.parse(state.incidentAt) + state.rtoObjectiveMs).toISOString();
  const clocks = `${formatDuration(passedMs)} of ${formatDuration(state.rtoObjectiveMs)} ${state.servedAt ? 'until service was back' : `passed; breach at ${clock(breachAt)}`}`;
  const forecast = state.forecastMs === null || state.servedAt ? '' : `; forecast ${formatDuration(state.forecastMs)}, ${describeShare(Math.max(0, passedMs), state.forecastMs)}`;
  const title = `**${state.purpose} ${state.system}${state.severity ? ` ${state.severity}` : ''}: ${phaseOf(snapshot)}** as of ${clock(at)}`;
  if (state.only) return `${title}\n\n- **${describePartial(state.only)}**; no traffic is moved\n- started ${clock(state.startedAt)}; waited for people ${formatDuration(state.humanMs)}${notices(snapshot)}`;
  return `${title}\n\n- RTO: ${clocks}${forecast}; waited for people ${formatDuration(state.humanMs)}${notices(snapshot)}`;
}

/** Length in UTF-8; workflow code has no TextEncoder in its types. */
export const bytesOf = (text: string): number => encodeURIComponent(text.toWellFormed()).replaceAll(/%[0-9A-F]{2}/g, 'x').length;

/**
 * The run as Markdown for the Temporal UI: bullet lists (tables come out run together), under 4 KB. What waits comes first; when
 * it is too long, steps that are done go first, then pending ones, then warnings.
 */
export function showDetails(snapshot: RunSnapshot, at: string): string {
  const { state } = snapshot;
  const waits = waiting(snapshot);
  const warnings = state.warnings.slice(-5).map((warning) => `- ⚠ ${cut(warning, 200)}`);
  const compact = (hidden: readonly string[]): string[] => [
    ...hidden.flatMap((name) => {
      const count = state.steps.filter((step) => step.state === name).length;
      return count > 0 ? [`- ${count} steps ${name}`] : [];
    }),
    ...state.steps.filter((step) => !hidden.includes(step.state)).map(stepLine),
  ];
  const build = (steps: string[], warned: string[]): string => [heading(snapshot, at), waits.join('\n'), steps.join('\n'), warned.join('\n')].filter((part) => part !== '').join('\n\n');
  const candidates = [
    build(compact([]), warnings),
    build(compact(['done', 'skipped']), warnings),
    build(compact(['done', 'skipped', 'pending']), warnings),
    build(compact(['done', 'skipped', 'pending', 'undone']), []),
  ];
  const fitting = candidates.find((text) => bytesOf(text) <= detailsBytes);
  if (fitting !== undefined) return fitting;
  const shortest = candidates.at(-1)!;
  // A character has at most four bytes; cutting by a quarter of the room is always enough.
  return bytesOf(shortest.slice(0, detailsBytes)) <= detailsBytes ? shortest.slice(0, detailsBytes) : shortest.slice(0, detailsBytes / 4);
}
