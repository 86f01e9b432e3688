import { proxyActivities, type ActivityOptions, type UntypedActivities } from '@temporalio/workflow';
import { taskQueues, type ArchiveActivities, type ControlActivities, type DataActivities, type RecoverActivities, type SystemFileRef } from './contract.ts';
import { errorTable, type ErrorType } from './domain/errors.ts';
import { hours, minutes, seconds } from './domain/units.ts';

type Activities = ControlActivities & DataActivities & ArchiveActivities & RecoverActivities;
export type ActivityName = keyof Activities;

interface Row {
  role: 'control' | 'data' | 'archive' | 'recover';
  /** one try */
  tryMs: number;
  /** tries that end in a failure that another try can help; then the step fails and a person decides */
  tries: number;
}

const light = (role: Row['role'] = 'control'): Row => ({ role, tryMs: minutes(2), tries: 8 });
// Long work is bounded generously: it resumes where it was, and a budget warns long before.
const long = (role: Row['role']): Row => ({ role, tryMs: hours(24), tries: 12 });

const table: Record<ActivityName, Row> = {
  loadSystem: light(),
  claimEpoch: light(),
  findRecoveryPoint: { ...light(), tryMs: minutes(10) },
  // People wait for the gate that shows it, and it is shown without, too.
  countDiscarded: { ...light(), tryMs: minutes(10), tries: 2 },
  releaseHold: light(),
  // Whoever asked waits for it.
  recordAct: { ...light(), tryMs: seconds(20), tries: 4 },
  // A person waits for the answer, and a code grows old.
  checkProof: { ...light(), tryMs: seconds(20), tries: 3 },
  readArchiveStatus: light(),
  listRecoveryPoints: { ...light(), tryMs: minutes(10) },
  rebuildCatalog: { ...light(), tryMs: minutes(10) },
  markPoint: light(),
  recordDeployment: light(),
  beginRotation: { ...light(), tryMs: minutes(10) },
  recordRotation: light(),
  applySystem: light(),
  pauseWithoutFile: light(),
  // It may ask a program what runs.
  proposeDeployment: { ...light(), tryMs: minutes(5), tries: 4 },
  // A program of the team's: how long it may take its step's `timeout` says. What fails three times is for a person.
  deployVersion: { ...light(), tryMs: hours(4), tries: 3 },
  runCommand: { ...light(), tryMs: hours(4), tries: 3 },
  sealAudit: { ...light(), tryMs: minutes(10) },
  readAudit: { ...light(), tryMs: minutes(10) },
  planRecovery: { ...light(), tryMs: minutes(10) },
  // The next check comes soon.
  checkReadiness: { ...light(), tryMs: minutes(10), tries: 2 },
  readFires: { ...light(), tries: 2 },
  fencePrimary: { ...light(), tryMs: minutes(5) },
  retirePrimary: { ...light(), tryMs: minutes(5) },
  unfencePrimary: { ...light(), tryMs: minutes(5) },
  probeOldPrimary: { ...light(), tries: 3 },
  admitTraffic: light(),
  readTraffic: light(),
  watchHealth: { ...light(), tryMs: hours(1) },
  writeJournalPage: { ...light(), tries: 3 },
  writeReport: light(),
  // What cannot be read is said in the report, which goes out all the same.
  readSourceFacts: { ...light(), tryMs: minutes(10), tries: 4 },
  readPeriodFacts: { ...light(), tryMs: minutes(10), tries: 4 },
  writePeriodReport: light(),
  // The backup is there already, and its message waits for it.
  writeBackupReport: { ...light(), tries: 3 },
  writeDivergedReport: light(),
  writeIncident: light(),
  readDrills: { ...light(), tryMs: minutes(10) },
  readStepHistory: { ...light(), tries: 3 },
  // Few: the outbox goes on, with longer and longer pauses, and says that it does.
  notify: { ...light(), tryMs: seconds(30), tries: 3 },
  planDump: { ...light('data'), tryMs: minutes(30), tries: 12 },
  dumpGroup: long('data'),
  sealBackup: { ...light('data'), tryMs: hours(1), tries: 12 },
  verifyRecoveryPoint: long('data'),
  verifyKept: long('data'),
  checkKeys: long('data'),
  wrapKeys: long('data'),
  proveKeys: { ...light('data'), tryMs: hours(1) },
  recordRecoveryProof: { ...light('data'), tries: 3 },
  planRetention: { ...light('data'), tryMs: hours(1), tries: 8 },
  expire: long('data'),
  planDisposal: { ...light('data'), tryMs: hours(1) },
  planDisposals: { ...light('data'), tryMs: hours(4) },
  orderDisposal: { ...light('data'), tryMs: hours(1) },
  destroyPoint: long('data'),
  certifyDisposal: { ...light('data'), tryMs: hours(1) },
  planImport: long('data'),
  importGroup: long('data'),
  writeExport: long('data'),
  publishExport: light('data'),
  discardExport: { ...light('data'), tries: 3 },
  // Once: the next would hold another moment, and the workflow begins the base again with it.
  holdSnapshot: { role: 'archive', tryMs: hours(48), tries: 1 },
  // For ever: an archive that gives up while its source is away is silently dead when it comes back.
  archiveLog: { role: 'archive', tryMs: hours(2), tries: Infinity },
  drainLog: { ...light('archive'), tryMs: minutes(30) },
  readDivergedWrites: { ...light('archive'), tryMs: hours(2) },
  startTimeline: light('archive'),
  proveArchive: { ...light('archive'), tryMs: minutes(15) },
  checkTarget: { ...light('recover'), tries: 2 },
  makeRoom: { ...light('recover'), tryMs: minutes(5) },
  giveRoomBack: { ...light('recover'), tryMs: minutes(5) },
  startAgain: { ...light('recover'), tryMs: minutes(15) },
  provisionTarget: { ...light('recover'), tryMs: minutes(15) },
  removeTarget: { ...light('recover'), tryMs: minutes(15) },
  prepareRestore: { ...light('recover'), tryMs: hours(1), tries: 12 },
  restoreGroup: long('recover'),
  replayLog: long('recover'),
  buildIndexes: long('recover'),
  validateTarget: long('recover'),
  copyBeside: long('recover'),
  dropCopies: { ...light('recover'), tryMs: hours(4) },
  planSwap: light('recover'),
  swapCollections: { ...light('recover'), tryMs: minutes(30) },
  swapBack: { ...light('recover'), tryMs: minutes(30) },
  compareTarget: long('recover'),
  // People wait for the gate that shows it.
  planRows: { ...light('recover'), tryMs: hours(1), tries: 3 },
  restoreRows: { ...light('recover'), tryMs: hours(4) },
  removeRows: { ...light('recover'), tryMs: hours(4) },
  maskTarget: long('recover'),
  promoteTarget: { ...light('recover'), tryMs: minutes(15) },
};

