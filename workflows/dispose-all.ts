import { sleep, workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import { continueOnCurrent } from './continue-on-current.ts';
import { longWaitMs, orderPoint, passPoint, type DisposalOrdered, type PointOutcome, type PointUnderway } from './disposal/destroy-point.ts';
import { describeEnds, describeList, refuseList, type DisposalList, type ListedPoint } from './domain/disposal/describe-list.ts';
import { disposeAllInput, parseInput, type DisposeAllInput } from './domain/inputs.ts';
import type { ObjectRef } from './domain/stored-object.ts';
import type { SystemView } from './domain/system-view.ts';
import { formatBytes, formatDuration, seconds } from './domain/units.ts';
import { describeFailure, surfacing } from './failure.ts';
import { approvedBy, Gate, type GateAnswer } from './gate.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';
import { checkSource } from './sources.ts';
import { sideBySide } from './steps/side-by-side.ts';

/** What came of one point; `refused`: somebody holds it, a run reads it, or it is gone, since the list was made. */
export interface PointEnd {
  source: string;
  point: string;
  outcome: PointOutcome['outcome'] | 'refused';
  why: string | null;
  certificate: ObjectRef | null;
}

/** What came of all. */
export interface DisposalOfAll {
  system: string;
  /** done: each point of the list has ended, as `points` says of it */
  outcome: 'dry' | 'rejected' | 'done';
  /** who rejected it */
  why: string | null;
  list: DisposalList;
  points: PointEnd[];
}

/** What goes on as a new run, after a long wait or before the history grows. Set by the workflow itself. */
export interface AllUnderway {
  list: DisposalList;
  ordered: DisposalOrdered;
  /** not ordered yet: they are given as before */
  rest: Pick<ListedPoint, 'source' | 'point'>[];
  /** `againAtMs`: not looked at before, by the workflow's clock */
  left: (PointUnderway & { againAtMs: number; why: string | null })[];
  points: PointEnd[];
}

/** Each is a listing and deletions of its own, which go on side by side too. */
const atOnce = 3;
/** What is due so soon after another is waited for with it. */
const togetherMs = seconds(60);

/**
 * Destroys every base and import of a source, or of all sources of a system, one by one as `disposePoint` does, each with its certificate. What goes is a list that somebody was shown: `expected` is its
 * digest, and the gate that the system file's `disposal.approval` names is asked once, for that list. What is sealed later is not on it, and stays.
 *
 * First all are ordered, so that nobody is given any; then each goes as its locks end. Killed anywhere it goes on. Ended by somebody in its middle, what was ordered stays given to nobody; the next list
 * has it again, and finishes it.
 *
 * @param typed - DisposeAllInput as a person types it. @param underway - nobody types it.
 * @throws BadInput - no digest, or the list is another by now; NotPermitted - who asks may not, or something on it is held or read: then nothing of it goes; and as `disposePoint`.
 */
export async function disposeAll(typed: unknown, underway?: AllUnderway): Promise<DisposalOfAll> {
  const gate = new Gate();
  const ended = await surfacing(async () => {
    const input = parseInput('disposeAll', disposeAllInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    const begun = underway ?? (await begin(gate, view, input));
    return 'outcome' in begun ? begun : await destroy(view, begun);
  });
  return 'outcome' in ended ? ended : await continueOnCurrent<typeof disposeAll>(typed, ended);
}

/** Up to where the list is agreed to. */
async function begin(gate: Gate, view: SystemView, { source, expected, dryRun, requestedBy, reason }: DisposeAllInput): Promise<DisposalOfAll | AllUnderway> {
  const { system } = view;
  const { runId: run } = workflowInfo();
  if (source !== undefined) checkSource(view, source);
  const what = source === undefined ? `all of ${system}` : `all of ${system}/${source}`;
  await admit('disposeAll', view, { requestedBy, dryRun, reason: `${what}: ${reason}` });
  mark({ system, purpose: 'disposal', phase: 'running' });
  const sources = source === undefined ? Object.keys(view.sources) : [source];
  const list = await callsAt(view.site)('planDisposals', { system, sources }, `what there is of ${sources.join(', ')}, and what stands against its disposal`);
  const lines = describeList(list);
  const end = (outcome: 'dry' | 'rejected', why: string | null = null): DisposalOfAll => {
    mark({ phase: outcome === 'dry' ? 'done' : 'aborted' });
    showLines(`disposal of ${what}: ${outcome}${why === null ? '' : ` by ${why}`}`, lines);
    return { system, outcome, why, list, points: [] };
  };
  if (dryRun) return end('dry');
  showLines(`disposal of ${what}`, lines);
  refuseList(what, list, expected);
  const approval = view.disposal?.approval;
  const about = `${list.points.length} recovery points, ${what}, ${formatBytes(list.bytes)}, are destroyed for ever: ${reason}. The list has the SHA-256 ${list.digest}.`;
  const answer: GateAnswer | null = approval === undefined ? null : await gate.ask({ view, purpose: 'disposal', run, gate: approval, waitMs: 0, requestedBy, about, lines });
  if (answer && !answer.passed) return end('rejected', answer.by);
  const { epoch } = await callControl('claimEpoch', { system, why: 'disposal', takeOver: false }, `hold the command of ${system}`);
  const ordered: DisposalOrdered = { run, epoch, requestedBy, approvers: answer ? approvedBy(answer) : '', reason: `${reason} (one of ${list.points.length}, list ${list.digest})`, evenTheLast: true };
  return { list, ordered, rest: list.points.map(({ source: of, point }) => ({ source: of, point })), left: [], points: [] };
}

/** @returns underway: a long wait is over, or the history is long. */
async function destroy(view: SystemView, underway: AllUnderway): Promise<DisposalOfAll | AllUnderway> {
  const { list, ordered, rest, left, points } = underway;
  const { system } = view;
  mark({ phase: 'running' });
  for (let next = rest[0]; next; next = rest[0]) {
    if (workflowInfo().continueAsNewSuggested) return underway;
    await order(view, next, underway);
    rest.shift();
    show(system, underway);
  }
  while (left.length > 0) {
    const due = left.filter(({ againAtMs }) => againAtMs <= Date.now()).slice(0, 100);
    await sideBySide(due, atOnce, async (one) => {
      const passed = await passPoint(view, one, ordered);
      if ('waits' in passed) return void Object.assign(one, { againAtMs: Date.now() + passed.forMs, why: passed.waits.why });
      left.splice(left.indexOf(one), 1);
      points.push({ source: one.source, point: one.point, outcome: passed.outcome, why: passed.why, certificate: passed.certificate?.ref ?? null });
      show(system, underway);
    });
    if (left.length === 0) break;
    const waitMs = untilNext(left);
    if (waitMs > 0) await waitFor(system, underway, waitMs);
    if (waitMs > longWaitMs || workflowInfo().continueAsNewSuggested) return underway;
  }
  mark({ phase: 'done' });
  show(system, underway);
  // In the order of the list: they end as they end.
  const ends = new Map(points.map((end) => [`${end.source}/${end.point}`, end]));
  return { system, outcome: 'done', why: null, list, points: list.points.flatMap(({ source, point }) => ends.get(`${source}/${point}`) ?? []) };
}

/** Until the next of them is due, and what is due soon after it. */
function untilNext(left: AllUnderway['left']): number {
  const dueAtMs = left.map(({ againAtMs }) => againAtMs);
  const next = Math.min(...dueAtMs);
  return Math.max(...dueAtMs.filter((ms) => ms <= next + togetherMs)) - Date.now();
}

/** A hold or a run that came since the list was made keeps its point, and no other. */
async function order(view: SystemView, { source, point }: { source: string; point: string }, { ordered, left, points }: AllUnderway): Promise<void> {
  try {
    left.push({ ...(await orderPoint(view, { source, point }, ordered)), againAtMs: 0, why: null });
  } catch (error) {
    const { type, message } = describeFailure(error);
    if (type !== 'NotPermitted' && type !== 'NoRecoveryPoint') throw error;
    points.push({ source, point, outcome: 'refused', why: message, certificate: null });
  }
}

async function waitFor(system: string, underway: AllUnderway, waitMs: number): Promise<void> {
  mark({ phase: 'waiting' });
  show(system, underway, `waits ${formatDuration(waitMs)}`);
  await sleep(waitMs, { summary: `until the next lock ends, or who reads one of ${underway.left.length} points has ended` });
  mark({ phase: 'running' });
}

function show(system: string, { list, rest, left, points }: AllUnderway, more = ''): void {
  const destroyed = points.filter(({ outcome }) => outcome === 'destroyed').length;
  showLines(`disposal of ${list.points.length} recovery points of ${system}: ${destroyed} are destroyed${more === '' ? '' : `; ${more}`}`, [
    ...describeEnds(points),
    ...(rest.length > 0 ? [`${rest.length} are not ordered yet, and given as before`] : []),
    ...left.map(({ source, point, keysGoneAt, againAtMs, why }) => `${source}/${point}: ${keysGoneAt === null ? 'its keys are there, and nobody is given it' : `its keys are destroyed since ${keysGoneAt}`}${why === null ? '' : `; ${why}, looked at again at ${new Date(againAtMs).toISOString()}`}`),
  ]);
}
