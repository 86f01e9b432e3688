import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { listSystems, loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { HoldfastError, type ErrorType } from '../../workflows/domain/errors.ts';
import { permissions } from '../../workflows/domain/permissions.ts';
import { peopleWith, samePerson } from '../../workflows/domain/people.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import { undoItem } from '../../workflows/domain/step-undo.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { bringsWhole, copiesOf, homesOf, isInPlace, viewFor } from '../../workflows/domain/homeward.ts';
import { expandRunbook, mainRunbook, runbookNames, type FlatStep } from '../../workflows/domain/expand-runbook.ts';
import { stepsBefore } from '../../workflows/domain/steps-before.ts';
import { sampleName, sampleOf } from '../harness/sample.ts';
import { failureOf, until, type Lab } from './lab.ts';
import { openSharedLab as openLab } from './shared-lab.ts';

/**
 * The saga trio for every runbook that is shipped: every step fails, every step is done twice, every undo is done twice. Undone from where it can last be: what promotes fails, so that nobody's traffic was
 * touched; and the switch breaks, before anybody is let in and once people were.
 *
 * `npm test` takes a third of them, in which each runbook and each of the five is: test/harness/sample.ts.
 */
interface Case {
  lab: Lab;
  view: SystemView;
  run: WorkflowHandle;
  start(): Promise<WorkflowHandle>;
  /** somebody who may retry and abort */
  by: string;
}

async function open(t: TestContext, name: string, runbook: string): Promise<Case> {
  const { system, digest } = await loadSystemFile(name);
  const view = toSystemView(system, digest);
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(view) }, [join(import.meta.dirname, 'quick-retries.ts')]);
  const who = (act: keyof typeof permissions): string[] => (view.people ? peopleWith(view.people, permissions[act].who) : ['erik']);
  const requestedBy = view.people ? who('recover')[0]! : 'dana';
  return { lab, view, run: lab.run(name), by: who('abort').find((person) => person !== requestedBy)!, start: () => lab.start('recoverSystem', { system: name, requestedBy, ...(runbook === mainRunbook ? {} : { runbook }), ...(isInPlace(view, runbook) ? { targetTime: '2026-01-02T03:00:05Z' } : {}), ...(copiesOf(view, runbook) && !bringsWhole(view, copiesOf(view, runbook)) ? { only: ['shop.orders'] } : {}) }) };
}

const has = (view: SystemView, runbook: string, type: 'find-recovery-point' | 'promote' | 'switch'): boolean => expandRunbook(view, runbook).some(({ uses }) => uses === type);
const isPartial = (view: SystemView, runbook: string): boolean => copiesOf(view, runbook) !== undefined && !bringsWhole(view, copiesOf(view, runbook));

/** The runbook that one goes on as where this step of it fails. */
const escalatesTo = ({ onFailure }: FlatStep): string | undefined => (typeof onFailure === 'object' && 'escalate' in onFailure ? onFailure.escalate : undefined);

/** What people run that is taken back by a program, the last begun first; a step of the runbook's own `undo` names none. */
const commandsWithUndo = (view: SystemView, runbook: string): string[] => expandRunbook(view, runbook).map((step) => String(step.with?.['command'])).filter((command) => view.commands?.[command]?.undo).reverse();

/** Its steps where each one fails: those before the one that escalates, then those of the runbook that it escalates to. */
function stepsWhereAllFail(view: SystemView, runbook: string): { steps: FlatStep[]; escalations: string[] } {
  const all = expandRunbook(view, runbook);
  const out = all.find((step) => escalatesTo(step) !== undefined);
  if (!out) return { steps: all, escalations: [] };
  const to = stepsWhereAllFail(view, escalatesTo(out)!);
  return { steps: [...stepsBefore(all, out), ...to.steps], escalations: [`${runbook} → ${escalatesTo(out)!}: ${out.id}`, ...to.escalations] };
}

/** All that undos call; none of it may harm when it is done twice. */
const undoCalls = ['unfencePrimary', 'startAgain', 'admitTraffic', 'removeTarget', 'giveRoomBack', 'swapBack', 'dropCopies', 'removeRows', 'releaseHold', 'deployVersion', 'runCommand'] as const;

/**
 * From here on the calls of undos are done and fail all the same: at first with what comes first in `failures`, and well once none is left. Not before: some of them are calls of steps, too.
 * @returns the calls that were done, in order.
 */
