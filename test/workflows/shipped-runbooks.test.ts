import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { listSystems, loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { permissions } from '../../workflows/domain/permissions.ts';
import { peopleWith } from '../../workflows/domain/people.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import type { SystemView } from '../../workflows/domain/system.ts';
import { mainRunbook, runbookNames } from '../../workflows/domain/expand-runbook.ts';
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
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(view) });
  const who = (act: keyof typeof permissions): string[] => (view.people ? peopleWith(view.people, permissions[act].who) : ['erik']);
  const requestedBy = view.people ? who('recover')[0]! : 'dana';
  return { lab, view, run: lab.run(name), by: who('abort').find((person) => person !== requestedBy)!, start: () => lab.start('recoverSystem', { system: name, requestedBy, ...(runbook === mainRunbook ? {} : { runbook }) }) };
}

const answered = (state: RunState): boolean => state.status !== 'running' || state.gates.some(({ status }) => status === 'open');

/** Opens one gate as those would who are asked, one of them after the other. */
async function answerGate(run: WorkflowHandle, state: RunState): Promise<void> {
  const gate = state.gates.find(({ status }) => status === 'open')!;
  const asked = (gate.people.length > 0 ? gate.people : ['erik', 'fay', 'gil']).filter((person) => person !== state.requestedBy && !gate.decisions.some(({ by }) => by === person));
  await run.executeUpdate('approve', { args: [{ gate: gate.gate, by: asked[0]! }] });
}

const shipped = await Promise.all((await listSystems()).map(async (name) => runbookNames((await loadSystemFile(name)).system).map((runbook) => ({ name, runbook }))));

for (const { name, runbook } of shipped.flat()) {
  const called = runbook === mainRunbook ? name : `${name} ${runbook}`;

  test(`${called}: every step fails in turn and waits for a person; retried, the run ends well`, async (t) => {
    const { lab, view, run, start, by } = await open(t, name, runbook);
    const broken = new Set<string>(Object.keys(lab.stubs.answers).filter((activity) => !['loadSystem', 'archiveLog', 'readStepHistory', 'probeOldPrimary', 'retirePrimary', 'releaseHold', 'planDump', 'dumpGroup', 'sealBackup'].includes(activity)));
    for (const activity of broken) {
      const works = lab.stubs.answers[activity as 'claimEpoch'] as (input: unknown) => Promise<unknown>;
      Object.assign(lab.stubs.answers, { [activity]: (input: unknown) => (broken.delete(activity) ? Promise.reject(new HoldfastError('Tampered', `${activity} is broken`)) : works(input)) });
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
      } else if (state.gates.some(({ status }) => status === 'open')) await answerGate(run, state);
    }
    const expected = (view.runbooks?.[runbook] ?? view.runbook).steps.filter(({ uses }) => uses !== 'approval').map(({ id }) => id);
    assert.deepEqual([...failed].sort(), expected.sort());
    assert.equal(((await entry.result()) as RunReport).outcome, 'done');
  });

  test(`${called}: every step is done twice, as when its answer was lost; the run ends well`, async (t) => {
    const { lab, run, start } = await open(t, name, runbook);
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
      await answerGate(run, state);
    }
    assert.equal(((await entry.result()) as RunReport).outcome, 'done');
    assert.deepEqual([...twice].filter(([, count]) => count < 2), []);
  });

  test(`${called}: aborted at the last moment, every undo is done twice, in reverse order; nothing is left`, async (t) => {
    const { lab, run, start, by } = await open(t, name, runbook);
    lab.stubs.answers.promoteTarget = () => Promise.reject(new HoldfastError('ValidationFailed', 'no primary'));
    const undone: string[] = [];
    for (const activity of ['unfencePrimary', 'removeTarget', 'releaseHold'] as const) {
      const works = lab.stubs.answers[activity] as (input: unknown) => Promise<unknown>;
      Object.assign(lab.stubs.answers, {
        [activity]: async (input: unknown) => {
          const answer = await works(input);
          undone.push(activity);
          if (undone.filter((one) => one === activity).length === 1) throw new HoldfastError('DataPlaneLost', 'the answer is lost');
          return answer;
        },
      });
    }
    const entry = await start();
    for (let state = await until(run, answered); state.status !== 'paused'; state = await until(run, answered)) await answerGate(run, state);
    await run.executeUpdate('abort', { args: [{ by }] });
    const failure = await failureOf(entry);
    assert.equal(failure.type, 'Aborted');
    const { state } = failure.details![0] as RunReport;
    // The recovery point is let go of once more when the run ends, however it ends.
    assert.deepEqual([undone.slice(0, 2), undone.slice(2).sort()], [['unfencePrimary', 'unfencePrimary'], ['releaseHold', 'releaseHold', 'releaseHold', 'removeTarget', 'removeTarget']]);
    assert.deepEqual(state.steps.filter(({ undo }) => undo), []);
    assert.ok(!lab.stubs.called().includes('admitTraffic'), 'traffic was never touched');
  });
}
