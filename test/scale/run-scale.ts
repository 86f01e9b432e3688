import { setTimeout as sleep } from 'node:timers/promises';
import { ulid } from 'ulid';
import type { BackupSummary, DumpPlanRef, GroupRef, ReplayResult, ValidationResult } from '../../workflows/contract.ts';
import { findCheckedPoint } from '../../activities/store/find-checked-point.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { nextLogPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import type { PreparedRestore } from '../../activities/engines/mongodb/prepare-restore.ts';
import type { JobReading } from '../../activities/context.ts';
import { positionOf } from '../../activities/engines/mongodb/bson-position.ts';
import { findArchiveEnd } from '../../activities/store/find-archive-end.ts';
import type { Owner } from '../harness/cleanup.ts';
import { StoreProxy } from '../harness/store-proxy.ts';
import { bucket, of as ref, World } from '../bench/world.ts';
import { loadData, writeLog } from './data.ts';
import { Phases, type PhaseLine } from './phases.ts';
import type { PeakMemory } from './watch.ts';

export interface Scale {
  bytes: number;
  collections: number;
  entries: number;
  say(line: string): void;
  /** called each second with how far a phase is; left out: nobody wants to know */
  trace?: ((line: object) => void) | undefined;
}

export interface ScaleResult {
  documents: number;
  plainBytes: number;
  storedBytes: number;
  collections: number;
  entries: number;
  lines: PhaseLine[];
  proved: Pick<ValidationResult, 'ok' | 'claim' | 'problems' | 'collectionCount'>;
}

const run = { epoch: 1, why: 'scale', requestedBy: 'scale' };
/** Holds the whole of ten million small entries, should the archive fall behind. */
const oplogMb = 4_000;
/** A base of 10 GiB takes longer than the 300 s that a server keeps an instant by default, and could not be proved equal. */
export const snapshotWindowSeconds = 1_800;

/** One source of the given size through everything: backup, archive, restore, replay, indexes, proof; some of them killed at nine tenths. */
export async function runScale(owner: Owner, scale: Scale): Promise<ScaleResult> {
  const { say } = scale;
  let door: StoreProxy | undefined;
  const world = await World.open(owner, { bytes: scale.bytes, entries: scale.entries, rounds: 1, quick: false, say }, {
    source: { oplogSizeMb: oplogMb, setParameter: { minSnapshotHistoryWindowInSeconds: snapshotWindowSeconds } },
    door: async (endpoint) => (door = await StoreProxy.start(owner, endpoint, `${bucket}/`)).endpoint,
  });
  const phases = new Phases(world, door!, scale.trace);
  const client = await world.source.connect();

  say(`loading ${Math.round(scale.bytes / 1024 / 1024)} MiB and ${scale.collections} small collections`);
  const loaded = await phases.timed('load (not ours)', { bytes: scale.bytes, entries: 0 }, async () => await loadData(client, scale, say));
  const summary = await backUp(phases, loaded.bytes);

  say(`writing and archiving ${scale.entries} entries of log`);
  const { position, entries } = await phases.timed('archive', { bytes: 0, entries: scale.entries }, async (memory, killedAt) => await writeAndArchive(world, scale, memory, killedAt));
  const point = await findCheckedPoint(await world.context(), { targetPosition: nextLogPosition(position) }, { readForMs: 0 });

  say('restoring');
  const target = await world.target(owner, 'standalone');
  const to = { ...ref, environment: 'dr', run: 'scale' };
  const prepared = await phases.job<PreparedRestore>('prepare the restore', 'prepareRestore', { target: to, point }, { bytes: 0, entries: 0, target });
  const indexes = new Map(prepared.groups.map((group) => [group.group, group.index]));
  await phases.groups<{ documents: number; plainBytes: number }>('restore', 'restoreGroup', prepared.groups.map(({ group, plainBytes, pieces }) => ({ group, bytes: plainBytes, pieces })), {
    input: (group) => ({ target: to, point, group: { group, index: indexes.get(group) } }),
    method: 'GET',
    parts: () => summary.parts,
    target,
  });
  const replayed = await phases.job<ReplayResult>('replay', 'replayLog', { target: to, point, limit: point.limit }, { bytes: 0, entries, target, killAtPercent: 90 });
  await phases.job('build indexes', 'buildIndexes', { target: to, point }, { bytes: 0, entries: 0, target });
  const proved = await phases.job<ValidationResult>('proof', 'validateTarget', { target: to, point, limit: point.limit, validator: 'equality' }, { bytes: summary.plainBytes, entries, target });
  const { ok, claim, problems, collectionCount } = proved;
  return {
    documents: summary.documents,
    plainBytes: summary.plainBytes,
    storedBytes: summary.storedBytes,
    collections: summary.units,
    entries: replayed.entries,
    lines: phases.lines,
    proved: { ok, claim, problems, collectionCount },
  };
}