function failAfterDone(lab: Lab, failures: readonly ErrorType[]): string[] {
  const undone: string[] = [];
  for (const activity of undoCalls) {
    const works = lab.stubs.answers[activity] as (input: unknown) => Promise<unknown>;
    const times = new Map<string | undefined, number>();
    Object.assign(lab.stubs.answers, {
      [activity]: async (input: { source?: string; command?: string }) => {
        const answer = await works(input);
        undone.push(input.command === undefined ? activity : `${activity} ${input.command}`);
        const of = input.source ?? input.command;
        const time = times.get(of) ?? 0;
        times.set(of, time + 1);
        if (time < failures.length) throw new HoldfastError(failures[time]!, 'the answer is lost');
        return answer;
      },
    });
  }
  return undone;
}

/** Aborts a run that is paused, and tries each undo again that gets stuck. @returns what was stuck, in order, and how the run ended. */
async function abortAndRetry(run: WorkflowHandle, entry: WorkflowHandle, by: string): Promise<{ stuck: string[]; report: RunReport }> {
  const stuck: string[] = [];
  await run.executeUpdate('abort', { args: [{ by }] });
  for (;;) {
    const state = await until(run, (now) => now.status === 'stuck' || now.status === 'aborted' || itemsLeft(now).length > 0);
    const { status, steps } = state;
    if (status === 'aborted') break;
    if (status !== 'stuck') {
      await takeBackByHand(run, by, state);
      continue;
    }
    const { id } = steps.find(({ state }) => state === 'stuck')!;
    stuck.push(id);
    assert.ok(stuck.length < 50, `${id} stays stuck`);
    await run.executeUpdate('retry', { args: [{ step: id, by }] });
  }
  const failure = await failureOf(entry);
  assert.equal(failure.type, 'Aborted');
  return { stuck, report: failure.details![0] as RunReport };
}

/** Once the target is promoted, traffic is moved as it is asked to be, and fails all the same. @returns what mends it. */
function breakSwitch(lab: Lab, at: (percent: number) => boolean): () => void {
  const works = lab.stubs.answers.admitTraffic;
  lab.stubs.answers.admitTraffic = async (input) => {
    const done = await works(input);
    if (at(input.percent) && lab.stubs.called().includes('promoteTarget')) throw new HoldfastError('Tampered', `${input.percent} % goes to ${input.environment}, and the switch broke`);
    return done;
  };
  return () => void (lab.stubs.answers.admitTraffic = works);
}

const itemsLeft = (state: RunState): { step: string; item: string }[] =>
  state.steps.filter(({ state: is }) => is === 'waiting').flatMap(({ id: step, items = [] }) => items.filter(({ by }) => by === null).map(({ id: item }) => ({ step, item })));
/** A person says that what a step did is taken back. */
async function takeBackByHand(run: WorkflowHandle, by: string, state: RunState): Promise<void> {
  for (const left of itemsLeft(state)) {
    assert.equal(left.item, undoItem, 'nothing else is asked of people on the way back');
    await run.executeUpdate('confirm', { args: [{ ...left, by }] });
  }
}

const answered = (state: RunState): boolean => state.status !== 'running' || state.gates.some(({ status }) => status === 'open') || itemsLeft(state).length > 0;

/** Answers one gate as those would who are asked, one of them after the other; or confirms what the checklists ask for. */
async function answer({ run, view, by }: Pick<Case, 'run' | 'view' | 'by'>, state: RunState): Promise<void> {
  for (const left of itemsLeft(state)) await run.executeUpdate('confirm', { args: [{ ...left, by }] });
  const gate = state.gates.find(({ status }) => status === 'open');
  if (!gate) return;
  const asked = (gate.people.length > 0 ? gate.people : ['erik', 'fay', 'gil']).filter((person) => !samePerson(view.people, person, state.requestedBy) && !gate.decisions.some(({ by }) => by === person));
  await run.executeUpdate('approve', { args: [{ gate: gate.gate, by: asked[0]! }] });
}

const shipped = await Promise.all((await listSystems()).map(async (name) => {
  const { system, digest } = await loadSystemFile(name);
  return runbookNames(system).map((runbook) => ({ name, runbook, switches: has(toSystemView(system, digest), runbook, 'switch') }));
}));

interface Variant {
  runbook: string;
  what: string;
  body: (t: TestContext) => Promise<void>;
}

const variants: Variant[] = [];
const add = (runbook: string, what: string, body: Variant['body']): void => void variants.push({ runbook, what, body });

