import type { ArchiveActivities, Commanded, ControlActivities, DataActivities, Directed, RecoverActivities, SourceRef, SwapInput, TargetRef } from '../workflows/contract.ts';
import { Context } from '@temporalio/activity';
import { attempt, attemptInDataPlane, type AttemptContext } from './attempt.ts';
import { pageAudit } from '../workflows/domain/audit.ts';
import { readAudit } from './audit/read-audit.ts';
import { recordAct } from './audit/record-act.ts';
import { sealAudit } from './audit/seal-audit.ts';
import type { SourceContext } from './context.ts';
import type { JobName } from './data-plane/jobs.ts';
import { openDeployer } from './deploy/deployer.ts';
import { recordDeployment } from './deploy/deployments.ts';
import { livesNow, proposeDeployment } from './deploy/propose-deployment.ts';
import { runCommand } from './deploy/run-command.ts';
import { evidenceAfterwards, evidenceOfIncident, evidenceOfRun, sealEvidence } from './evidence/seal-evidence.ts';
import { openEngine } from './engines/open-engine.ts';
import { discardExport, publishExport } from './exchange/publish-export.ts';
import { beginRotation } from './keys/begin-rotation.ts';
import { recordRotation } from './keys/record-rotation.ts';
import { linkToRun } from './notify/run-link.ts';
import { readPage } from './notify/read-page.ts';
import { openContext, openSystem } from './open-context.ts';
import { openProvisioner } from './provision/provisioner.ts';
import { readArchiveStatus } from './read-archive-status.ts';
import { readDrills } from './report/read-drills.ts';
import { readStepHistory } from './report/read-step-history.ts';
import { writeJournalPage } from './report/journal-pages.ts';
import { describeError, HoldfastError } from '../workflows/domain/errors.ts';
import { seconds } from '../workflows/domain/units.ts';
import { applySystem, pauseWithoutFile, planApply } from './schedules/apply-system.ts';
import { drillSchedules } from '../workflows/domain/schedules/drill-schedules.ts';
import { readOnServer } from './schedules/read-on-server.ts';
import { desiredSchedules } from '../workflows/domain/schedules/desired.ts';
import { readFires } from './watch/read-fires.ts';
import { assertEpoch, claimEpoch } from './store/epoch.ts';
import { refuseLivingTarget } from './store/refuse-moved-source.ts';
import { releaseHold } from './store/holds.ts';
import { scrub } from './secrets.ts';
import { rememberDrill } from './store/remember-drill.ts';
import { writeMark } from './store/marks.ts';
import { keepSystemFile } from './file-of-run.ts';
import { loadSystemFile, toSystemView, type LoadedSystem } from './system-files.ts';
import { openFence } from './traffic/fence.ts';
import { probeOldPrimary } from './traffic/probe-old-primary.ts';
import { openSwitch } from './traffic/switch.ts';

export interface ActivitiesByRole {
  control: ControlActivities;
  data: DataActivities;
  archive: ArchiveActivities;
  recover: RecoverActivities;
}

export interface ActivityEnvironment {
  /** what an epoch belongs to: the id of the Temporal namespace */
  owner: string;
  reportsDirectory: string;
  /** where the Temporal UI is, for the links in messages; null: not known */
  temporalUiUrl: string | null;
}

const inDataPlane = <I, O>(job: JobName) => attemptInDataPlane<I, O>(job);

const atSource = async <O>(of: SourceRef & Commanded & Directed, context: AttemptContext, use: (context: SourceContext) => Promise<O>): Promise<O> =>
  await use(await openContext({ system: of.system, source: of.source, epoch: of.epoch ?? 0, towards: of.towards, inPlace: of.inPlace }, context));

const atTarget = async <O>(target: TargetRef, context: AttemptContext, use: (context: SourceContext) => Promise<O>): Promise<O> =>
  await atSource({ system: target.system, source: target.source, towards: target.environment, inPlace: target.inPlace }, context, use);

/** For what cannot be taken back. @throws EpochSuperseded - another control plane commands the system: nothing was done. */
const inCommand: typeof atSource = async (of, context, use) =>
  await atSource(of, context, async (source) => {
    await assertEpoch(source.store, of.system, source.epoch, { signal: context.signal });
    return await use(source);
  });

const ofSwap = ({ target, epoch }: SwapInput): SourceRef & Commanded & Directed => ({ system: target.system, source: target.source, towards: target.environment, epoch });

/**
 * All activities of the contract, by task queue. What works on data is a job in a process of its own; see jobs.ts. What draws, mails or checks codes brings
 * libraries that a worker's start would wait for, and is loaded when it is first asked for.
 */
