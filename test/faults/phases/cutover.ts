import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { MongoServerError } from 'mongodb';
import { parseAdmission } from '../../../activities/traffic/nginx-config.ts';
import { stopByPidFile } from '../../../activities/tool/start-server.ts';
import { checkNewArchive } from '../../../scripts/demo/inspect.ts';
import { startOldPrimaryAgain, withClient } from '../../../scripts/stack/primary.ts';
import { demoDatabase, directoryOf } from '../../../scripts/stack/stack-file.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import { pidOf, type Bench } from '../bench.ts';
import type { Enter, Middle } from '../cell.ts';
import { requirePage } from '../read-page.ts';
import { failureOf } from '../../harness/failures.ts';
import { until } from '../../harness/until.ts';
import { dataPlaneOf } from './data-planes.ts';
import { goOn } from './go-on.ts';
import { isEpochAsked, isPut, isSlice } from './requests.ts';
import { answerRun, requireDone } from './run.ts';

async function recoverUntilApproval(bench: Bench): Promise<WorkflowHandle> {
  const entry = await bench.stack.start('recoverSystem', { system: 'demo', requestedBy: 'faults' });
  await answerRun(bench, entry, 'approve-switch');
  return entry;
}

const approve = async (bench: Bench, gate: string): Promise<void> => void (await bench.stack.runHandle.executeUpdate('approve', { args: [{ gate, by: 'dana' }] }));

/** Whether production takes a write; what is refused is refused by name. */
async function productionTakesWrites(bench: Bench): Promise<boolean> {
  try {
    await bench.note('is it fenced?');
    return true;
  } catch (error) {
    if (error instanceof MongoServerError && [10107, 13435, 11602, 189].includes(Number(error.code))) return false;
    // It does not answer: nobody can write there either.
    if ((error as Error).name === 'MongoServerSelectionError') return false;
    throw error;
  }
}

/** What production had taken before it was fenced is on the standby, to the last write. */
async function requireTail({ stack: { file }, noted }: Bench): Promise<void> {
  const there = await withClient({ ...file, primary: file.standby }, 'app', async (client) => await client.db(demoDatabase).collection('notes').distinct('_id'));
  const ids = new Set(there.map(String));
  assert.deepEqual(noted.filter(({ id }) => !ids.has(id)).map(({ text }) => text.slice(0, 80)), [], 'notes that production took and the standby does not have');
}

/** Acknowledged right before the fence: nobody has waited until the archive has them. */
async function noteTail(bench: Bench): Promise<void> {
  for (let n = 0; n < 20; n += 1) await bench.note(`right before the fence, ${n}`);
}

/** Fenced, drained and promoted, it waits; then all is taken back, and production serves as before. */
async function lookAndTakeBack(bench: Bench, entry: WorkflowHandle, logIsThere: boolean): Promise<string> {
  const { stack } = bench;
  const answered = await answerRun(bench, entry, 'approve-traffic');
  const { state } = await stack.run();
  const fenced = state.steps.find(({ uses }) => uses === 'fence')!;
  const drained = state.steps.find(({ uses }) => uses === 'drain')!;
  assert.match(fenced.summary ?? '', / proved: /, `the fence is proved, not: ${fenced.summary}`);
  if (logIsThere) assert.equal(drained.state, 'done', `the tail of a log that is there is drained: ${fenced.summary}`);
  if (drained.state === 'done') await requireTail(bench);
  assert.equal(await productionTakesWrites(bench), false, 'a proved fence takes no write');
  await stack.runHandle.executeUpdate('abort', { args: [{ by: 'dana', reason: 'the cell has seen what it came for' }] });
  assert.equal((await failureOf(entry.result())).type, 'Aborted');
  const ended = await stack.run();
  await requirePage(bench, ended, 'aborted', /^The recovery of Faults in .* was aborted/);
  await startAsFreed(bench);
  await until('production takes writes again', async () => await productionTakesWrites(bench));
  assert.equal(existsSync(join(directoryOf(stack.file, 'primary'), 'FENCED.json')), false, 'no mark is left');
  const again = answered.length > 0 ? `, after a person's retry of ${answered.map((text) => text.split(':')[0]).join(', ')}` : '';
  return `fence proved, drain ${drained.state}${again}; aborted: production takes writes again`;
}

/**
 * Started by a person, as the undo's summary asks for: a server that was killed by the fence, or that came back while its configuration
 * was fenced and listens nowhere.
 */
async function startAsFreed(bench: Bench): Promise<void> {
  const answers = await withClient(bench.stack.file, undefined, async (client) => (await client.db('admin').command({ hello: 1 })).ok === 1).catch(() => false);
  if (!answers) await stopByPidFile(bench.primaryPidFile);
  await bench.startSource();
}