/**
 * Each heartbeat is a write to the server, and an archive stands for ever: of a thousand systems they are most of what it does. So a lost worker may cost
 * an archive a tenth of the data that its system may lose; everything else, which somebody waits for, is found lost after ten seconds.
 */
const lostAfter = { leastMs: seconds(10), mostMs: minutes(1), ofRpo: 1 / 10 };

function lostAfterMs(name: ActivityName, rpoObjectiveMs: number): number {
  if (name !== 'archiveLog') return lostAfter.leastMs;
  return Math.min(Math.max(Math.round(rpoObjectiveMs * lostAfter.ofRpo), lostAfter.leastMs), lostAfter.mostMs);
}

const neverRetried = (Object.keys(errorTable) as ErrorType[]).filter((type) => !errorTable[type].retryable);

function optionsOf(name: ActivityName, site: string, rpoObjectiveMs: number): ActivityOptions {
  const { role, tryMs, tries } = table[name];
  return {
    taskQueue: role === 'control' ? taskQueues.control : taskQueues[role](site),
    startToCloseTimeout: tryMs,
    // Cancel reaches an activity only by its heartbeat, and a lost worker is found only by the heartbeat’s absence.
    heartbeatTimeout: lostAfterMs(name, rpoObjectiveMs),
    // Without it the workflow ends, and lets its lock go, while the work still runs.
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: {
      initialInterval: seconds(1),
      backoffCoefficient: 2,
      maximumInterval: seconds(10),
      maximumAttempts: tries,
      nonRetryableErrorTypes: neverRetried,
    },
  };
}

/** Of this workflow: each has its own of this module. */
let file: SystemFileRef | undefined;

/**
 * From here on every activity of this workflow opens the system file of this digest, and no other (activities/file-of-run.ts). Here, where all calls pass, so that none
 * can be forgotten.
 */
export function goBy(ref: SystemFileRef): void {
  file = ref;
}

/** Calls one activity on the task queue of its role; `summary` is the line that the UI’s timeline shows for it. */
export type Call = <N extends ActivityName>(
  name: N,
  input: Parameters<Activities[N]>[0],
  summary: string,
) => Promise<Awaited<ReturnType<Activities[N]>>>;

/**
 * @param site - where the system's data workers stand; control activities do not depend on it.
 * @param rpoObjectiveMs - of the system, for its archive.
 */
export function callsAt(site: string, rpoObjectiveMs = 0): Call {
  const call = (name: ActivityName, input: unknown, summary: string): Promise<unknown> =>
    proxyActivities<UntypedActivities>(optionsOf(name, site, rpoObjectiveMs))[name]!.executeWithOptions({ summary }, [file ? { ...(input as object), systemFile: file } : input]);
  return call as Call;
}

export const callControl: Call = callsAt('');
