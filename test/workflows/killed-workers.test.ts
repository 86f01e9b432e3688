import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { isGrpcServiceError, ServiceError, type WorkflowHandle } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, WorkflowNotFoundError } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { listSystems, loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { startTool, type RunningTool } from '../../activities/tool/run-tool.ts';
import { taskQueues } from '../../workflows/contract.ts';
import { expandRunbook, mainRunbook, runbookNames } from '../../workflows/domain/expand-runbook.ts';
import { bringsWhole, copiesOf, homesOf, isInPlace, viewFor } from '../../workflows/domain/homeward.ts';
import { lockIds, searchAttributes } from '../../workflows/domain/names.ts';
import { peopleWith, samePerson, type People } from '../../workflows/domain/people.ts';
import { permissions } from '../../workflows/domain/permissions.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { isUndoneByHand, type RunState, type StepState } from '../../workflows/domain/run-state.ts';
import type { RunbookStep } from '../../workflows/domain/runbook.ts';
import type { StepTypeName } from '../../workflows/domain/step-language.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import type { ActivityName } from '../../workflows/call.ts';
import type { Owner } from '../harness/cleanup.ts';
import { isWhole, sampleName, sampleOf, sampleSeed } from '../harness/sample.ts';
import { startTemporalServer } from '../harness/temporal-server.ts';
import { sendUpdate } from '../../scripts/client.ts';
import { shuffle } from '../faults/choose.ts';
import { failureOf, stateOf } from './lab.ts';
import type { Broken, Orders, Said } from './stub-worker.ts';
import { takenBack } from './taken-back.ts';

/**
 * The last of the saga's promises, for every runbook that is shipped: a worker process dies (KILL) in the middle of every step and of every undo, and while every gate is open; the next process, which has nothing but the history, goes on.
 *
 * First each runbook runs as it is, to its end, by the runbook that it escalates to where what escalates fails, and aborted where it can last be undone, as when its switch breaks before anybody is let in: what it calls then is what workers die in, and how it ends is how the others have to end. Those run
 * beside each other, on one server: each dies at several of the calls, spread over its length, and one death is a death in each of them. A worker is killed
 * when every run waits for it: nothing else is under way, so what had ended by then must not be done again.
 *
 * What it costs is a run for so many deaths, a process for each round of them, and a replay for each: more deaths of a run are fewer runs and more rounds.
 * `npm test` takes a sample (test/harness/sample.ts): a quarter of the runs, in which each type of step, each system and each way to end is, and of each run some deaths, so that
 * each kind of call has one somewhere.
 */
const mostDeathsOfARun = isWhole ? 16 : 8;

/** The call that a step of each type is about. Undos and gates come beside. */
const mainCall: Record<Exclude<StepTypeName, 'approval' | 'manual' | 'notify' | 'elevate'>, ActivityName> = {
  declare: 'claimEpoch',
  'find-recovery-point': 'findRecoveryPoint',
  provision: 'provisionTarget',
  restore: 'restoreGroup',
  replay: 'replayLog',
  'build-indexes': 'buildIndexes',
  validate: 'validateTarget',
  fence: 'fencePrimary',
  'safety-point': 'verifyRecoveryPoint',
  'copy-beside': 'copyBeside',
  swap: 'swapCollections',
  compare: 'compareTarget',
  'preview-rows': 'planRows',
  'restore-rows': 'restoreRows',
  mask: 'maskTarget',
  drain: 'drainLog',
  promote: 'promoteTarget',
  switch: 'admitTraffic',
  protect: 'startTimeline',
  deploy: 'deployVersion',
  command: 'runCommand',
  report: 'writeReport',
};
/** Calls that a step makes where its source has a log. */
const moreCalls: readonly ActivityName[] = ['proveArchive'];
/** These only look, by a clock; and of messages that wait for one under way, the newest is sent. */
const asOftenAsItLikes: readonly ActivityName[] = ['probeOldPrimary', 'readArchiveStatus', 'readStepHistory', 'notify'];
/** Traffic is taken away and given back by the fence in place and by its undo; before an abort nothing else touches it. */
const undoCalls: readonly ActivityName[] = ['unfencePrimary', 'startAgain', 'admitTraffic', 'removeTarget', 'giveRoomBack', 'swapBack', 'dropCopies', 'removeRows', 'releaseHold', 'deployVersion'];

class StubWorker {
  readonly #process: RunningTool;
  readonly said: Said[] = [];
  readonly #isLoaded: Promise<void>;

  constructor(owner: Owner, address: string) {
    this.#process = startTool('node', [join(import.meta.dirname, 'stub-worker.ts'), address]);
    owner.after(async () => await this.kill());
    const lines = createInterface({ input: this.#process.stdout });
    this.#isLoaded = new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        const said = JSON.parse(line) as Said | 'loaded';
        if (said === 'loaded') resolve();
        else this.said.push(said);
      });
      this.#process.done.then(() => reject(new Error('the worker ended')), reject);
    });
    this.#isLoaded.catch(() => undefined);
  }

  heldOf = (system: string): string[] => this.said.filter((said) => said.is === 'held' && said.system === system).map(({ call }) => call);

  async work(orders: Orders): Promise<void> {
    await this.#isLoaded;
    this.#process.stdin.write(`${JSON.stringify(orders)}\n`);
  }

  /** With no time for anything: not the answers to Temporal, not a good-bye. */
  async kill(): Promise<void> {
    try {
      process.kill(-this.#process.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
    await this.#process.done.catch(() => undefined);
  }
}

interface Shipped {
  base: string;
  runbook: string;
  /** in place goes back to a moment, which has to be given */
  targetTime?: string;
  /** beside and swap are of chosen collections */
  only?: string[];
  people: People | undefined;
  requestedBy: string;
  /** somebody who may abort */
  by: string;
  /** the command at which it escalates; left out: all is well */
  failsAt?: string;
  /** of the runbook that it ends by */
  steps: readonly RunbookStep[];
  /** calls of programs that take back what a step did */
  undoCommands: readonly string[];
  /** changed as taken-back.ts does; only ever aborted */
  isTakenBack: boolean;
  /** where people are served before traffic is moved; null: none is moved to another side */
  oldSide: string | null;
}

interface Run {
  shipped: Shipped;
  system: string;
  /** where it can last be undone */
  isAborted: boolean;
  /** calls, gates as `gate <name>`, checklists as `list <step>` and what people take back as `undo <step>`, that a worker has still to die in */
  left: string[];
  entry: WorkflowHandle;
  handle: WorkflowHandle;
  said: Said[];
}

async function listShipped(): Promise<Shipped[]> {
  const loaded = await Promise.all((await listSystems()).map((name) => loadSystemFile(name)));
  return loaded.flatMap(({ system, digest }) => {
    const view = toSystemView(system, digest);
    const who = (may: keyof typeof permissions): string[] => (view.people ? peopleWith(view.people, permissions[may].who) : ['dana', 'erik']);
    const requestedBy = who('recover')[0]!;
    const by = who('abort').find((person) => person !== requestedBy)!;
    const stepsOf = (runbook: string): Shipped['steps'] => (view.runbooks?.[runbook] ?? view.runbook).steps;
    const all = runbookNames(system).map((runbook): Shipped => ({ base: system.system, isTakenBack: false, undoCommands: undoCommandsOf(view, stepsOf(runbook)), runbook, oldSide: oldSideOf(view, runbook), ...(isInPlace(view, runbook) ? { targetTime: '2026-01-02T03:00:05Z' } : {}), ...(copiesOf(view, runbook) && !bringsWhole(view, copiesOf(view, runbook)) ? { only: ['shop.orders'] } : {}), people: view.people, requestedBy, by, steps: stepsOf(runbook) }));
    const escalated = all.flatMap((one) => expandRunbook(view, one.runbook).flatMap(({ onFailure, with: settings }) => (typeof onFailure === 'object' && 'escalate' in onFailure ? [{ ...one, failsAt: String(settings?.['command']), steps: stepsOf(onFailure.escalate) }] : [])));
    const { steps } = takenBack(view).runbook;
    const changed = all.filter(({ base, runbook }) => base === 'demo' && runbook === mainRunbook).map((one) => ({ ...one, isTakenBack: true, steps, undoCommands: undoCommandsOf(view, steps) }));
    return [...all, ...escalated, ...changed];
  });
}

/** As the stub worker calls them: the undo of a step that runs a command, and a command that a step's `undo` names. */
const undoCommandsOf = ({ commands = {} }: SystemView, steps: readonly RunbookStep[]): string[] => steps.flatMap(({ with: settings, undo }) => [...(commands[String(settings?.['command'])]?.undo ? [`runCommand ${String(settings!['command'])} undo`] : []), ...(undo?.command === undefined ? [] : [`runCommand ${undo.command}`])]);

/** In place traffic comes back by the fence's undo, which an abort of any later step does. */
function oldSideOf(view: SystemView, runbook: string): string | null {
  const moves = expandRunbook(view, runbook).some(({ uses }) => uses === 'switch') && !isInPlace(view, runbook);
  return moves ? homesOf(viewFor(view, runbook).sources)[0]! : null;
}

async function begin({ client }: TestWorkflowEnvironment, shipped: Shipped, isAborted: boolean, name: string, left: string[]): Promise<Run> {
  const system = [shipped.base, shipped.runbook, ...(shipped.isTakenBack ? ['taken-back'] : []), ...(shipped.failsAt ? ['escalated'] : []), ...(isAborted ? ['aborted'] : []), name].join('-');
  const request = { system, requestedBy: shipped.requestedBy, ...(shipped.runbook === mainRunbook ? {} : { runbook: shipped.runbook }), ...(shipped.targetTime ? { targetTime: shipped.targetTime } : {}), ...(shipped.only ? { only: shipped.only } : {}) };
  const entry = await client.workflow.start('recoverSystem', { taskQueue: taskQueues.control, workflowId: `entry/${system}`, args: [request] });
  return { shipped, system, isAborted, left, entry, handle: client.workflow.getHandle(lockIds.recover(system)), said: [] };
}

/** What Temporal lists of all runs, asked for at once: to ask for each of them costs more than they do. */
interface Listed {
  /** ids of entries that are closed */
  over: Set<string>;
  /** ids of runs that wait for a person, as the UI's list shows it */
  forPeople: Set<string>;
}

const phase = defineSearchAttributeKey(searchAttributes.phase, SearchAttributeType.KEYWORD);

async function listRuns({ client }: TestWorkflowEnvironment): Promise<Listed> {
  const listed: Listed = { over: new Set(), forPeople: new Set() };
  for await (const { type, workflowId, status, typedSearchAttributes } of client.workflow.list({ query: 'WorkflowType IN ("recoverSystem", "runRecovery")' })) {
    if (type === 'recoverSystem' && status.name !== 'RUNNING') listed.over.add(workflowId);
    if (type === 'runRecovery' && ['waiting', 'paused'].includes(typedSearchAttributes.get(phase) ?? '')) listed.forPeople.add(workflowId);
  }
  return listed;
}

/** Archives, and watches on old primaries, outlive their runs: of runs that were looked at, nobody needs them. */
async function endWhatOutlives({ client }: TestWorkflowEnvironment): Promise<void> {
  const open: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query: 'ExecutionStatus = "Running"' })) open.push(workflowId);
  await Promise.all(open.map(async (workflowId) => await client.workflow.getHandle(workflowId).terminate('its run is over').catch((error: unknown) => {
    // With its parent.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  })));
}

/**
 * Whether a workflow, and all that it has started, waits for nothing but what the worker holds; the archive's call lasts for ever. Calls of one name are
 * counted: one that was done, and of which Temporal has not heard, is pending beside the held one.
 */
async function isStill(env: TestWorkflowEnvironment, workflowId: string, held: readonly string[]): Promise<boolean> {
  const described = await env.client.workflow.getHandle(workflowId).describe().catch((error: unknown) => {
    // A child that was asked for a moment ago is listed before it is there.
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  });
  if (!described || described.raw.pendingWorkflowTask) return false;
  const pending = (described.raw.pendingActivities ?? []).map(({ activityType }) => activityType!.name!);
  const left = held.map((call) => kindOf(call));
  for (const name of pending) {
    if (name === 'archiveLog') continue;
    const at = left.indexOf(name);
    if (at < 0) return false;
    left.splice(at, 1);
  }
  const children = await Promise.all((described.raw.pendingChildren ?? []).map((child) => isStill(env, child.workflowId!, held)));
  return children.every(Boolean);
}

/** What a person would look at: what is pending, and how workflow tasks went wrong. The history is kept in a file: its order is what tells why it does not replay. */
async function whereItStands({ handle, system }: Run): Promise<string> {
  const { raw } = await handle.describe();
  const history = await handle.fetchHistory();
  const kept = join(tmpdir(), `hung-${system}-${process.pid}.json`);
  writeFileSync(kept, JSON.stringify(history.events, (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value)));
  const { events } = history;
  const failures = (events ?? []).flatMap(({ eventId, workflowTaskFailedEventAttributes: failed, workflowTaskTimedOutEventAttributes: timedOut }) =>
    failed ? [`task failed at ${String(eventId)}: ${failed.failure?.message}`] : timedOut ? [`task timed out at ${String(eventId)}`] : [],
  );
  return [...failures, `history: ${kept}`, `pending: ${JSON.stringify([raw.pendingWorkflowTask, raw.pendingActivities?.map(({ activityType, attempt }) => [activityType?.name, attempt])])}`].join('\n');
}

const kindOf = (call: string): string => call.split(' ')[0]!;

/** A call that a step makes is another death than the same as an undo; and so is a program's own undo than one that a step's `undo` names. */
const deathIn = ({ isAborted }: Run, call: string): string => `${isAborted ? 'undo: ' : ''}${kindOf(call)}${call.endsWith(' undo') ? ', its own' : ''}`;

/** Of all that workers could die in, in each run: kinds of deaths that no other run has yet come first, and the rest is chance. @param inAll - kinds that there are already */
function deathsOf(calls: readonly string[], inAll: Set<string>, run: Run): string[] {
  const kind = (call: string): string => deathIn(run, call);
  // Of its own in each run, or all would have the same.
  const shuffled = shuffle(calls, [...run.system].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), sampleSeed));
  const isNew = new Set(shuffled.filter((call, n) => !inAll.has(kind(call)) && shuffled.findIndex((other) => kind(other) === kind(call)) === n));
  const more = shuffled.filter((call) => !isNew.has(call)).slice(0, Math.max(0, mostDeathsOfARun - isNew.size));
  const chosen = new Set(isWhole ? calls : [...isNew, ...more]);
  for (const call of chosen) inAll.add(kind(call));
  return calls.filter((call) => chosen.has(call));
}

const listsThatWait = (state: RunState): StepState[] => state.steps.filter(({ state: is, items }) => is === 'waiting' && items !== undefined);

/** Answers an open gate as one would who is asked, and is not who asked for the run; confirms what is to be done by hand; aborts what is paused. */
async function act({ handle, shipped }: Run, state: RunState): Promise<void> {
  if (state.status === 'paused') return void (await sendUpdate(handle, 'abort', { by: shipped.by }));
  for (const { id: step, items } of listsThatWait(state)) for (const { id: item } of items!.filter(({ by }) => by === null)) await sendUpdate(handle, 'confirm', { step, item, by: shipped.by });
  const gate = state.gates.find(({ status }) => status === 'open');
  if (!gate) return;
  const asked = (gate.people.length > 0 ? gate.people : ['erik', 'fay', 'gil']).filter((person) => !samePerson(shipped.people, person, state.requestedBy) && !gate.decisions.some(({ by }) => by === person));
  await sendUpdate(handle, 'approve', { gate: gate.gate, by: asked[0]! });
}

const longestMs = 180_000;
/** @source gRPC's codes DEADLINE_EXCEEDED, and FAILED_PRECONDITION, which Temporal answers while a run's task has failed and was not tried again yet */
const unanswered = [4, 9];

/** Of a hundred runs whose worker died, the next one first makes each anew from its history: a question may be given up before it comes to it, or a task that took too long stand in its way. What stays so hangs, and is said then. */
async function stateIfAnswered(run: WorkflowHandle): Promise<RunState | undefined> {
  try {
    return await stateOf(run);
  } catch (error) {
    const said = error instanceof ServiceError ? error.cause : error;
    if (isGrpcServiceError(said) && unanswered.includes(said.code)) return undefined;
    throw error;
  }
}

/** @returns in what the run waits, that a worker is to die in; nothing where it is over; undefined while it goes on. */
async function mayDieIn(env: TestWorkflowEnvironment, run: Run, held: string[], listed: Listed): Promise<string[] | undefined> {
  if (held.length > 0) return (await isStill(env, run.entry.workflowId, held)) ? held : undefined;
  if (listed.over.has(run.entry.workflowId)) return [];
  // Asked whatever is on its way, also of a run that a worker has just lost: see workflows/evict-stale.ts.
  if (!listed.forPeople.has(run.handle.workflowId)) return undefined;
  const state = await stateIfAnswered(run.handle);
  if (!state) return undefined;
  const waiting = [...state.gates.filter(({ status }) => status === 'open').map(({ gate }) => `gate ${gate}`), ...listsThatWait(state).map((step) => `${isUndoneByHand(step) ? 'undo' : 'list'} ${step.id}`)].filter((what) => run.left.includes(what));
  if (waiting.length > 0) return (await isStill(env, run.entry.workflowId, [])) ? waiting : undefined;
  await act(run, state);
  return undefined;
}

/** Follows the runs until each waits in what the worker is to die in, or is over. @returns in what each waits. */
async function untilAllMayDie(env: TestWorkflowEnvironment, runs: readonly Run[], worker: StubWorker): Promise<Map<Run, string[]>> {
  const waitIn = new Map<Run, string[]>();
  const endsAt = performance.now() + longestMs;
  for (;;) {
    const listed = await listRuns(env);
    const left = runs.filter((run) => !waitIn.has(run));
    await Promise.all(left.map(async (run) => {
      const what = await mayDieIn(env, run, worker.heldOf(run.system), listed);
      if (what) waitIn.set(run, what);
    }));
    if (waitIn.size === runs.length) return waitIn;
    if (performance.now() > endsAt) assert.fail((await Promise.all(left.filter((run) => !waitIn.has(run)).map(async (run) => `${run.system} hangs: ${await whereItStands(run)}`))).join('\n'));
    await delay(300);
  }
}

const brokenIn = ({ shipped: { failsAt, oldSide } }: Run): Broken => (failsAt === undefined ? (oldSide === null ? 'promotion' : 'switch') : { command: failsAt });

/** The next worker is loaded while its predecessor works, as a machine that stands by; it works only once that one is dead. @returns how many died. */
async function killAll(t: Owner, env: TestWorkflowEnvironment, runs: readonly Run[]): Promise<number> {
  let next = new StubWorker(t, env.address);
  for (let deaths = 1; ; deaths += 1) {
    const worker = next;
    await worker.work({
      systems: Object.fromEntries(runs.map(({ system, shipped }) => [system, shipped.base])),
      takenBack: runs.filter(({ shipped }) => shipped.isTakenBack).map(({ system }) => system),
      holds: Object.fromEntries(runs.map(({ system, left }) => [system, left])),
      broken: Object.fromEntries(runs.flatMap((run): [string, Broken][] => (run.isAborted || run.shipped.failsAt ? [[run.system, brokenIn(run)]] : []))),
    });
    if (runs.some(({ left }) => left.length > 0)) next = new StubWorker(t, env.address);
    const waitIn = await untilAllMayDie(env, runs, worker);
    await worker.kill();
    for (const run of runs) {
      run.said.push(...worker.said.filter(({ system }) => system === run.system));
      run.left = run.left.filter((what) => !waitIn.get(run)!.includes(what));
    }
    if ([...waitIn.values()].every((calls) => calls.length === 0)) return deaths;
  }
}

interface End {
  outcome: string;
  steps: { id: string; state: string; attempt: number; summary: string | null; isList: boolean; isUndoneByHand: boolean }[];
  gates: { gate: string; status: string; by: string[] }[];
  escalations: number;
  warnings: string[];
  /** how often each call was ordered, and done */
  done: Record<string, number>;
}

async function reportOf({ entry, isAborted }: Run): Promise<RunReport> {
  if (!isAborted) return (await entry.result()) as RunReport;
  const failure = await failureOf(entry);
  assert.equal(failure.type, 'Aborted');
  return failure.details![0] as RunReport;
}

/** Of the run and of the clock. */
const timeless = (text: string): string => text.replaceAll(/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, 'the run').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z|\d+h\d+m|\b\d+m?s\b/g, 'some time');

