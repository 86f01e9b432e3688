import { answersToFailure, answersToGate, answersToList, approvalsOf, whoAnswers } from '../domain/how-to-answer.ts';
import { describeLeft, isUndoneByHand, leftAfterService, type RunState, type StepState } from '../domain/run-state.ts';
import { describePartial } from '../domain/chosen-namespaces.ts';
import { describeProgress, describeShare } from '../domain/describe-progress.ts';
import { describeTarget } from '../domain/describe-target.ts';
import type { Phase } from '../domain/names.ts';
import { formatDuration } from '../domain/units.ts';
import { failedSteps, openGates, waitingLists } from './waits-for.ts';
import type { RunSnapshot } from './run-types.ts';

/** The Temporal UI shows no more than this of a workflow's details in comfort. */
export const detailsBytes = 4_000;

/** What the search attribute HoldfastPhase says. */
export function phaseOf(snapshot: RunSnapshot): Phase {
  const { status } = snapshot.state;
  if (status === 'running') return openGates(snapshot).length + waitingLists(snapshot).length > 0 ? 'waiting' : status;
  return snapshot.state.steps.some(isUndoneByHand) && status !== 'stuck' ? 'waiting' : status;
}

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
const clock = (at: string): string => `${at.slice(11, 19)}Z`;

/** The UI renders lists inside of lists as one run-on line: each wait is a heading with a flat list of its own. */
const section = (heading: string, lines: readonly string[]): string => [`### ${heading}`, '', ...lines.map((line) => `- ${line}`)].join('\n');

const inTheUi = 'in this UI: More Actions, Send an Update: what is refused says why at once';

/** Who is waited for, and what to send, word by word. */
export function waiting(snapshot: RunSnapshot): string[] {
  const { system } = snapshot.state;
  const gates = openGates(snapshot).map((gate) =>
    gate.quorum === 0
      ? section(`BEGINS at ${gate.notBefore}, unless somebody rejects it`, [`who can: ${whoAnswers(gate)}`, cut(gate.description, 600), ...answersToGate(snapshot.state, gate), inTheUi])
      : section(`WAITING for approval \`${gate.gate}\``, [`since ${clock(gate.openedAt!)}: ${approvalsOf(gate)}`, cut(gate.description, 600), ...answersToGate(snapshot.state, gate), inTheUi]),
  );
  const failed = failedSteps(snapshot).map((id) => {
    const step = snapshot.state.steps.find((candidate) => candidate.id === id)!;
    const undo = step.state === 'stuck';
    // On the way back an undo that is left out would have the next restore go on top of what is there.
    const ways = snapshot.rewind ? [`signal \`retry\` \`{"step": "${id}"}\` or \`abort\``] : answersToFailure(snapshot.state, id, undo);
    return section(`${undo ? 'STUCK: the undo of' : 'PAUSED: step'} \`${id}\` ${undo ? '' : 'has '}failed`, [cut(`${step.error?.type}: ${step.error?.message}`, 400), ...ways, inTheUi]);
  });
  const lists = waitingLists(snapshot).map((step) =>
    section(isUndoneByHand(step) ? `WAITING for a person to take back \`${step.id}\` by hand` : `WAITING for people to confirm \`${step.id}\``, [
      ...(step.summary === null ? [] : [cut(step.summary, 200)]),
      ...step.items!.map((item) => `${item.by === null ? '**to do**' : `done by ${cut(item.by, 60)}`} \`${item.id}\`: ${cut(item.do, 150)}`),
      ...answersToList(system, step),
      ...(isUndoneByHand(step) ? [snapshot.abort ? `or leave it, and what it stands on, as they are: signal \`skip\` with \`{"step": "${step.id}", "by": "YOUR NAME", "reason": "…"}\`` : 'it cannot be left out: the run goes on once it is taken back'] : []),
      inTheUi,
    ]),
  );
  return [...gates, ...lists, ...failed];
}

