import { describeError } from '../../workflows/domain/errors.ts';
import type { LastDrill, ReadinessFacts } from '../../workflows/domain/readiness.ts';
import type { ReadinessCheck } from '../../workflows/domain/readiness-watch.ts';
import type { SeenSource } from '../../workflows/domain/seen-store.ts';
import type { Drill, DrillHistory } from '../../workflows/domain/drill-history.ts';
import { desiredSchedules } from '../../workflows/domain/schedules/desired.ts';
import type { System } from '../../workflows/domain/system.ts';
import type { JobContext } from '../context.ts';
import { openContext, openSystem } from '../open-context.ts';
import { overdueKeys } from '../keys/overdue-keys.ts';
import { planRecovery } from '../plan/plan-recovery.ts';
import { readDrills } from '../report/read-drills.ts';
import type { OnServer } from '../schedules/read-on-server.ts';
import { checkStore } from '../store/setup/check-store.ts';
import { lookAtSource } from './look-at-source.ts';

/** A history carries it: what a plan says beyond these is in `holdfast plan`. */
const findingsKept = 40;

export interface ReadinessAsked {
  system: string;
  /** what the check before saw, by source; left out: there was none */
  seen?: Record<string, SeenSource> | undefined;
  /** moments of schedules before this are nobody's fault, UTC ISO; left out: not known */
  knownSince?: string | undefined;
  /** sources whose store is taken as it is now */
  accept?: readonly string[] | undefined;
  /** the store's settings are looked at too, which is some requests of the bucket itself */
  settings?: boolean | undefined;
}

/**
 * Looks at all that a recovery would need, and changes nothing: of the store what listing and opening can tell, no parts and no slices.
 * One part that cannot be looked at costs that part: it is told, and the rest stands.
 *
 * @throws UnknownSystem, BadSystemFile - there is no such system, or its file cannot be read.
 */
export async function checkReadiness({ system: name, seen = {}, knownSince, accept = [], settings = false }: ReadinessAsked, job: JobContext): Promise<ReadinessCheck> {
  const { loaded, store, keys } = await openSystem(name);
  const { system } = loaded;
  const facts: ReadinessFacts = {
    system: name, title: system.title, at: new Date().toISOString(), rtoObjectiveMs: system.objectives.rto, rpoObjectiveMs: system.objectives.rpo,
    forecastMs: null, forecastBasis: null, sources: [], lastDrill: null, clocks: [], findings: [], drillsOverdue: [], unread: [],
  };
  const tried = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (job.signal.aborted) throw error;
      const { type, message } = describeError(error);
      facts.unread.push({ what, why: `${type}: ${message}`.slice(0, 400) });
      return undefined;
    }
  };
  // Of one clock: the store's, and by it ours is held against the others.
  const storeAt = await tried('the store', async () => await store.now({ signal: job.signal }));
  const looksAtMs = Date.now();
  if (storeAt) facts.clocks.push({ of: 'the store', aheadMs: looksAtMs - storeAt.getTime() });
  const nowMs = storeAt?.getTime() ?? looksAtMs;
  facts.at = new Date(nowMs).toISOString();
  const seenNow: Record<string, SeenSource> = { ...seen };
  const knownSinceMs = knownSince === undefined ? undefined : Date.parse(knownSince);
  for (const source of Object.keys(system.sources)) {
    if (!storeAt) break;
    const looked = await tried(`source ${source}`, async () => await lookAtSource(await openContext({ system: name, source, epoch: 0 }, job), { nowMs, knownSinceMs, seen: seen[source] ?? null, accept: accept.includes(source) }));
    if (!looked) continue;
    facts.sources.push(looked.source);
    facts.clocks.push(...looked.clocks);
    seenNow[source] = looked.seen;
  }
  // A run that is under way has claimed the place of its target: that is no reason to call anybody.
  const planned = await tried('the plan of a recovery', async () => await planRecovery({ system: name, readForMs: 0, places: false }, job));
  if (planned) {
    facts.findings = planned.findings.slice(0, findingsKept);
    facts.forecastMs = planned.forecastMs ?? planned.runbook.criticalMs;
    facts.forecastBasis = planned.forecastBasis ?? 'no earlier run: the budgets of the critical path';
  }
  const drills = storeAt && (await tried('the drills', async () => await readDrills({ store, keys, signal: job.signal }, system, { nowMs, onServer: onServerSince(system, knownSince) })));
  Object.assign(facts, drills ? told(drills) : {});
  facts.keysOverdue = storeAt && (await tried('the age of the keys', async () => await overdueKeys({ store, keys, signal: job.signal }, system, nowMs)));
  const checked = settings ? await tried('the settings of the store', async () => await checkStore(loaded, { probe: false })) : undefined;
  return { facts, seen: seenNow, ...(checked ? { settings: checked.settings } : {}), workerAt: new Date().toISOString() };
}

/** The watch is started by what applies the schedules; whoever looks without one knows of none. */
const onServerSince = (system: System, since: string | undefined): Record<string, OnServer> | undefined =>
  since === undefined ? undefined : Object.fromEntries(desiredSchedules(system).map(({ id }) => [id, { since, paused: false }]));

const told = ({ lastDrill, due }: DrillHistory): Pick<ReadinessFacts, 'lastDrill' | 'drillsOverdue'> => ({
  lastDrill: lastDrill && ofDrill(lastDrill),
  drillsOverdue: due.flatMap(({ schedule, overdue, lastDueAt, nextAt }) => (overdue && nextAt !== null && lastDueAt !== null ? [{ schedule, dueAt: lastDueAt }] : [])),
});

const ofDrill = ({ run, startedAt, result, why, rto, rpo }: Drill): LastDrill => ({ run, at: startedAt, result, why, rtoMs: rto.achievedMs, rpoMs: rpo.achievedMs });
