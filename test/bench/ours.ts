import { ulid } from 'ulid';
import type { BackupSummary, DumpPlanRef, GroupRef, ReplayResult } from '../../workflows/contract.ts';
import type { PreparedRestore } from '../../activities/engines/mongodb/prepare-restore.ts';
import type { RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import { sideBySide } from '../../workflows/steps/side-by-side.ts';
import type { Mongod } from '../harness/mongod.ts';
import { MemoryWatch } from './memory.ts';
import type { Taken } from './race.ts';
import { of, type World } from './world.ts';

/** Side by side at most, as the backup's workflow and the restore step have it by default; a worker's slots may be fewer. */
const width = 4;
const run = 'bench';

/** Times some work of ours, and watches the memory of its processes. */
export async function timed(work: (memory: MemoryWatch) => Promise<unknown>): Promise<Taken> {
  const memory = new MemoryWatch();
  try {
    const startedAtMs = performance.now();
    await work(memory);
    return { ms: performance.now() - startedAtMs, peakRssBytes: memory.peakRssBytes };
  } finally {
    memory.stop();
  }
}

/** Plan, groups side by side, seal: what the backup's workflow does. */
export async function backUp(world: World, memory?: MemoryWatch, backup = ulid()): Promise<BackupSummary> {
  const options = memory ? { memory } : {};
  const plan = await world.job<DumpPlanRef>('planDump', { ...of, backup, epoch: 1, why: 'bench', requestedBy: 'bench' }, options);
  const atOnce = Math.max(1, Math.min(width, plan.groups.length));
  const groups = await sideBySide(plan.groups, Math.min(atOnce, world.slots), async ({ group }) =>
    await world.job<GroupRef>('dumpGroup', { ...of, plan, epoch: 1, group, width: atOnce }, options));
  return await world.job<BackupSummary>('sealBackup', { ...of, plan, epoch: 1, groups }, options);
}

/** Groups side by side into a server that is there and empty: what the restore step does. */
export async function restore(world: World, point: RecoveryPoint, target: Mongod, memory?: MemoryWatch): Promise<void> {
  const options = { target, ...(memory ? { memory } : {}) };
  const to = { ...of, environment: 'dr', run };
  const { groups } = await world.job<PreparedRestore>('prepareRestore', { target: to, point }, options);
  await sideBySide(groups, Math.min(width, world.slots), async ({ group, index }) =>
    await world.job('restoreGroup', { target: to, point, group: { group, index } }, options));
}

export async function buildIndexes(world: World, point: RecoveryPoint, target: Mongod, memory?: MemoryWatch): Promise<void> {
  await world.job('buildIndexes', { target: { ...of, environment: 'dr', run }, point }, { target, ...(memory ? { memory } : {}) });
}

export async function replay(world: World, point: RecoveryPoint, target: Mongod, memory?: MemoryWatch): Promise<ReplayResult> {
  return await world.job<ReplayResult>('replayLog', { target: { ...of, environment: 'dr', run }, point, limit: point.limit }, { target, ...(memory ? { memory } : {}) });
}