export function createActivities(environment: ActivityEnvironment): ActivitiesByRole {
  return { control: controlActivities(environment), data: dataActivities, archive: archiveActivities, recover: recoverActivities };
}

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

const controlActivities = ({ owner, reportsDirectory, temporalUiUrl }: ActivityEnvironment): ControlActivities => ({
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

  recordAct: attempt(async (act, { signal }) => {
    const { store, keys } = await openSystem(act.system);
    return await recordAct({ store, keys, signal }, act);
  }),

  markPoint: attempt(async (said, { signal }) => {
    const { loaded, store, keys } = await openSystem(said.system);
    if (!loaded.system.sources[said.source]) throw new HoldfastError('BadInput', `system "${said.system}" has no source "${said.source}"`);
    return await writeMark({ store, keys, signal }, said);
  }),

  beginRotation: attempt(async (said, { signal }) => {
    const { store, keys } = await openSystem(said.system);
    return await beginRotation({ store, keys, signal }, said);
  }),

  recordRotation: attempt(async (said, { signal }) => {
    const { store, keys } = await openSystem(said.system);
    return await recordRotation({ store, keys, signal }, said);
  }),

  recordDeployment: attempt(async ({ environment, ...of }, { signal }) => {
    const { loaded, store, keys } = await openSystem(of.system);
    return await recordDeployment({ store, keys, signal }, { ...of, environment: environment ?? (await livesNow({ store, keys, signal }, loaded.system)) });
  }),

  applySystem: attempt(async ({ dryRun, resume, expected, ...of }, { signal }) => {
    const { system } = await loadSystemFile(of.system);
    const to = { system, client: Context.current().client, resume, signal };
    return dryRun ? await planApply(to) : await applySystem(to, expected);
  }),

  pauseWithoutFile: attempt(async ({ system, dryRun }, { signal }) => await pauseWithoutFile(Context.current().client, system, { dryRun, signal })),

  proposeDeployment: attempt(async (of, { signal }) => {
    const { loaded, store, keys, secret } = await openSystem(of.system);
    return await proposeDeployment({ system: loaded.system, store, keys, secret, signal }, of);
  }),

  deployVersion: attempt(async ({ epoch = 0, ...of }, { signal }) => {
    const { loaded, store, keys, secret } = await openSystem(of.system);
    const context = { system: loaded.system, secret, signal };
    const deployer = await openDeployer(context);
    if (!deployer) throw new HoldfastError('Unsupported', `${of.system}: people deploy, or nobody: there is no program for it`);
    await assertEpoch(store, of.system, epoch, { signal });
    const deployed = await deployer.deploy(context, of);
    await recordDeployment({ store, keys, signal }, of);
    return deployed;
  }),

  runCommand: attempt(async ({ epoch = 0, ...of }, { signal }) => {
    const { loaded, store, secret } = await openSystem(of.system);
    await assertEpoch(store, of.system, epoch, { signal });
    return await runCommand({ system: loaded.system, secret, signal }, of);
  }),

  checkProof: attempt(async (of, { signal }) => {
    const { loaded, store, keys, secret } = await openSystem(of.system);
    return await (await import('./access/check-proof.ts')).checkProof({ people: loaded.system.people, store, keys, secret, signal, nowMs: Date.now() }, of);
  }),

  readArchiveStatus: attempt(async (of, context) => await atSource(of, context, readArchiveStatus)),
  listRecoveryPoints: inDataPlane('listRecoveryPoints'),
  rebuildCatalog: inDataPlane('rebuildCatalog'),

  readAudit: attempt(async ({ system, limit, ...choice }, { signal }) => {
    const { store, keys } = await openSystem(system);
    return pageAudit(system, await readAudit({ store, keys, signal }, system), choice, limit);
  }),

  sealAudit: attempt(async ({ system }, { signal }) => {
    const { store, keys } = await openSystem(system);
    return await sealAudit({ store, keys, signal }, system);
  }),

  planRecovery: inDataPlane('planRecovery'),
  checkReadiness: inDataPlane('checkReadiness'),

  readFires: attempt(async (of) => {
    const { system } = await loadSystemFile(of.system);
    const paused = new Set(desiredSchedules(system).filter((one) => one.paused).map(({ id }) => id));
    return (await readFires(Context.current().client, system, Date.parse(of.at))).filter(({ id }) => !paused.has(id));
  }),

  fencePrimary: attempt(async (of, context) => await inCommand(of, context, async (source) => await (await openFence(source)).fence(source, of.run))),
  retirePrimary: attempt(async (of, context) => await inCommand(of, context, async (source) => await (await openFence(source)).retire(source, of.run))),
  unfencePrimary: attempt(async (of, context) => await inCommand(of, context, async (source) => await (await openFence(source)).unfence(source, of.run))),

  probeOldPrimary: attempt(async (of, context) => await atSource(of, context, async (source) => await probeOldPrimary(source, of))),

  admitTraffic: attempt(async ({ system: name, epoch = 0, environment, percent }, context) => {
    const { loaded, store, address } = await openSystem(name);
    await assertEpoch(store, name, epoch, { signal: context.signal });
    return await (await openSwitch(loaded.system)).admit({ ...context, system: loaded.system, address }, environment, percent);
  }),

  readTraffic: attempt(async ({ system: name }, context) => {
    const { loaded, address } = await openSystem(name);
    return await (await openSwitch(loaded.system)).read({ ...context, system: loaded.system, address });
  }),

  watchHealth: attempt(async ({ system: name, ...watch }, context) => {
    const { loaded, address } = await openSystem(name);
    return await (await openSwitch(loaded.system)).watchHealth({ ...context, system: loaded.system, address }, watch);
  }),

  writeJournalPage: attempt(async (page, { signal }) => {
    const { store } = await openSystem(page.system);
    await writeJournalPage({ store, signal }, page);
  }),

  writeReport: attempt(async ({ report }, { signal }) => {
    const { store, keys } = await openSystem(report.system);
    const written = await (await import('./report/write-report.ts')).writeReport({ store, keys, signal }, { report, directory: reportsDirectory });
    await rememberDrill({ store, keys, signal }, report);
    return { ...written, evidence: [...written.evidence, await sealEvidence({ store, keys, signal }, evidenceOfRun(report), written.evidence)] };
  }),

  readSourceFacts: inDataPlane('readSourceFacts'),

  readPeriodFacts: attempt(async ({ system, ...period }, { signal }) => {
    const { loaded, store, keys } = await openSystem(system);
    return await (await import('./report/period/period-facts.ts')).readPeriodFacts({ system: loaded.system, client: Context.current().client, store, keys, signal }, period);
  }),

  writePeriodReport: attempt(async ({ report }, { signal }) => {
    const { store, keys } = await openSystem(report.system);
    return await (await import('./report/kept-reports.ts')).keepReport({ store, keys, signal }, { report, directory: reportsDirectory });
  }),

  writeBackupReport: attempt(async ({ report }, { signal }) => {
    const { store, keys } = await openSystem(report.system);
    return await (await import('./report/kept-reports.ts')).keepReport({ store, keys, signal }, { report, directory: reportsDirectory });
  }),

  writeDivergedReport: attempt(async ({ report }, { signal }) => {
    const { store, keys } = await openSystem(report.system);
    const written = await (await import('./report/write-report.ts')).writeDivergedReport({ store, signal }, { report, directory: reportsDirectory });
    const of = await evidenceAfterwards({ store, keys, signal }, report.system, report.run, report.writtenAt);
    return { ...written, evidence: [...written.evidence, await sealEvidence({ store, keys, signal }, of, written.evidence)] };
  }),

  writeIncident: attempt(async ({ record }, { signal }) => {
    const { store, keys } = await openSystem(record.state.system);
    const written = await (await import('./report/write-incident.ts')).writeIncident({ store, signal }, { record, directory: reportsDirectory });
    return { ...written, evidence: [...written.evidence, await sealEvidence({ store, keys, signal }, evidenceOfIncident(record), written.evidence)] };
  }),

  notify: attempt(async (of, { signal }) => ({ summary: await (await import('./notify/send-notice.ts')).sendNotice(of, { signal, link: linkToRun(temporalUiUrl), read: readPage }) })),

  readDrills: attempt(async ({ system, limit }, { signal }) => {
    const { loaded, store, keys } = await openSystem(system);
    const onServer = await readOnServer(Context.current().client, drillSchedules(loaded.system).map(({ id }) => id));
    return await readDrills({ store, keys, signal }, loaded.system, { limit, nowMs: Date.now(), onServer });
  }),

  readStepHistory: attempt(async ({ system }, { signal }) => {
    const { store, keys } = await openSystem(system);
    return await readStepHistory({ store, keys, signal }, system);
  }),
});

