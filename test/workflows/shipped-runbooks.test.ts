import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { listSystems, loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { permissions } from '../../workflows/domain/permissions.ts';
import { peopleWith } from '../../workflows/domain/people.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import type { SystemView } from '../../workflows/domain/system.ts';
import { copiesOf, isInPlace } from '../../workflows/domain/homeward.ts';
import { expandRunbook, mainRunbook, runbookNames } from '../../workflows/domain/expand-runbook.ts';
import { failureOf, openLab, until, type Lab } from './lab.ts';

/** The saga trio for every runbook that is shipped: every step fails, every step is done twice, every undo is done twice. */
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
  return { lab, view, run: lab.run(name), by: who('abort').find((person) => person !== requestedBy)!, start: () => lab.start('recoverSystem', { system: name, requestedBy, ...(runbook === mainRunbook ? {} : { runbook }), ...(isInPlace(view, runbook) ? { targetTime: '2026-01-02T03:00:05Z' } : {}), ...(copiesOf(view, runbook) ? { only: ['shop.orders'] } : {}) }) };
}

const promotes = (view: SystemView, runbook: string): boolean => expandRunbook(view, runbook).some(({ uses }) => uses === 'promote');

/** All that undos call; none of it may harm when it is done twice. */
const undoCalls = ['unfencePrimary', 'startAgain', 'admitTraffic', 'removeTarget', 'giveRoomBack', 'swapBack', 'dropCopies', 'releaseHold', 'deployVersion'] as const;

const itemsLeft = (state: RunState): { step: string; item: string }[] =>
  state.steps.filter(({ state: is }) => is === 'waiting').flatMap(({ id: step, items = [] }) => items.filter(({ by }) => by === null).map(({ id: item }) => ({ step, item })));
const answered = (state: RunState): boolean => state.status !== 'running' || state.gates.some(({ status }) => status === 'open') || itemsLeft(state).length > 0;

/** Answers one gate as those would who are asked, one of them after the other; or confirms what the checklists ask for. */
async function answer(run: WorkflowHandle, state: RunState, by: string): Promise<void> {
  for (const left of itemsLeft(state)) await run.executeUpdate('confirm', { args: [{ ...left, by }] });
  const gate = state.gates.find(({ status }) => status === 'open');
  if (!gate) return;
  const asked = (gate.people.length > 0 ? gate.people : ['erik', 'fay', 'gil']).filter((person) => person !== state.requestedBy && !gate.decisions.some(({ by }) => by === person));
  await run.executeUpdate('approve', { args: [{ gate: gate.gate, by: asked[0]! }] });
}

const shipped = await Promise.all((await listSystems()).map(async (name) => runbookNames((await loadSystemFile(name)).system).map((runbook) => ({ name, runbook }))));