async function endOf(run: Run): Promise<End> {
  const { outcome, state, warnings } = await reportOf(run);
  // Of what was undone, the end is that of the undo.
  for (const { id, startedAt } of run.isAborted ? [] : state.steps) {
    for (const need of run.shipped.steps.find((step) => step.id === id)!.needs) {
      const { endedAt } = state.steps.find((step) => step.id === need)!;
      assert.ok(startedAt === null || (endedAt !== null && endedAt <= startedAt), `${run.system}: ${id} began at ${startedAt}, before ${need} had ended at ${endedAt}`);
    }
  }
  const orders = new Map(run.said.filter(({ is, call }) => is === 'done' && !asOftenAsItLikes.includes(kindOf(call) as ActivityName)).map(({ order, call }) => [order, call]));
  const done: Record<string, number> = {};
  for (const call of orders.values()) done[call] = (done[call] ?? 0) + 1;
  return {
    outcome,
    // Of the clock: time passes until a lost worker is found.
    warnings: warnings.filter((warning) => !/over its budget|RTO objective|^forecast/.test(warning)).map((warning) => timeless(warning.replaceAll(run.system, 'the system'))),
    steps: state.steps.map(({ id, state: is, attempt, summary, items }) => ({ id, state: is, attempt, isList: items !== undefined, isUndoneByHand: items?.some(({ undo }) => undo === true) === true, summary: summary && timeless(summary.replaceAll(run.system, 'the system')) })),
    escalations: state.escalations?.length ?? 0,
    gates: state.gates.map(({ gate, status, decisions }) => ({ gate, status, by: decisions.map(({ by }) => by) })),
    done: Object.fromEntries(Object.entries(done).sort()),
  };
}

