import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { ArchiveActivities, ControlActivities, DataActivities, Directed, RecoverActivities, SourceRef, TargetRef } from '../../workflows/contract.ts';
import { lackOf } from '../../workflows/domain/engines.ts';
import type { JobContext, SourceContext } from '../context.ts';
import type { Engine } from '../engines/engine.ts';
import { certifyDisposal } from '../disposal/certify-disposal.ts';
import { destroyPoint } from '../disposal/destroy-point.ts';
import { orderDisposal } from '../disposal/order-disposal.ts';
import { planDisposal } from '../disposal/plan-disposal.ts';
import { planDisposals } from '../disposal/plan-disposals.ts';
import { narrowForRun } from '../engines/narrow-for-run.ts';
import { openEngine } from '../engines/open-engine.ts';
import { openContext } from '../open-context.ts';
import { checkKeys } from '../keys/check-keys.ts';
import { proveKeys } from '../keys/prove-keys.ts';
import { recordRecoveryProof } from '../keys/prove-recovery.ts';
import { wrapKeys } from '../keys/wrap-keys.ts';
import { checkReadiness } from '../readiness/check-readiness.ts';
import { expire } from '../retention/expire.ts';
import { planForRun } from '../retention/make-plan.ts';
import { planRecovery } from '../plan/plan-recovery.ts';
import { checkShareOfRto, findCheckedPoint } from '../store/find-checked-point.ts';
import { assertEpoch } from '../store/epoch.ts';
import { writeHold } from '../store/holds.ts';
import { readSourceFacts } from '../report/period/source-facts.ts';
import { listRecoveryPoints, readCatalog } from '../store/list-recovery-points.ts';
import { requireRoom } from '../store/require-room.ts';
import { refuseMovedSource } from '../store/refuse-moved-source.ts';
import { verifyAndMark } from '../store/mark-damage.ts';
import type { FindJob } from './serve-jobs.ts';

type Activities = ControlActivities & DataActivities & ArchiveActivities & RecoverActivities;
type Input<N extends keyof Activities> = Parameters<Activities[N]>[0];
type Output<N extends keyof Activities> = Activities[N] extends (input: never) => Promise<infer O> ? O : never;

type Job<N extends keyof Activities> = (input: Input<N>, job: JobContext) => Promise<Output<N>>;

/** A job of the engine of the source that the input names. */
const byEngine =
  <N extends keyof Engine & keyof Activities>(name: N): Job<N> =>
  async (input, job) => {
    const context = await openContext(whichSource(input), job);
    const run = openEngine(context.source.engine)[name] as unknown as (context: SourceContext, input: Input<N>) => Promise<Output<N>>;
    return await run(context, input);
  };

/** As `byEngine`, of what writes to the living source. @throws EpochSuperseded - another control plane commands the system: nothing was done. */
const inCommand =
  <N extends keyof Engine & keyof Activities>(name: N): Job<N> =>
  async (input, job) => {
    const { store, system, epoch } = await openContext(whichSource(input), job);
    await assertEpoch(store, system.system, epoch, { signal: job.signal });
    return await byEngine(name)(input, job);
  };

/** A job of an engine that knows rows. One that carries an epoch writes to the living source. @throws Unsupported, EpochSuperseded. */
const byRows =
  <N extends keyof Required<Engine>['rows'] & keyof Activities>(name: N): Job<N> =>
  async (input, job) => {
    const context = await openContext(whichSource(input), job);
    const { system, sourceName: source, source: { engine } } = context;
    const { rows } = openEngine(engine);
    if (!rows) throw new HoldfastError('Unsupported', lackOf({ system: system.system, source, engine }, 'rows'));
    if ('epoch' in input) await assertEpoch(context.store, system.system, context.epoch, { signal: job.signal });
    return await (rows[name] as unknown as (context: SourceContext, input: Input<N>) => Promise<Output<N>>)(context, input);
  };

/** Who reads only carries no epoch. */
function whichSource(input: unknown): SourceRef & Directed & { epoch: number } {
  const { target, epoch, ...rest } = input as { target?: TargetRef; epoch?: number } & SourceRef & Directed;
  const { system, source, inPlace } = target ?? rest;
  return { system, source, epoch: epoch ?? 0, towards: target?.environment ?? rest.towards, inPlace };
}

