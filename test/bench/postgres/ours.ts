import { ulid } from 'ulid';
import { openEngine } from '../../../activities/engines/open-engine.ts';
import type { BackupSummary, DumpPlanRef, GroupRef } from '../../../workflows/contract.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import { sideBySide } from '../../../workflows/steps/side-by-side.ts';
import type { MemoryWatch } from '../memory.ts';
import { runOurs } from '../world.ts';
import { of, target, type PostgresWorld } from './world.ts';

/** Side by side at most, as the backup's workflow and the restore step have it by default; a worker's slots may be fewer. */
const width = 4;

/** Snapshot, plan, groups side by side, seal: what the backup's workflow does. The snapshot's holder is of the worker's own process, and so of this one. */
export async function backUp(world: PostgresWorld, memory?: MemoryWatch, backup = ulid()): Promise<BackupSummary> {
  const options = memory ? { memory } : {};
  const enough = new AbortController();
  let lost: unknown;
  const { holdSnapshot } = await openEngine('postgres');
  const holding = holdSnapshot(await world.context(enough.signal), { ...of, backup }).catch((error: unknown) => {
    if (!enough.signal.aborted) lost = error;
  });
  try {
    const plan = await runOurs<DumpPlanRef>('planDump', { ...of, backup, epoch: 1, why: 'bench', requestedBy: 'bench' }, options);
    const atOnce = Math.max(1, Math.min(width, plan.groups.length));
    const groups = await sideBySide(plan.groups, Math.min(atOnce, world.slots.data), async ({ group }) =>
      await runOurs<GroupRef>('dumpGroup', { ...of, plan, epoch: 1, group, width: atOnce }, options));
    enough.abort(new Error('all is read'));
    return await runOurs<BackupSummary>('sealBackup', { ...of, plan, epoch: 1, groups }, options);
  } catch (error) {
    throw lost ?? error;
  } finally {
    enough.abort(new Error('all is read'));
    await holding;
  }
}

/** Definitions, groups side by side, indexes, constraints and statistics: what the steps of a run do, on a server that is there and empty. @returns how long each took. */
export async function restore(world: PostgresWorld, point: RecoveryPoint, memory?: MemoryWatch): Promise<string> {
  const options = memory ? { memory } : {};
  const phases: string[] = [];
  const timing = async <T>(name: string, work: Promise<T>): Promise<T> => {
    const startedAtMs = performance.now();
    const result = await work;
    phases.push(`${name} ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
    return result;
  };
  const { groups } = await timing('definitions', runOurs<{ groups: { group: string; index: unknown }[] }>('prepareRestore', { target, point }, options));
  await timing('rows', sideBySide(groups, Math.min(width, world.slots.recover), async ({ group, index }) =>
    await runOurs('restoreGroup', { target, point, group: { group, index } }, options)));
  await timing('indexes, constraints and statistics', runOurs('buildIndexes', { target, point }, options));
  return phases.join(', ');
}
