import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { ArchiveActivities, ControlActivities, DataActivities, Directed, RecoverActivities, SourceRef, TargetRef } from '../../workflows/contract.ts';
import { lackOf } from '../../workflows/domain/engines.ts';
import type { JobContext, SourceContext } from '../context.ts';
import type { Engine } from '../engines/engine.ts';
import { openEngine } from '../engines/open-engine.ts';
import { openContext } from '../open-context.ts';
import { assertEpoch } from '../store/epoch.ts';
import type { Jobs } from './serve-jobs.ts';

type Activities = ControlActivities & DataActivities & ArchiveActivities & RecoverActivities;
type Input<N extends keyof Activities> = Parameters<Activities[N]>[0];
type Output<N extends keyof Activities> = Activities[N] extends (input: never) => Promise<infer O> ? O : never;

type Job<N extends keyof Activities> = (input: Input<N>, job: JobContext) => Promise<Output<N>>;

/** A job of the engine of the source that the input names. */
const byEngine =
  <N extends keyof Engine & keyof Activities>(name: N): Job<N> =>
  async (input, job) => {
    const context = await openContext(whichSource(input), job);
    const run = (await openEngine(context.source.engine))[name] as unknown as (context: SourceContext, input: Input<N>) => Promise<Output<N>>;
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
    const { rows } = await openEngine(engine);
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

/**
 * What runs in a process of its own: everything whose work or memory grows with the data. What a job is made of is loaded when it is ordered: most processes do
 * two or three kinds, and to load all of them would take longer than most jobs.
 */
const jobs = {
  planDump: async (input, job) => {
    const plan = await byEngine('planDump')(input, job);
    await (await import('../store/require-room.ts')).requireRoom(await openContext(whichSource(input), job), plan.estimatedBytes);
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

  verifyRecoveryPoint: async ({ backup, scope, run, ...of }, job) => await (await import('../store/mark-damage.ts')).verifyAndMark(await openContext(whichSource(of), job), { backup, scope }, run),
  verifyKept: async ({ shares, withinMs, run, ...of }, job) => await (await import('../store/mark-damage.ts')).verifyAndMark(await openContext(whichSource(of), job), { shares, withinMs }, run),

  listRecoveryPoints: async ({ limit, after, since, ...of }, job) => await (await import('../store/list-recovery-points.ts')).listRecoveryPoints(await openContext(whichSource(of), job), { limit, after, since }),
  readSourceFacts: async ({ from, to, ...of }, job) => await (await import('../report/period/source-facts.ts')).readSourceFacts(await openContext(whichSource(of), job), { from, to }),
  checkKeys: async ({ run, ...of }, job) => await (await import('../keys/check-keys.ts')).checkKeys(await openContext(whichSource(of), job), { run }),
  wrapKeys: async ({ after, dryRun, began, ...of }, job) => await (await import('../keys/wrap-keys.ts')).wrapKeys(await openContext(whichSource(of), job), { after, dryRun, began }),
  proveKeys: async ({ began, ...of }, job) => await (await import('../keys/prove-keys.ts')).proveKeys(await openContext(whichSource(of), job), { began }),
  recordRecoveryProof: async (input, job) => await (await import('../keys/prove-recovery.ts')).recordRecoveryProof(await openContext(whichSource(input), job), input),
  planRetention: async ({ run, limit, ...of }, job) => await (await import('../retention/make-plan.ts')).planForRun(await openContext(whichSource(of), job), { run, limit }),
  expire: async ({ plan, run, backupRuns, ...of }, job) => await (await import('../retention/expire.ts')).expire(await openContext(whichSource(of), job), { plan, run, backupRuns }),
  planDisposal: async ({ point, evenTheLast, ...of }, job) => await (await import('../disposal/plan-disposal.ts')).planDisposal(await openContext(whichSource(of), job), { point, evenTheLast }),
  planDisposals: async ({ system, sources }, job) => await (await import('../disposal/plan-disposals.ts')).planDisposals(await Promise.all(sources.map(async (source) => await openContext(whichSource({ system, source }), job)))),
  orderDisposal: async (input, job) => await (await import('../disposal/order-disposal.ts')).orderDisposal(await openContext(whichSource(input), job), input),
  destroyPoint: async (input, job) => await (await import('../disposal/destroy-point.ts')).destroyPoint(await openContext(whichSource(input), job), input),
  certifyDisposal: async (input, job) => await (await import('../disposal/certify-disposal.ts')).certifyDisposal(await openContext(whichSource(input), job), input),
  countDiscarded: byEngine('countDiscarded'),
  rebuildCatalog: async ({ limit, ...of }, job) => await (await import('../store/list-recovery-points.ts')).readCatalog(await openContext(whichSource(of), job), { limit }),
  planRecovery: async (input, job) => await (await import('../plan/plan-recovery.ts')).planRecovery(input, job),
  checkReadiness: async (input, job) => await (await import('../readiness/check-readiness.ts')).checkReadiness(input, job),

  findRecoveryPoint: async (input, job) => await (await import('../plan/find-point-for-run.ts')).findPointForRun(input, job),
} satisfies { [N in keyof Activities]?: Job<N> };

export type JobName = keyof typeof jobs;

export { adopt } from '../system-files.ts';

/** Store, keys, and the engine of the source that the input names. */
export const prepare: Jobs['prepare'] = async (input) => {
  const { source } = await openContext(whichSource(input), { signal: new AbortController().signal, progress: () => undefined });
  await openEngine(source.engine);
};

export const findJob: Jobs['findJob'] = (name) => {
  if (!Object.hasOwn(jobs, name)) throw new HoldfastError('BadInput', `no job "${name}"; known: ${Object.keys(jobs).join(', ')}`);
  return jobs[name as JobName] as ReturnType<Jobs['findJob']>;
};