test(`every shipped runbook: a worker killed in its steps and undos, and at open gates (${sampleName}); each run ends as it would have, and nothing is done twice`, { timeout: 590_000 }, async (t) => {
  const env = await startTemporalServer(t);
  const shipped = await listShipped();
  const ways = shipped.flatMap((one) => (one.failsAt ? [false] : one.isTakenBack ? [true] : [false, true]).map((isAborted) => ({ one, isAborted, is: [one.base, one.failsAt ? 'escalated' : isAborted ? 'aborted' : 'done', ...(isAborted ? [...one.steps.flatMap(({ undo }) => (undo ? ['by hand'] : [])), ...one.undoCommands] : one.steps.map(({ uses }) => uses))] })));
  const unharmed = await Promise.all(sampleOf(ways, ways.length / 4, ({ is }) => is).map(async ({ one, isAborted }) => await begin(env, one, isAborted, '0', [])));
  await killAll(t, env, unharmed);
  await endWhatOutlives(env);
  const found = await Promise.all(unharmed.map(async (run) => {
    const end = await endOf(run);
    const order = [...new Set(run.said.filter(({ is }) => !run.isAborted || is === 'done').map(({ call }) => call))];
    assert.equal(end.escalations, run.shipped.failsAt ? 1 : 0, run.system);
    const called = order.filter((call) => (run.isAborted ? undoCalls : [...Object.values(mainCall), ...moreCalls]).includes(kindOf(call) as ActivityName) || (run.isAborted && run.shipped.undoCommands.includes(call)));
    if (run.isAborted) assert.deepEqual(run.shipped.undoCommands.filter((call) => !called.includes(call)), [], `${run.system}: each program that takes something back is one that workers die in`);
    const what = [...called, ...(run.isAborted ? end.steps.filter((step) => step.isUndoneByHand).map(({ id }) => `undo ${id}`) : [...end.gates.map(({ gate }) => `gate ${gate}`), ...end.steps.filter(({ isList }) => isList).map(({ id }) => `list ${id}`)])];
    // Each step of the runbook is one that workers die in.
    for (const { uses } of run.isAborted ? [] : run.shipped.steps) assert.ok(uses === 'approval' || uses === 'manual' || uses === 'notify' || called.some((call) => call.startsWith(mainCall[uses as keyof typeof mainCall])), uses);
    return { run, end, what };
  }));
  const inAll = new Set<string>();
  const groups = await Promise.all(found.map(async ({ run, end, what }) => {
    const chosen = deathsOf(what, inAll, run);
    const count = Math.ceil(chosen.length / mostDeathsOfARun);
    const runs = await Promise.all(Array.from({ length: count }, async (_, n) => await begin(env, run.shipped, run.isAborted, `${n + 1}`, chosen.filter((_call, index) => index % count === n))));
    return { end, runs };
  }));
  assert.deepEqual([...new Set(found.flatMap(({ run, what }) => what.map((call) => deathIn(run, call))))].filter((kind) => !inAll.has(kind)), [], 'each kind of call has a death');
  const runs = groups.flatMap((group) => group.runs);
  const calls = runs.flatMap(({ left }) => left).length;
  const deaths = await killAll(t, env, runs);
  t.diagnostic(`${sampleName}; of ${shipped.length} runbooks ${runs.length} runs: ${deaths} workers died in ${calls} calls`);
  for (const { end, runs: killed } of groups) for (const run of killed) assert.deepEqual([run.system, await endOf(run)], [run.system, end]);
  for (const { system, said, shipped: { oldSide } } of [...unharmed, ...runs].filter(({ isAborted, shipped: { oldSide } }) => isAborted && oldSide !== null)) {
    assert.equal(said.findLast(({ is, call }) => is === 'done' && call.startsWith('admitTraffic'))?.call, `admitTraffic ${oldSide} 100`, `${system}: the old side serves again`);
  }
  assert.deepEqual(runs.flatMap(({ system, left }) => left.map((what) => `${system}: ${what}`)), [], 'no worker died in these');
});