/** What runs in a process of its own: everything whose work or memory grows with the data. */
const jobs = {
  planDump: async (input, job) => {
    const plan = await byEngine('planDump')(input, job);
    await requireRoom(await openContext(whichSource(input), job), plan.estimatedBytes);
    return plan;
  },
  dumpGroup: byEngine('dumpGroup'),
  sealBackup: byEngine('sealBackup'),
  planImport: byEngine('planImport'),
  importGroup: byEngine('importGroup'),
  writeExport: byEngine('writeExport'),
  archiveLog: byEngine('archiveLog'),
  drainLog: byEngine('drainLog'),
  readDivergedWrites: byEngine('readDivergedWrites'),
  proveArchive: byEngine('proveArchive'),
  prepareRestore: byEngine('prepareRestore'),
  restoreGroup: byEngine('restoreGroup'),
  replayLog: byEngine('replayLog'),
  buildIndexes: byEngine('buildIndexes'),
  validateTarget: byEngine('validateTarget'),

  copyBeside: inCommand('copyBeside'),
  dropCopies: inCommand('dropCopies'),
  compareTarget: byRows('compareTarget'),
  planRows: byRows('planRows'),
  restoreRows: byRows('restoreRows'),
  removeRows: byRows('removeRows'),
  maskTarget: byRows('maskTarget'),

  verifyRecoveryPoint: async ({ backup, scope, run, ...of }, job) => await verifyAndMark(await openContext(whichSource(of), job), { backup, scope }, run),
  verifyKept: async ({ shares, withinMs, run, ...of }, job) => await verifyAndMark(await openContext(whichSource(of), job), { shares, withinMs }, run),

  listRecoveryPoints: async ({ limit, after, ...of }, job) => await listRecoveryPoints(await openContext(whichSource(of), job), { limit, after }),
  readSourceFacts: async ({ from, to, ...of }, job) => await readSourceFacts(await openContext(whichSource(of), job), { from, to }),
  checkKeys: async ({ run, ...of }, job) => await checkKeys(await openContext(whichSource(of), job), { run }),
  wrapKeys: async ({ after, dryRun, began, ...of }, job) => await wrapKeys(await openContext(whichSource(of), job), { after, dryRun, began }),
  proveKeys: async ({ began, ...of }, job) => await proveKeys(await openContext(whichSource(of), job), { began }),
  recordRecoveryProof: async (input, job) => await recordRecoveryProof(await openContext(whichSource(input), job), input),
  planRetention: async ({ run, limit, ...of }, job) => await planForRun(await openContext(whichSource(of), job), { run, limit }),
  expire: async ({ plan, run, backupRuns, ...of }, job) => await expire(await openContext(whichSource(of), job), { plan, run, backupRuns }),
  planDisposal: async ({ point, evenTheLast, ...of }, job) => await planDisposal(await openContext(whichSource(of), job), { point, evenTheLast }),
  planDisposals: async ({ system, sources }, job) => await planDisposals(await Promise.all(sources.map(async (source) => await openContext(whichSource({ system, source }), job)))),
  orderDisposal: async (input, job) => await orderDisposal(await openContext(whichSource(input), job), input),
  destroyPoint: async (input, job) => await destroyPoint(await openContext(whichSource(input), job), input),
  certifyDisposal: async (input, job) => await certifyDisposal(await openContext(whichSource(input), job), input),
  countDiscarded: byEngine('countDiscarded'),
  rebuildCatalog: async ({ limit, ...of }, job) => await readCatalog(await openContext(whichSource(of), job), { limit }),
  planRecovery,
  checkReadiness,

  findRecoveryPoint: async ({ system, source, target, run, purpose, only, copies, avoid, towards, inPlace }, job) => {
    const context = await openContext({ system, source, epoch: 0, towards, inPlace }, job);
    if (purpose === undefined || purpose === 'recovery') await refuseMovedSource(context);
    const whole = await findCheckedPoint(context, target, { readForMs: context.system.objectives.rto * checkShareOfRto, ...(avoid ? { avoid } : {}) });
    const point = await narrowForRun(context, openEngine(context.source.engine), whole, { run, only, copies });
    await writeHold(context.store, context.keys, run, point, `run ${run} reads it`, { signal: job.signal });
    return point;
  },
} satisfies { [N in keyof Activities]?: Job<N> };

export type JobName = keyof typeof jobs;

export const findJob: FindJob = (name) => {
  if (!Object.hasOwn(jobs, name)) throw new HoldfastError('BadInput', `no job "${name}"; known: ${Object.keys(jobs).join(', ')}`);
  return jobs[name as JobName] as ReturnType<FindJob>;
};