function cutoverMiddle(bench: Bench, entry: WorkflowHandle, of: Pick<Middle, 'activity' | 'dataPlane' | 'heldByMongod' | 'holdsBriefly' | 'release' | 'ends'>): Middle {
  const middle: Middle = {
    ...of,
    workflowId: lockIds.recover('demo'),
    // With the configuration that lies there, which is fenced: it comes back and listens nowhere.
    mongod: { pidFile: bench.primaryPidFile, start: async () => await startOldPrimaryAgain(bench.stack.file, 'left', { tiedToUs: true }) },
    finish: async () => await lookAndTakeBack(bench, entry, middle.logIsThere ?? false),
  };
  return middle;
}

/**
 * The mark lies beside the data, and the old primary is stopped before it can be asked: the fence waits for its answer. After five
 * seconds it would take it for hung, and kill it.
 */
export const enterFence: Enter = async (bench) => {
  const entry = await recoverUntilApproval(bench);
  const mongod = pidOf(bench.primaryPidFile);
  let marked = false;
  const watcher = watch(directoryOf(bench.stack.file, 'primary'));
  watcher.on('change', (_, name) => {
    if (marked || name !== 'FENCED.json') return;
    // Here, and not behind a promise: the whole fence takes a fifth of a second.
    process.kill(mongod, 'SIGSTOP');
    marked = true;
  });
  try {
    await noteTail(bench);
    await bench.stack.runHandle.signal('approve', { gate: 'approve-switch', by: 'dana' });
    await until('the mark of the fence', () => marked, 60_000, 5);
  } finally {
    watcher.close();
  }
  return cutoverMiddle(bench, entry, { activity: 'fencePrimary', ends: { uses: 'fence', saying: /it did not answer/ }, heldByMongod: true, holdsBriefly: true, release: () => goOn(mongod) });
};

/** It asks who has the command before it marks anything: that is all it wants of the store. */
export const enterFenceAsking: Enter = async (bench) => {
  const entry = await recoverUntilApproval(bench);
  await noteTail(bench);
  const held = bench.stack.store.hold(isEpochAsked);
  await approve(bench, 'approve-switch');
  await bench.stack.runIs('the fence asks who has the command', ({ activities }) => activities.some(({ activity }) => activity === 'fencePrimary'));
  return cutoverMiddle(bench, entry, { activity: 'fencePrimary', release: () => held.release() });
};

/** The archive's own put of the tail is held, and so is the drain's. */
export const enterDrain: Enter = async (bench) => {
  const { stack } = bench;
  const entry = await recoverUntilApproval(bench);
  const held = stack.store.hold((of) => isPut(of) && isSlice(of));
  // On a full disk a slice of a few bytes would still find room.
  await bench.note(bench.disks ? randomBytes(3 * 1024 * 1024).toString('base64') : 'the tail that is drained');
  await held.reached;
  const since = Date.now();
  await approve(bench, 'approve-switch');
  await stack.runIs('the drain has a slice on its way', ({ activities }) =>
    activities.some(({ activity }) => activity === 'drainLog') && stack.store.seen((of) => isPut(of) && isSlice(of), since).length > 0);
  return cutoverMiddle(bench, entry, { activity: 'drainLog', ends: { uses: 'drain', saying: /not drained: the old primary's log cannot be read|\d+ entries, the last of / }, dataPlane: await dataPlaneOf(bench, 'drainLog'), release: () => held.release() });
};

/** A quarter is let in, and its health watched. What was let in is never taken back, so the bench is spent. */
export const enterSwitch: Enter = async (bench) => {
  const { stack } = bench;
  const entry = await recoverUntilApproval(bench);
  await noteTail(bench);
  await approve(bench, 'approve-switch');
  await answerRun(bench, entry, 'approve-traffic');
  bench.spent = true;
  await approve(bench, 'approve-traffic');
  const admission = (): number => parseAdmission(readFileSync(join(directoryOf(stack.file, 'frontDoor'), 'admission.conf'), 'utf8'))?.percent ?? -1;
  await stack.runIs('a quarter is let in and watched', ({ activities }) => admission() === 25 && activities.some(({ activity }) => activity === 'watchHealth'));
  return {
    workflowId: lockIds.recover('demo'),
    activity: 'watchHealth',
    mongod: { pidFile: bench.standbyPidFile, start: async () => await bench.startStandby() },
    release: () => undefined,
    finish: async () => {
      const answered = await answerRun(bench, entry);
      const report = (await entry.result()) as RunReport;
      requireDone(report);
      await requireTail(bench);
      await requirePage(bench, report, 'done', /^Faults in .* is recovered/);
      assert.equal(admission(), 100);
      assert.equal(Object.values(report.fence)[0]?.outcome, 'proved');
      const { proved, detail } = await checkNewArchive('t00000001', new AbortController().signal);
      assert.ok(proved, detail);
      const again = answered.length > 0 ? `, after a person's retry of ${answered.map((text) => text.split(':')[0]).join(', ')}` : '';
      return `done, equal, all traffic at the new side, its archive proved${again}`;
    },
  };
};