async function backUp(phases: Phases, bytes: number): Promise<BackupSummary> {
  const { world } = phases;
  world.options.say('backing up');
  const plan = await phases.job<DumpPlanRef>('plan the backup', 'planDump', { ...ref, ...run, backup: ulid() }, { bytes: 0, entries: 0 });
  const groups = await phases.groups<GroupRef>('backup', 'dumpGroup', plan.groups.map(({ group, estimatedBytes, pieces = 0 }) => ({ group, bytes: estimatedBytes, pieces })), {
    input: (group, width) => ({ ...ref, plan, epoch: 1, group, width }),
    method: 'PUT',
    parts: (done) => done.reduce((sum, group) => sum + group.parts, 0),
  });
  return await phases.job<BackupSummary>('seal the backup', 'sealBackup', { ...ref, plan, epoch: 1, groups }, { bytes, entries: 0 });
}

/** The archive runs while the log is written, as it does beside an application; killed when it has nine tenths; done when the bucket holds the last entry. */
async function writeAndArchive(world: World, scale: Scale, memory: PeakMemory, killedAt: (percent: number) => void): Promise<{ position: LogPosition; entries: number }> {
  const stopped = new AbortController();
  const client = await world.source.connect();
  const archive = async (): Promise<void> => {
    let killed = false;
    while (!stopped.signal.aborted) {
      let pid = 0;
      const kill = ({ done }: JobReading): void => {
        if (killed || done < 0.9 * scale.entries) return;
        killed = true;
        killedAt(Math.floor((done / scale.entries) * 1000) / 10);
        process.kill(-pid, 'SIGKILL');
      };
      const onStart = (started: number): void => memory.add((pid = started));
      await world.job('archiveLog', { ...ref, epoch: 1, forMs: 3_600_000 }, { signal: stopped.signal, onStart, onPeakRss: (peak) => memory.said(peak), progress: kill }).catch((error: unknown) => {
        if (!killed || !(error instanceof HoldfastError) || error.type !== 'DataPlaneLost') throw error;
      });
    }
  };
  const archiving = archive();
  archiving.catch(() => undefined);
  try {
    const written = await Promise.race([writeLog(client, scale.entries, scale.say), archiving.then(() => 0)]);
    const { lastWrite } = await client.db('admin').command({ hello: 1 }) as { lastWrite: { opTime: { ts: Parameters<typeof positionOf>[0] } } };
    const position = positionOf(lastWrite.opTime.ts);
    const { store, keys } = await world.context();
    const reached = async (): Promise<void> => {
      while (((await findArchiveEnd(store, keys, ref)).archivedTo ?? '') < position) await sleep(500, undefined, { signal: stopped.signal });
    };
    await Promise.race([reached(), archiving]);
    return { position, entries: written };
  } finally {
    stopped.abort(new Error('enough'));
    await archiving.catch(() => undefined);
  }
}