for (const { name, runbook, switches } of shipped.flat()) {
  const called = runbook === mainRunbook ? name : `${name} ${runbook}`;

  add(called, 'every step fails in turn and waits for a person, is gone on without, or escalates; retried, the run ends well', async (t) => {
    const { lab, view, run, start, by } = await open(t, name, runbook);
    const mended = new Set<string>();
    // A holder that fails cancels groups that are about to begin, and the time-skipping server never takes a task that does: held-snapshot.test.ts has it on a real one.
    const activities = Object.keys(lab.stubs.answers).filter((activity) => !['loadSystem', 'archiveLog', 'readStepHistory', 'probeOldPrimary', 'retirePrimary', 'releaseHold', 'recordAct', 'planDump', 'dumpGroup', 'sealBackup', 'holdSnapshot'].includes(activity));
    for (const activity of activities) {
      const works = lab.stubs.answers[activity as 'claimEpoch'] as (input: unknown) => Promise<unknown>;
      Object.assign(lab.stubs.answers, {
        [activity]: (input: { command?: string }) => {
          const call = [activity, ...(input.command ? [input.command] : [])].join(' ');
          if (mended.has(call)) return works(input);
          mended.add(call);
          return Promise.reject(new HoldfastError('Tampered', `${call} is broken`));
        },
      });
    }
    const entry = await start();
    const failed = new Set<string>();
    for (;;) {
      const state = await until(run, answered);
      if (state.status === 'done') break;
      const step = state.steps.find((candidate) => candidate.state === 'failed');
      if (step) {
        failed.add(step.id);
        await run.executeUpdate('retry', { args: [{ step: step.id, by }] });
      } else await answer({ run, view, by }, state);
    }
    // Of a checklist nothing is called that could fail. An approval waits; one that must show what would change places fails where it cannot be looked at.
    const { steps: all, escalations } = stepsWhereAllFail(view, runbook);
    const steps = all.filter((step) => step.uses !== 'manual' && step.uses !== 'notify' && (step.uses !== 'approval' || stepsBefore(all, step).some(({ uses }) => uses === 'copy-beside')));
    const goneOn = steps.filter(({ onFailure }) => onFailure === 'continue').map(({ id }) => id).sort();
    assert.deepEqual([...failed].sort(), [...new Set(steps.map(({ id }) => id))].filter((id) => !goneOn.includes(id)).sort());
    const report = (await entry.result()) as RunReport;
    assert.deepEqual((report.state.escalations ?? []).map(({ from, to, steps: were }) => `${from} → ${to}: ${were.filter(({ error }) => error).map(({ id }) => id).join(', ')}`), escalations);
    assert.deepEqual(report.state.steps.filter(({ state: is, error }) => is === 'skipped' && error !== null).map(({ id }) => id).sort(), goneOn, 'the run went on without these, and says so');
    assert.equal(report.outcome, isPartial(view, runbook) ? 'done, partial' : goneOn.length > 0 ? 'done, with steps skipped' : 'done');
  });

  add(called, 'every step is done twice, as when its answer was lost; the run ends well', async (t) => {
    const { lab, view, run, start, by } = await open(t, name, runbook);
    const twice = new Map<string, number>();
    for (const activity of Object.keys(lab.stubs.answers).filter((one) => !['loadSystem', 'archiveLog'].includes(one))) {
      const works = lab.stubs.answers[activity as 'claimEpoch'] as (input: unknown) => Promise<unknown>;
      Object.assign(lab.stubs.answers, {
        [activity]: async (input: unknown) => {
          const answer = await works(input);
          const count = (twice.get(activity) ?? 0) + 1;
          twice.set(activity, count);
          if (count === 1) throw new HoldfastError('DataPlaneLost', 'the answer is lost');
          return answer;
        },
      });
    }
    const entry = await start();
    for (let state = await until(run, answered); state.status !== 'done'; state = await until(run, answered)) {
      assert.equal(state.status, 'running', JSON.stringify(state.steps.filter(({ error }) => error)));
      await answer({ run, view, by }, state);
    }
    assert.equal(((await entry.result()) as RunReport).outcome, isPartial(view, runbook) ? 'done, partial' : 'done');
    assert.deepEqual([...twice].filter(([, count]) => count < 2), []);
  });

  add(called, 'aborted at the last moment, every undo is done twice, in reverse order; nothing is left', async (t) => {
    const { lab, view, run, start, by } = await open(t, name, runbook);
    const copies = copiesOf(view, runbook);
    const works = lab.stubs.answers.writeReport;
    if (copies && !isPartial(view, runbook)) lab.stubs.answers.runCommand = ({ command }) => (command.startsWith('check-') ? Promise.reject(new HoldfastError('ToolFailed', 'not well')) : Promise.resolve({ summary: 'ended well' }));
    else if (copies) lab.stubs.answers.writeReport = () => Promise.reject(new HoldfastError('ValidationFailed', 'no report'));
    else if (!has(view, runbook, 'promote')) lab.stubs.answers.writeReport = ({ report }) => (report.outcome === 'aborted' ? works({ report }) : Promise.reject(new HoldfastError('ValidationFailed', 'no report')));
    else lab.stubs.answers.promoteTarget = () => Promise.reject(new HoldfastError('ValidationFailed', 'no primary'));
    const entry = await start();
    for (let state = await until(run, answered); state.status !== 'paused'; state = await until(run, answered)) await answer({ run, view, by }, state);
    const undone = failAfterDone(lab, ['DataPlaneLost']);
    await run.executeUpdate('abort', { args: [{ by }] });
    const byHand = expandRunbook(view, runbook).filter(({ undo }) => undo?.manual !== undefined);
    for (let left = byHand.length; left > 0; left -= 1) await takeBackByHand(run, by, await until(run, (now) => itemsLeft(now).length > 0));
    const failure = await failureOf(entry);
    assert.equal(failure.type, 'Aborted');
    for (const activity of undone) assert.ok(undone.filter((one) => one === activity).length >= 2, `${activity} was done once`);
    const { state } = failure.details![0] as RunReport;
    const programs = undone.filter((call) => call.startsWith('runCommand '));
    assert.deepEqual(programs, commandsWithUndo(view, runbook).flatMap((command) => [`runCommand ${command}`, `runCommand ${command}`]));
    const calls = undone.filter((call) => !programs.includes(call));
    if (copies) {
      // What changed places has its name again before the copies are dropped, and production is not touched otherwise.
      const first = [...(copies === 'rows' ? ['removeRows', 'removeRows'] : [...(copies === 'swap' ? ['swapBack', 'swapBack'] : []), 'dropCopies', 'dropCopies']), 'removeTarget', 'removeTarget'];
      assert.deepEqual(calls, [...first, 'releaseHold', 'releaseHold', 'releaseHold']);
      assert.deepEqual(state.steps.filter(({ undo }) => undo), []);
      return;
    }
    if (!has(view, runbook, 'promote')) {
      // What restores nothing leaves nothing behind.
      assert.deepEqual([...calls].sort(), has(view, runbook, 'find-recovery-point') ? ['releaseHold', 'releaseHold', 'releaseHold', 'removeTarget', 'removeTarget'] : []);
      assert.deepEqual(state.steps.filter(({ undo }) => undo), []);
      return;
    }
    if (isInPlace(view, runbook)) {
      // The server comes back to its place first, and is unfenced, started and served from then; it was taken from people at the beginning.
      assert.deepEqual(calls.slice(0, 6), ['removeTarget', 'removeTarget', 'giveRoomBack', 'giveRoomBack', 'unfencePrimary', 'unfencePrimary']);
      assert.deepEqual(lab.stubs.called().filter((activity) => ['giveRoomBack', 'startAgain', 'admitTraffic'].includes(activity)), ['admitTraffic', 'giveRoomBack', 'giveRoomBack', 'startAgain', 'startAgain', 'admitTraffic', 'admitTraffic']);
      assert.deepEqual(state.steps.filter(({ undo }) => undo), []);
      return;
    }
    // The recovery point is let go of once more when the run ends, however it ends.
    const places = calls.filter((activity) => activity !== 'deployVersion' && activity !== 'giveRoomBack');
    assert.deepEqual([places.slice(0, 2), places.slice(2).sort()], [['unfencePrimary', 'unfencePrimary'], ['releaseHold', 'releaseHold', 'releaseHold', 'removeTarget', 'removeTarget']]);
    assert.deepEqual(state.steps.filter(({ undo }) => undo), []);
    assert.ok(!lab.stubs.called().includes('admitTraffic'), 'traffic was never touched');
    const deployed = lab.stubs.calls.flatMap(({ name: activity, input }) => (activity === 'deployVersion' ? [(input as { version: string }).version] : []));
    assert.deepEqual(deployed, view.deployer ? ['2.4.1', '2.5.0', '2.5.0'] : [], 'what ran before is deployed again');
  });

  if (!switches) continue;

  add(called, 'a switch that breaks before anybody is let in, aborted: every undo is done three times, tried again by Temporal and by a person; people are served by the old side again', async (t) => {
    const { lab, view, run, start, by } = await open(t, name, runbook);
    const { sources, standbyEnvironment } = viewFor(view, runbook);
    const mend = breakSwitch(lab, () => true);
    const entry = await start();
    let state = await until(run, answered);
    for (; state.status !== 'paused'; state = await until(run, answered)) await answer({ run, view, by }, state);
    const { id: switchId } = state.steps.find(({ uses }) => uses === 'switch')!;
    assert.equal(state.steps.find(({ state: is }) => is === 'failed')?.id, switchId);
    assert.deepEqual(await trafficOf(lab), { environment: standbyEnvironment, percent: 0 }, 'nobody is served while it waits for a person');
    mend();
    const registered = state.steps.filter(({ undo }) => undo).map(({ id }) => id);
    const undone = failAfterDone(lab, ['DataPlaneLost', 'Tampered']);
    const { stuck, report } = await abortAndRetry(run, entry, by);
    for (const activity of undone) assert.ok(undone.filter((one) => one === activity).length >= 3, `${activity} was done less than three times`);
    // In place nobody is let in before the server is back: what leads people there is the fence's undo.
    const byHand = expandRunbook(view, runbook).filter(({ undo }) => undo?.manual !== undefined).map(({ id }) => id);
    const calling = registered.filter((id) => !byHand.includes(id) && (!isInPlace(view, runbook) || id !== switchId));
    assert.deepEqual([...new Set(stuck)].sort(), [...calling].sort(), 'each undo was tried again by a person');
    if (!isInPlace(view, runbook)) assert.deepEqual([stuck[0], undone[0]], [switchId, 'admitTraffic'], 'the last that was begun is the first that is undone');
    assert.deepEqual(report.state.steps.filter(({ state: is }) => is === 'undone').map(({ id }) => id).sort(), [...registered].sort());
    assert.deepEqual(report.state.steps.filter(({ undo }) => undo), []);
    assert.deepEqual(await trafficOf(lab), { environment: homesOf(sources)[0], percent: 100 });
  });

  add(called, 'a switch that breaks once people were let in is not turned back, however often that is asked: nobody gets in, the old side stays fenced, and the target stays', async (t) => {
    const { lab, view, run, start, by } = await open(t, name, runbook);
    const mend = breakSwitch(lab, (percent) => percent > 0);
    const entry = await start();
    let state = await until(run, answered);
    for (; state.status !== 'paused'; state = await until(run, answered)) await answer({ run, view, by }, state);
    const { id: step } = state.steps.find(({ uses }) => uses === 'switch')!;
    mend();
    const undone = failAfterDone(lab, []);
    await run.executeUpdate('abort', { args: [{ by }] });
    for (const attempt of [1, 2]) {
      const { steps } = await until(run, ({ status }) => status === 'stuck');
      assert.match(steps.find(({ id }) => id === step)!.error!.message, /traffic is not turned back: up to \d+ % was let in, and nothing proves that none of it wrote/);
      assert.deepEqual([undone.length, await trafficOf(lab)], [attempt, { environment: viewFor(view, runbook).standbyEnvironment, percent: 0 }]);
      if (attempt === 1) await run.executeUpdate('retry', { args: [{ step, by }] });
    }
    await run.executeUpdate('skip', { args: [{ step, by, reason: 'the new side is looked at by hand' }] });
    const failure = await failureOf(entry);
    assert.equal(failure.type, 'Aborted');
    const { warnings } = failure.details![0] as RunReport;
    const fence = state.steps.find(({ uses }) => uses === 'fence')!;
    assert.ok(warnings.some((warning) => warning.includes(fence.id) && warning.includes('not undone')), warnings.join('\n'));
    assert.deepEqual(undone.filter((activity) => activity !== 'releaseHold'), ['admitTraffic', 'admitTraffic'], 'nothing else is undone: two sides that both took writes cannot be merged');
  });
}

for (const { runbook, what, body } of sampleOf(variants, variants.length / 3, (one) => [one.runbook, one.what])) test(`${runbook}: ${what} (${sampleName})`, body);

async function trafficOf(lab: Lab): Promise<{ environment: string | null; percent: number }> {
  const { environment, percent } = await lab.stubs.answers.readTraffic({ system: 'any' });
  return { environment, percent };
}
