import { Context } from '@temporalio/activity';
import type { PlanningActivities } from '../../workflows/contract.ts';
import { describeError } from '../../workflows/domain/errors.ts';
import { desiredSchedules } from '../../workflows/domain/schedules/desired.ts';
import { seconds } from '../../workflows/domain/units.ts';
import { attempt } from '../attempt.ts';
import { keepSystemFile } from '../file-of-run.ts';
import { openSystem } from '../open-context.ts';
import { readArchiveStatus } from '../read-archive-status.ts';
import { readStepHistory } from '../report/read-step-history.ts';
import { scrub } from '../secrets.ts';
import { claimEpoch } from '../store/epoch.ts';
import { releaseHold } from '../store/holds.ts';
import { loadSystemFile, toSystemView, type LoadedSystem } from '../system-files.ts';
import { readFires } from '../watch/read-fires.ts';
import { atSource, inDataPlane } from './at-source.ts';
import type { ActivityEnvironment } from './environment.ts';

/** A store that is away holds up no start for longer than this: the run goes by the file all the same, and says that there is no copy of it. */
const keptWithinMs = seconds(10);

/** @returns why there is no copy; undefined: there is one. */
async function tryToKeep(loaded: LoadedSystem, signal: AbortSignal): Promise<string | undefined> {
  try {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(keptWithinMs)]);
    const { store, keys } = await openSystem(loaded.system.system);
    await keepSystemFile({ store, keys, signal: bounded }, loaded);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return scrub(describeError(error).message).slice(0, 300);
  }
}

export const planningActivities = ({ owner }: ActivityEnvironment): PlanningActivities => ({
  loadSystem: attempt(async ({ system, keep }, { signal }) => {
    const loaded = await loadSystemFile(system);
    const unkept = keep ? await tryToKeep(loaded, signal) : undefined;
    return { ...toSystemView(loaded.system, loaded.sha256), ...(unkept === undefined ? {} : { unkept }) };
  }),

  claimEpoch: attempt(async ({ system, why, takeOver }, { signal }) => {
    const { store, keys } = await openSystem(system);
    return { epoch: await claimEpoch(store, keys, system, owner, { why, takeOver, signal }) };
  }),

  findRecoveryPoint: inDataPlane('findRecoveryPoint'),

  countDiscarded: inDataPlane('countDiscarded'),

  releaseHold: attempt(async (of, { signal }) => {
    const { store } = await openSystem(of.system);
    await releaseHold(store, of, { signal });
  }),

  readArchiveStatus: attempt(async (of, context) => await atSource(of, context, readArchiveStatus)),

  listRecoveryPoints: inDataPlane('listRecoveryPoints'),

  rebuildCatalog: inDataPlane('rebuildCatalog'),

  planRecovery: inDataPlane('planRecovery'),

  checkReadiness: inDataPlane('checkReadiness'),

  readFires: attempt(async (of) => {
    const { system } = await loadSystemFile(of.system);
    const paused = new Set(desiredSchedules(system).filter((one) => one.paused).map(({ id }) => id));
    return (await readFires(Context.current().client, system, Date.parse(of.at))).filter(({ id }) => !paused.has(id));
  }),

  readStepHistory: attempt(async ({ system }, { signal }) => {
    const { store, keys } = await openSystem(system);
    return await readStepHistory({ store, keys, signal }, system);
  }),
});