for (const { name, runbook } of shipped.flat()) {
  const called = runbook === mainRunbook ? name : `${name} ${runbook}`;

  test(`${called}: every step fails in turn and waits for a person, or is gone on without; retried, the run ends well`, async (t) => {
    const { lab, view, run, start, by } = await open(t, name, runbook);
    const mended = new Set<string>();
    const activities = Object.keys(lab.stubs.answers).filter((activity) => !['loadSystem', 'archiveLog', 'readStepHistory', 'probeOldPrimary', 'retirePrimary', 'releaseHold', 'recordAct', 'planDump', 'dumpGroup', 'sealBackup'].includes(activity));
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
      } else await answer(run, state, by);
    }
    // Of a checklist nothing is called that could fail. An approval waits; one that must show what would change places fails where it cannot be looked at.
    const steps = (view.runbooks?.[runbook] ?? view.runbook).steps.filter(({ uses }) => uses !== 'manual' && uses !== 'notify' && (uses !== 'approval' || copiesOf(view, runbook) === 'swap'));
    const goneOn = steps.filter(({ onFailure }) => onFailure === 'continue').map(({ id }) => id).sort();
    assert.deepEqual([...failed].sort(), steps.map(({ id }) => id).filter((id) => !goneOn.includes(id)).sort());
    const report = (await entry.result()) as RunReport;
    assert.deepEqual(report.state.steps.filter(({ state: is, error }) => is === 'skipped' && error !== null).map(({ id }) => id).sort(), goneOn, 'the run went on without these, and says so');
    assert.equal(report.outcome, copiesOf(view, runbook) ? 'done, partial' : goneOn.length > 0 ? 'done, with steps skipped' : 'done');
  });

  test(`${called}: every step is done twice, as when its answer was lost; the run ends well`, async (t) => {
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
      await answer(run, state, by);
    }
    assert.equal(((await entry.result()) as RunReport).outcome, copiesOf(view, runbook) ? 'done, partial' : 'done');
    assert.deepEqual([...twice].filter(([, count]) => count < 2), []);
  });

  test(`${called}: aborted at the last moment, every undo is done twice, in reverse order; nothing is left`, async (t) => {
    const { lab, view, run, start, by } = await open(t, name, runbook);
    const copies = copiesOf(view, runbook);
    const works = lab.stubs.answers.writeReport;
    if (copies) lab.stubs.answers.writeReport = () => Promise.reject(new HoldfastError('ValidationFailed', 'no report'));
    else if (!promotes(view, runbook)) lab.stubs.answers.writeReport = ({ report }) => (report.outcome === 'aborted' ? works({ report }) : Promise.reject(new HoldfastError('ValidationFailed', 'no report')));
    else lab.stubs.answers.promoteTarget = () => Promise.reject(new HoldfastError('ValidationFailed', 'no primary'));
    const undone: string[] = [];
    const eachUndoTwice = (): void => undoCalls.forEach((activity) => {
      const works = lab.stubs.answers[activity] as (input: unknown) => Promise<unknown>;
      Object.assign(lab.stubs.answers, {
        [activity]: async (input: unknown) => {
          const answer = await works(input);
          undone.push(activity);
          if (undone.filter((one) => one === activity).length === 1) throw new HoldfastError('DataPlaneLost', 'the answer is lost');
          return answer;
        },
      });
    });
    const entry = await start();
    for (let state = await until(run, answered); state.status !== 'paused'; state = await until(run, answered)) await answer(run, state, by);
    // From here on: some of them are calls of steps, too.
    eachUndoTwice();
    await run.executeUpdate('abort', { args: [{ by }] });
    const failure = await failureOf(entry);
    assert.equal(failure.type, 'Aborted');
    for (const activity of undone) assert.ok(undone.filter((one) => one === activity).length >= 2, `${activity} was done once`);
    const { state } = failure.details![0] as RunReport;
    if (copies) {
      // What changed places has its name again before the copies are dropped, and production is not touched otherwise.
      const first = [...(copies === 'swap' ? ['swapBack', 'swapBack'] : []), 'dropCopies', 'dropCopies', 'removeTarget', 'removeTarget'];
      assert.deepEqual(undone, [...first, 'releaseHold', 'releaseHold', 'releaseHold']);
      assert.deepEqual(state.steps.filter(({ undo }) => undo), []);
      return;
    }
    if (!promotes(view, runbook)) {
      assert.deepEqual([...undone].sort(), ['releaseHold', 'releaseHold', 'releaseHold', 'removeTarget', 'removeTarget']);
      assert.deepEqual(state.steps.filter(({ undo }) => undo), []);
      return;
    }
    if (isInPlace(view, runbook)) {
      // The server comes back to its place first, and is unfenced, started and served from then; it was taken from people at the beginning.
      assert.deepEqual(undone.slice(0, 6), ['removeTarget', 'removeTarget', 'giveRoomBack', 'giveRoomBack', 'unfencePrimary', 'unfencePrimary']);
      assert.deepEqual(lab.stubs.called().filter((activity) => ['giveRoomBack', 'startAgain', 'admitTraffic'].includes(activity)), ['admitTraffic', 'giveRoomBack', 'giveRoomBack', 'startAgain', 'startAgain', 'admitTraffic', 'admitTraffic']);
      assert.deepEqual(state.steps.filter(({ undo }) => undo), []);
      return;
    }
    // The recovery point is let go of once more when the run ends, however it ends.
    const places = undone.filter((activity) => activity !== 'deployVersion' && activity !== 'giveRoomBack');
    assert.deepEqual([places.slice(0, 2), places.slice(2).sort()], [['unfencePrimary', 'unfencePrimary'], ['releaseHold', 'releaseHold', 'releaseHold', 'removeTarget', 'removeTarget']]);
    assert.deepEqual(state.steps.filter(({ undo }) => undo), []);
    assert.ok(!lab.stubs.called().includes('admitTraffic'), 'traffic was never touched');
    const deployed = lab.stubs.calls.flatMap(({ name: activity, input }) => (activity === 'deployVersion' ? [(input as { version: string }).version] : []));
    assert.deepEqual(deployed, view.deployer ? ['2.4.1', '2.5.0', '2.5.0'] : [], 'what ran before is deployed again');
  });
}
