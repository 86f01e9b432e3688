import assert from 'node:assert/strict';
import type { WorkflowHandle } from '@temporalio/client';
import { readMongodConfig } from '../../../activities/provision/mongod-config.ts';
import { readPidFile } from '../../../activities/tool/start-server.ts';
import { join } from 'node:path';
import { layout } from '../../../workflows/domain/layout.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import { pidOf, scope, smallCollections, type Bench } from '../bench.ts';
import type { Middle } from '../cell.ts';
import { requirePage } from '../read-page.ts';
import { until } from '../../harness/until.ts';
import { dataPlaneOf, isAtWork } from './data-planes.ts';
import { goOn } from './go-on.ts';
import { inFlight, isDone, isGet, isPart, isSlice, partIndex } from './requests.ts';
import { answerRun, indexesBuilt, partsRead, requireDone, slicesRead } from './run.ts';

/** A drill, or what a fault needs that only a real recovery has: the command. */
type StartRun = (bench: Bench) => Promise<WorkflowHandle>;
/** As `Enter`, for either. */
export type EnterRun = (bench: Bench, start?: StartRun) => Promise<Middle>;

const startDrill: StartRun = async (bench) =>
  await bench.stack.start('recoverSystem', { system: 'demo', purpose: 'drill', requestedBy: 'faults', targetTime: bench.targetTime });
export const startRecovery: StartRun = async (bench) => await bench.stack.start('recoverSystem', { system: 'demo', requestedBy: 'faults' });

/** of `senses` and of `tags` */
const indexes = 2;

/** What all phases of a drill have in common: the target, and the end. */
function middleOf(bench: Bench, entry: WorkflowHandle, of: Pick<Middle, 'activity' | 'dataPlane' | 'heldByMongod' | 'release'>): Middle {
  return {
    ...of,
    workflowId: lockIds.recover('demo'),
    mongod: { pidFile: bench.standbyPidFile, start: async () => await bench.startStandby() },
    finish: async () => {
      // A full disk may meet a later step than the one that it was filled in.
      const isStruck = (activity: string): boolean => of.activity === activity || bench.disks !== undefined;
      const answered: string[] = [];
      if (of.activity !== 'promoteTarget') {
        answered.push(...(await answerRun(bench, entry, 'approve-switch')));
        // What a server that is killed had not yet written down is built again.
        const atMost = indexes + (isStruck('buildIndexes') ? 1 : 0);
        const built = indexesBuilt(bench);
        assert.ok(new Set(built).size === indexes && built.length <= atMost, `${indexes} indexes were to be built: ${built.join(', ')}`);
      }
      answered.push(...(await answerRun(bench, entry)));
      const report = (await entry.result()) as RunReport;
      requireDone(report);
      await requirePage(bench, report, 'done', /^The drill of Faults in .* passed/);
      const read = partsRead(bench, report);
      assert.ok(read <= bench.base!.parts + inFlight, `${read} parts were read to restore ${bench.base!.parts}`);
      const slices = slicesRead(bench, report);
      // A try that is struck in the middle of a log this short may have read all of it.
      assert.ok(slices.of > 1 && slices.read <= slices.of * (isStruck('replayLog') ? 2 : 1), `${slices.read} slices were read to replay ${slices.of}`);
      const again = answered.length > 0 ? `, after a person's retry of ${answered.map((text) => text.split(':')[0]).join(', ')}` : '';
      return `done, equal, target removed; ${read} of ${bench.base!.parts} parts read, ${slices.read} of ${slices.of} slices${again}`;
    },
  };
}

/** The second of three parts is being read, by the restore: it was read before, when the recovery point was checked. */
export const enterRestore: EnterRun = async (bench, start = startDrill) => {
  let restoringSince = Infinity;
  const held = bench.stack.store.hold((of) => {
    if (!isGet(of) || !isPart(of) || !isAtWork(bench, 'restoreGroup')) return false;
    restoringSince = Math.min(restoringSince, of.at);
    return partIndex(of.key) === 1;
  });
  const drill = await start(bench);
  await held.reached;
  const before = bench.stack.store.seen((of) => isGet(of) && isPart(of) && isDone(of), restoringSince).length;
  assert.ok(before >= smallCollections, `${before} parts were read before the fault: a restore that begins again reads more of them twice than may be in flight`);
  return middleOf(bench, drill, { activity: 'restoreGroup', dataPlane: await dataPlaneOf(bench, 'restoreGroup'), release: () => held.release() });
};

/** Some slices are read; the one but last is not. */
export const enterReplay: EnterRun = async (bench, start = startDrill) => {
  const slices = (await bench.stack.keys(layout.slices(scope))).sort().filter((key) => key > layout.slice(scope, bench.base!.end, bench.base!.end));
  const boundary = slices[2]!;
  const held = bench.stack.store.hold((of) => isGet(of) && isSlice(of) && of.key >= boundary && isAtWork(bench, 'replayLog'));
  const drill = await start(bench);
  await held.reached;
  return middleOf(bench, drill, { activity: 'replayLog', dataPlane: await dataPlaneOf(bench, 'replayLog'), release: () => held.release() });
};

/** The target's mongod is stopped in the middle of the one build that takes a second and writes megabytes, so that it does not end before the fault is there. */
export const enterIndexBuild: EnterRun = async (bench, start = startDrill) => {
  const drill = await start(bench);
  await bench.stack.stepIs('build-indexes', 'running', 180_000);
  await until('an index build in the target', async () => await bench.stack.withTarget(async (client) => {
    const { inprog } = await client.db('admin').command({ currentOp: 1, $all: true }) as unknown as { inprog: { ns?: string; msg?: string; desc?: string }[] };
    return inprog.some(({ ns, msg, desc }) => ns?.endsWith('.tags') && (/Index Build/.test(msg ?? '') || /IndexBuildsCoordinator/.test(desc ?? '')));
  }), 60_000, 10);
  const mongod = pidOf(bench.standbyPidFile);
  process.kill(mongod, 'SIGSTOP');
  return middleOf(bench, drill, { activity: 'buildIndexes', dataPlane: await dataPlaneOf(bench, 'buildIndexes'), heldByMongod: true, release: () => goOn(mongod) });
};

/** The target has its new configuration; the server that was started with it is stopped before it answers. */
export const enterConvert: EnterRun = async (bench, start = startDrill) => {
  const drill = await start(bench);
  await answerRun(bench, drill, 'approve-switch');
  const standalone = pidOf(bench.standbyPidFile);
  await bench.stack.runHandle.executeUpdate('approve', { args: [{ gate: 'approve-switch', by: 'dana' }] });
  const member = await until('the target to start as a member', async () => {
    const config = await readMongodConfig(join(bench.standbyDirectory, 'mongod.conf'));
    const server = readPidFile(bench.standbyPidFile);
    return config?.replication && server && server.pid !== standalone ? server.pid : undefined;
  }, 60_000, 5);
  process.kill(member, 'SIGSTOP');
  return middleOf(bench, drill, { activity: 'promoteTarget', heldByMongod: true, release: () => goOn(member) });
};