const dataActivities: DataActivities = {
  planDump: inDataPlane('planDump'),
  dumpGroup: inDataPlane('dumpGroup'),
  sealBackup: inDataPlane('sealBackup'),
  verifyRecoveryPoint: inDataPlane('verifyRecoveryPoint'),
  verifyKept: inDataPlane('verifyKept'),
  checkKeys: inDataPlane('checkKeys'),
  wrapKeys: inDataPlane('wrapKeys'),
  proveKeys: inDataPlane('proveKeys'),
  recordRecoveryProof: inDataPlane('recordRecoveryProof'),
  planRetention: inDataPlane('planRetention'),
  expire: inDataPlane('expire'),
  planDisposal: inDataPlane('planDisposal'),
  planDisposals: inDataPlane('planDisposals'),
  orderDisposal: inDataPlane('orderDisposal'),
  destroyPoint: inDataPlane('destroyPoint'),
  certifyDisposal: inDataPlane('certifyDisposal'),
  planImport: inDataPlane('planImport'),
  importGroup: inDataPlane('importGroup'),
  writeExport: inDataPlane('writeExport'),
  publishExport: attempt(async (of, context) => await atSource(of, context, async (source) => await publishExport(source, of))),
  discardExport: attempt(async (of, context) => await atSource(of, context, async (source) => await discardExport(source, of))),
};

