import { rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { formatDuration, seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { stopPlace } from '../../provision/postgres-place.ts';
import type { PhysicalPlace } from './place.ts';
import { listTimelines } from '../../store/timelines.ts';
import { giveTo } from '../../tool/server-account.ts';
import { readLogTail, readPidFile } from '../../tool/start-server.ts';
import { lacksConfiguration } from './configuration.ts';
import { readControlFile } from './control-file.ts';
import { isStandby, noteReached, readReached, type Reached } from './reached.ts';
import { requireTarget } from './restore.ts';
import { historyName, parseLsn } from './segment.ts';
import { identityOf } from './server.ts';
import { openWhatWasFenced, pushesToUs, startPromoted, startRecovering, userOf, RecoveryWatch } from './target-server.ts';

/**
 * Ends the recovery: the server takes writes, on a PostgreSQL timeline of its own that no other copy of this source has had, and is started anew with its own
 * configuration. Safe to repeat: what is promoted stays so.
 *
 * @throws TargetUnavailable - retryable: it does not become one that takes writes; its log's tail is in the message.
 */
export async function promoteTarget(context: SourceContext, { target }: { target: TargetRef }): Promise<{ summary: string; sourceIdentity: string }> {
  const place = await requireTarget(context, target);
  const major = await majorOf(place);
  const reached = await readReached(place);
  if (!reached) throw new HoldfastError('TargetUnavailable', `${place.directory}: its log was not replayed yet`, { hint: 'run the step that replays first' });
  if (reached.promotedTo === undefined) {
    if (reached.unmet) await stopPlace(place);
    // A try that was killed behind its promotion finds a server that is none any more: it is started by our socket too.
    await startRecovering(context, place, { major, stop: reached.stop });
    if (isStandby(place)) await endRecovery(context, place, { own: (await readControl(place, major)).timeline, reached });
    await openWhatWasFenced(context, place);
    // Shut down in order its control file says which timeline it is on.
    await stopPlace(place);
  }
  const { system, timeline } = await readControl(place, major);
  const sourceIdentity = reached.promotedTo ?? identityOf({ system, timeline });
  // What a drill restored is nobody's source.
  const archives = target.environment !== context.system.drill?.environment && (await pushesToUs(place, major));
  await noteReached(place, { ...reached, promotedTo: sourceIdentity });
  const refused = await startPromoted(context, place, major, archives);
  const lacks = await lacksConfiguration(place, major);
  const said = [
    `PostgreSQL ${major} on ${place.host}:${place.port} ${refused === undefined ? 'takes writes' : 'has been promoted'}, as ${sourceIdentity}`,
    archives ? 'it pushes its log as its source did' : 'it archives nothing: archive_mode is off',
    ...(refused === undefined ? [] : [`nobody saw it take writes, as it refuses ${userOf(context)}, ${refused}`]),
    ...(lacks === undefined ? [] : [lacks]),
  ];
  return { summary: said.join('; '), sourceIdentity };
}

async function majorOf(place: PhysicalPlace): Promise<number> {
  return Number((await readFile(join(place.dataDirectory, 'PG_VERSION'), 'utf8')).trim().split('.')[0]);
}

async function readControl(place: PhysicalPlace, major: number): Promise<{ system: string; timeline: number }> {
  const said = await readControlFile(place, major);
  const field = (name: string): string => {
    const value = said(name);
    if (value === undefined) throw new HoldfastError('TargetUnavailable', `pg_controldata says no "${name}" of ${place.dataDirectory}`);
    return value;
  };
  return { system: field('Database system identifier'), timeline: Number(field("Latest checkpoint's TimeLineID")) };
}

/** As `pg_ctl promote` does it, once the server is where its replay had ended. */
async function endRecovery(context: SourceContext, place: PhysicalPlace, { own, reached }: { own: number; reached: Reached }): Promise<void> {
  await takeTimelines(context, place, own);
  const watch = new RecoveryWatch(context, place);
  const startedMs = performance.now();
  let asked = false;
  try {
    for (;;) {
      context.signal.throwIfAborted();
      const server = readPidFile(place.pidFile);
      if (!server) throw new HoldfastError('TargetUnavailable', `the server that is promoted in ${place.directory} has ended. Its log ends: ${readLogTail(place.logFile)}`);
      const state = await watch.look();
      if (state && !state.recovering) return;
      if (state && !asked && state.lsn !== null && parseLsn(state.lsn) >= parseLsn(reached.lsn)) {
        const signalFile = join(place.dataDirectory, 'promote');
        rmSync(signalFile, { force: true });
        writeFileSync(signalFile, '', { mode: 0o600, flag: 'wx' });
        giveTo(place.account, signalFile);
        process.kill(server.pid, 'SIGUSR1');
        asked = true;
      }
      if (performance.now() - startedMs > context.system.databaseReadyWithin) {
        throw new HoldfastError('TargetUnavailable', `the server in ${place.directory} does not take writes within ${formatDuration(context.system.databaseReadyWithin)}. Its log ends: ${readLogTail(place.logFile)}`);
      }
      await sleep(seconds(0.1), undefined, { signal: context.signal });
    }
  } finally {
    await watch.end();
  }
}

/**
 * A server that is promoted takes the first timeline of PostgreSQL's whose history nobody can bring it. Those that other copies of this source live on are in the store's timelines and
 * nowhere on this disk: so it is brought a history of each. Their content is not read.
 */
async function takeTimelines(context: SourceContext, place: PhysicalPlace, own: number): Promise<void> {
  const { store, keys, signal } = context;
  const timelines = await listTimelines(store, keys, { system: context.system.system, source: context.sourceName }, { signal });
  const taken = Math.max(own, ...timelines.map(({ body }) => Number(body.sourceIdentity.split('/')[1] ?? 0)));
  for (let timeline = own + 1; timeline <= taken; timeline += 1) {
    const path = join(place.spool, historyName(timeline));
    rmSync(path, { force: true });
    writeFileSync(path, '', { mode: 0o600, flag: 'wx' });
    giveTo(place.account, path);
  }
}