/** Who let it pass, and how long they took: the step itself takes no time. */
function approvedBy({ gates }: RunState, step: StepState): string | undefined {
  const gate = gates.find((one) => one.step === step.id && one.status === 'approved');
  if (!gate?.openedAt || !gate.closedAt || step.uses !== 'approval') return undefined;
  const names = gate.decisions.filter(({ decision }) => decision === 'approve').map(({ by, proof }) => `${cut(by, 40)} (${proof})`);
  return `${step.id} approved${names.length > 0 ? ` by ${names.join(', ')}` : ''} after ${formatDuration(Date.parse(gate.closedAt) - Date.parse(gate.openedAt))}`;
}

function stepLine(state: RunState, step: StepState): string {
  const budget = step.budgetMs === null ? '' : ` of ${formatDuration(step.budgetMs)}`;
  const tries = step.attempt > 1 ? `, try ${step.attempt}` : '';
  if (step.state === 'pending') return `- pending ${step.id}${step.budgetMs === null ? '' : ` (budget ${formatDuration(step.budgetMs)})`}${step.error ? `: ${cut(step.error.message, 120)}` : ''}`;
  if (step.state === 'running') return `- **running** ${step.id} since ${clock(step.startedAt!)}${step.budgetMs === null ? '' : `, budget ${formatDuration(step.budgetMs)}`}${tries}${howFar(step)}`;
  if (step.state === 'waiting') return `- **waiting** for people: ${step.id}${tries}`;
  const approved = step.state === 'done' ? approvedBy(state, step) : undefined;
  if (approved !== undefined) return `- done ${approved}`;
  return `- ${step.state === 'done' || step.state === 'skipped' ? step.state : `**${step.state}**`} ${step.id} ${formatDuration(step.elapsedMs)}${budget}${tries}${step.summary ? `: ${cut(step.summary, 160)}` : ''}`;
}

function howFar({ progress }: StepState): string {
  return progress ? `: ${[cut(progress.phase, 60), ...describeProgress(progress)].filter((fact) => fact !== '').join(', ')}` : '';
}

/** What people have asked for that is not a step. */
function notices({ state, rewind }: RunSnapshot): string {
  return [
    ...(leftAfterService(state) ? [`\n- **${cut(describeLeft(leftAfterService(state)!), 400)}**`] : []),
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
  if (state.only) return `${title}\n\n- **${describePartial(state.only)}**${state.copies ? `, ${state.copies}` : ''}; no traffic is moved\n- started ${clock(state.startedAt)}; waited for people ${formatDuration(state.humanMs)}${notices(snapshot)}`;
  return `${title}\n\n- RTO: ${clocks}${forecast}; waited for people ${formatDuration(state.humanMs)}${notices(snapshot)}`;
}

/** Length in UTF-8; workflow code has no TextEncoder in its types. */
export const bytesOf = (text: string): number => encodeURIComponent(text.toWellFormed()).replaceAll(/%[0-9A-F]{2}/g, 'x').length;

/**
 * The run as Markdown for the Temporal UI: flat bullet lists (tables and nested lists come out run together), under 4 KB. What waits comes first; when
 * it is too long, steps that are done go first, then pending ones, then warnings.
 */
export function showDetails(snapshot: RunSnapshot, at: string): string {
  const { state } = snapshot;
  const waits = waiting(snapshot);
  const asked = openGates(snapshot).map(({ description }) => description).join(' ');
  // What a gate says already is said once, where it is answered.
  const warnings = state.warnings.filter((warning) => !asked.includes(warning.slice(warning.indexOf(': ') + 2))).slice(-5).map((warning) => `- ⚠ ${cut(warning, 200)}`);
  const compact = (hidden: readonly string[]): string[] => [
    ...hidden.flatMap((name) => {
      const count = state.steps.filter((step) => step.state === name).length;
      return count > 0 ? [`- ${count} steps ${name}`] : [];
    }),
    ...state.steps.filter((step) => !hidden.includes(step.state)).map((step) => stepLine(state, step)),
  ];
  const titled = (title: string, lines: string[]): string => (lines.length === 0 ? '' : [`### ${title}`, '', ...lines].join('\n'));
  const build = (steps: string[], warned: string[]): string => [heading(snapshot, at), ...waits, titled('Warnings', warned), titled('Steps', steps)].filter((part) => part !== '').join('\n\n');
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