const archiveActivities: ArchiveActivities = {
  // In the worker's own process: it holds a session open, and reads nothing.
  holdSnapshot: attempt(async (of, context) => await atSource(of, context, async (source) => await (await openEngine(source.source.engine)).holdSnapshot(source, of))),
  archiveLog: inDataPlane('archiveLog'),
  drainLog: inDataPlane('drainLog'),
  readDivergedWrites: inDataPlane('readDivergedWrites'),
  startTimeline: attempt(
    async (of, context) => await atSource(of, context, async (source) => await (await openEngine(source.source.engine)).startTimeline(source, of)),
  ),
  proveArchive: inDataPlane('proveArchive'),
};

const recoverActivities: RecoverActivities = {
  // Beside this step the recovery point is looked for, which refuses the same; whoever comes first, nothing is touched.
  makeRoom: attempt(
    async (target: TargetRef, context) => await atTarget(target, context, async (source) => {
      await refuseLivingTarget(source, target);
      return await (await openProvisioner(source)).makeRoom(source, target);
    }),
  ),
  checkTarget: attempt(
    async ({ movesAside, ...target }: TargetRef & { movesAside: boolean }, context) => await atTarget(target, context, async (source) => {
      await refuseLivingTarget(source, target);
      return await (await openProvisioner(source)).check(source, { movesAside });
    }),
  ),
  giveRoomBack: attempt(
    async (target: TargetRef, context) => await atTarget(target, context, async (source) => await (await openProvisioner(source)).giveRoomBack(source, target)),
  ),
  startAgain: attempt(
    async (target: TargetRef, context) => await atTarget(target, context, async (source) => await (await openProvisioner(source)).startAgain(source, target)),
  ),
  provisionTarget: attempt(
    async (target: TargetRef, context) => await atTarget(target, context, async (source) => {
      await refuseLivingTarget(source, target);
      return await (await openProvisioner(source)).provision(source, target);
    }),
  ),
  removeTarget: attempt(
    async ({ discard, ...target }: TargetRef & { discard?: boolean | undefined }, context) => await atTarget(target, context, async (source) => await (await openProvisioner(source)).remove(source, target, { discard })),
  ),
  prepareRestore: inDataPlane('prepareRestore'),
  restoreGroup: inDataPlane('restoreGroup'),
  replayLog: inDataPlane('replayLog'),
  buildIndexes: inDataPlane('buildIndexes'),
  validateTarget: inDataPlane('validateTarget'),
  copyBeside: inDataPlane('copyBeside'),
  dropCopies: inDataPlane('dropCopies'),
  compareTarget: inDataPlane('compareTarget'),
  planRows: inDataPlane('planRows'),
  restoreRows: inDataPlane('restoreRows'),
  removeRows: inDataPlane('removeRows'),
  maskTarget: inDataPlane('maskTarget'),
  planSwap: attempt(async (input, context) => await atTarget(input.target, context, async (source) => await (await openEngine(source.source.engine)).planSwap(source, input))),
  // In the worker's own process: a cancel must not end it while writers wait.
  swapCollections: attempt(async (input, context) => await inCommand(ofSwap(input), context, async (source) => await (await openEngine(source.source.engine)).swapCollections(source, input))),
  swapBack: attempt(async (input, context) => await inCommand(ofSwap(input), context, async (source) => await (await openEngine(source.source.engine)).swapBack(source, input))),
  promoteTarget: attempt(
    async ({ target }, context) =>
      await atTarget(target, context, async (source) => await (await openEngine(source.source.engine)).promoteTarget(source, { target })),
  ),
};
