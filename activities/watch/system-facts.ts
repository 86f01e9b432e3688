import type { Client } from '@temporalio/client';
import { usual, type AgeLimits } from '../../workflows/domain/anomalies.ts';
import type { BackupHistory } from '../../workflows/domain/backup-history.ts';
import { forecastCapacity, growthOf, type Capacity } from '../../workflows/domain/capacity.ts';
import type { DrillHistory, DrillResult } from '../../workflows/domain/drill-history.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { readinessQuery, type ReadinessAnswer } from '../../workflows/domain/readiness-watch.ts';
import type { Readiness } from '../../workflows/domain/readiness.ts';
import type { ScheduleFire } from '../../workflows/domain/schedules/judge-fire.ts';
import type { System } from '../../workflows/domain/system.ts';
import { openSystem, type SystemContext } from '../open-context.ts';
import { readDrills } from '../report/read-drills.ts';
import { drillSchedules } from '../../workflows/domain/schedules/drill-schedules.ts';
import { readOnServer } from '../schedules/read-on-server.ts';
import { scrub } from '../secrets.ts';
import { readTaken, type KnownManifests } from './read-taken.ts';
import { readBackupRuns } from './read-backup-runs.ts';
import { readFires } from './read-fires.ts';
import { readArchivesRunning, readLastEnds, readOpenWork, type LastEnds, type OpenWork } from './read-open-work.ts';
import { readVerified, type KnownVerifications, type VerifiedShare } from './read-verified.ts';
import { readRoom, type Counted } from './read-room.ts';

/**
 * What the metrics of one system are made of. All of it lies in the store or in Temporal: two workers, or one that was started again, read the same, but for what is counted since a process began. What
 * could not be read is null, and named in `unread`: a figure that nobody knows is not shown as the last one that was known.
 */
export interface SystemFacts {
  system: string;
  /** null: the system file cannot be read */
  file: Pick<System, 'title' | 'objectives'> | null;
  /** by the worker's clock */
  at: string;
  sources: string[];
  ages: AgeLimits;
  history: BackupHistory | null;
  capacity: Capacity | null;
  /** null: also where no readiness watch runs */
  readiness: Readiness | null;
  fires: ScheduleFire[] | null;
  ends: LastEnds[] | null;
  open: OpenWork[] | null;
  /** by source */
  archives: Record<string, boolean> | null;
  drills: DrillHistory | null;
  /** drills by result since this process began, those that were there then included: a counter, which never falls */
  drilled: Record<DrillResult, number> | null;
  verified: VerifiedShare[] | null;
  unread: { what: string; why: string }[];
}

/** What a process keeps of a system between two looks: only what cannot change, or is long to count. */
export interface Kept {
  manifests: KnownManifests;
  verifications: KnownVerifications;
  /** by run: a list of the newest forgets the oldest, a counter must not */
  drilled: Map<string, DrillResult>;
  counted?: Counted | undefined;
}

/** Long enough for a store that is slow, short enough that one that hangs holds up nobody else for long. */
const withinMs = 30_000;
const queryWithinMs = 5_000;

/**
 * Never throws: what cannot be read is said.
 * @param within - so long all of it may take; left out: 30 s, as whoever scrapes waits.
 */
export async function readSystemFacts(client: Client, name: string, kept: Kept, stopped: AbortSignal, within = withinMs): Promise<SystemFacts> {
  const unread: SystemFacts['unread'] = [];
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(within)]);
  const asked = async <T>(what: string, read: () => Promise<T>): Promise<T | null> => {
    try {
      return await read();
    } catch (error) {
      unread.push({ what, why: scrub((error as Error).message.split('\n')[0]!) });
      return null;
    }
  };
  const context = await asked('file', async () => await openSystem(name));
  if (!context) return { system: name, file: null, at: new Date().toISOString(), sources: [], ages: usual.age, history: null, capacity: null, readiness: null, fires: null, ends: null, open: null, archives: null, drills: null, drilled: null, verified: null, unread };
  const { system } = context.loaded;
  const sources = Object.keys(system.sources);
  const [runs, taken, fires, onServer, ends, open, archives, readiness] = await Promise.all([
    asked('runs', async () => await readBackupRuns(client, name)),
    asked('manifests', async () => await readStored(context, name, sources, kept, signal)),
    asked('schedules', async () => await readFires(client, system)),
    asked('drill schedules', async () => await readOnServer(client, drillSchedules(system).map(({ id }) => id))),
    asked('ends', async () => await readLastEnds(client, system)),
    asked('open work', async () => await readOpenWork(client, name)),
    asked('archives', async () => await readArchivesRunning(client, name, sources)),
    readReadiness(client, name),
  ]);
  const at = taken?.at ?? new Date().toISOString();
  const history = taken && { system: name, at, taken: taken.taken, runs: runs?.runs ?? [], runsSince: runs?.runsSince ?? at };
  const drills = taken && (await asked('drills', async () => await readDrills({ store: context.store, keys: context.keys, signal }, system, { nowMs: Date.parse(at), onServer: onServer ?? undefined })));
  const capacity = history && (await asked('room', async () => await readCapacity(context, history, kept, signal)));
  const verified = taken && (await asked('verifications', async () => await readVerified({ store: context.store, keys: context.keys, signal }, system, Date.parse(at), kept.verifications)));
  const drilled = drills && countDrills(kept.drilled, drills);
  const ages = system.monitor?.backupAge ?? usual.age;
  return { system: name, file: { title: system.title, objectives: system.objectives }, at: new Date().toISOString(), sources, ages, history, capacity, readiness, fires, ends, open, archives, drills, drilled, verified, unread };
}

async function readStored({ store, keys }: SystemContext, name: string, sources: string[], { manifests }: Kept, signal: AbortSignal): Promise<Pick<BackupHistory, 'taken' | 'at'>> {
  const taken = await readTaken({ store, keys, signal }, { system: name, sources }, manifests);
  return { taken, at: (await store.now({ signal })).toISOString() };
}

async function readCapacity({ store, loaded }: SystemContext, history: BackupHistory, kept: Kept, signal: AbortSignal): Promise<Capacity> {
  const config = loaded.system.stores[0]!;
  const { room, counted } = await readRoom(store, config, loaded.system.system, { before: kept.counted, signal });
  kept.counted = counted;
  return forecastCapacity(room, growthOf(history, await tookAny(store, history.system, signal)));
}

/** Whether retention has ever run here with something to take. */
async function tookAny(store: SystemContext['store'], system: string, signal: AbortSignal): Promise<boolean> {
  for await (const _ of store.list(`${system}/retention/`, { signal })) return true;
  return false;
}

/** Of the watch that judges it; one that does not run, does not answer, or is of a version that says it otherwise, gives none, and what it would say disappears. */
async function readReadiness(client: Client, system: string): Promise<Readiness | null> {
  try {
    const { readiness } = await client.withDeadline(Date.now() + queryWithinMs, async () => await client.workflow.getHandle(lockIds.ready(system)).query<ReadinessAnswer>(readinessQuery));
    return readiness?.format === 1 ? readiness : null;
  } catch {
    return null;
  }
}

/** @param known - is added to. A run that wrote its report again counts as it ended in the end. */
export function countDrills(known: Map<string, DrillResult>, { drills }: Pick<DrillHistory, 'drills'>): Record<DrillResult, number> {
  for (const { run, purpose, result } of drills) if (purpose === 'drill') known.set(run, result);
  const counts: Record<DrillResult, number> = { passed: 0, missed: 0, failed: 0 };
  for (const result of known.values()) counts[result] += 1;
  return counts;
}
