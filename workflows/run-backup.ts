import { defineQuery, setCurrentDetails, setHandler, uuid4, workflowInfo } from '@temporalio/workflow';
import { callsAt, callControl, type Call } from './call.ts';
import type { BackupSummary, DumpPlanRef, GroupRef } from './contract.ts';
import type { BackupReport } from './domain/backup-report.ts';
import { describeProgress } from './domain/describe-progress.ts';
import { HoldfastError } from './domain/errors.ts';
import { layout } from './domain/layout.ts';
import { makeId } from './domain/make-id.ts';
import { queryNames } from './domain/messages.ts';
import { backupDone, backupFailed } from './domain/notify/other-notices.ts';
import { WorkMeter, type Progress, type Work } from './domain/progress.ts';
import { progressOfBackup, type BackupPhase } from './domain/step-progress.ts';
import type { SystemView } from './domain/system-view.ts';
import { formatBytes, minutes } from './domain/units.ts';
import { describeFailure, failure, surfacing } from './failure.ts';
import { atHeldSnapshot } from './held-snapshot.ts';
import { Announcer } from './notify/announcer.ts';
import { handleProgress } from './runbook/messages.ts';
import { mark } from './search-attributes.ts';
import { checkSource, sourceCan } from './sources.ts';
import { sideBySide } from './steps/side-by-side.ts';
import { damageOf } from './verification-result.ts';

export interface RunBackupInput {
  system: string;
  source?: string | undefined;
  why: string;
  requestedBy: string;
  /** only what changed since the newest base, of sources that can */
  incremental?: true | undefined;
  /** one that is damaged as it is read back is not taken again: it is itself what was to make up for damage */
  once?: true | undefined;
}

/** How far one source is; what the query `state` of a backup answers, by source. */
export interface BackupProgress {
  phase: BackupPhase;
  backup: string;
  groups: number;
  groupsDone: number;
  estimatedBytes: number;
  plainBytes: number;
  storedBytes: number;
  /** what groups have finished, of what the plan estimates; what is under way says so itself, by heartbeat */
  work: Work | null;
  /** how far the dump is, as the workers last told the workflow; a heartbeat knows better */
  progress: Progress | null;
}

/** Groups of one source that are dumped at once. */
const width = 4;

/**
 * The backup of one system, under the id `backup/<system>`: plan, groups side by side, seal, read back. Until it is sealed there is no
 * backup; a group that is done stays done when a worker is lost. Read back is every byte of it: what is damaged already is marked bad, and taken once more.
 *
 * @throws Tampered - the second one is damaged as well.
 */
export async function runBackup(input: RunBackupInput): Promise<BackupSummary[]> {
  const progress: Record<string, BackupProgress> = {};
  const warnings: string[] = [];
  setHandler(defineQuery<Record<string, BackupProgress>>(queryNames.state), () => progress, { description: 'How far the backup of each source is.' });
  const show = (): void => setCurrentDetails(showProgress(input.system, progress, warnings));
  handleProgress((told) => {
    for (const [source, of] of Object.entries(progress)) {
      // Each process tells of what it runs itself: of another source's work it says nothing.
      const own = told.activities.filter((one) => one.source === source);
      if (own.length > 0) of.progress = progressOfBackup(of, own, Date.now()) ?? null;
    }
    show();
  });
  return await surfacing(async () => {
    if (!input?.system) throw new HoldfastError('BadInput', 'runBackup is started by backUpSystem.', { hint: 'start backUpSystem with {"system": "demo"}' });
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    if (input.source) checkSource(view, input.source);
    mark({ system: view.system, purpose: 'backup', phase: 'running' });
    return await announced(view, () => backUp(view));
  });

  async function backUp(view: SystemView): Promise<BackupSummary[]> {
    const call = callsAt(view.site);
    const { epoch } = await call('claimEpoch', { system: view.system, why: 'backup', takeOver: false }, `hold the command of ${view.system}`);
    const sources = input.source ? [input.source] : Object.keys(view.sources);
    const summaries = await sideBySide(sources, sources.length, (source) => backUpChecked({ call, input, epoch, source, show, progress, holds: sourceCan(view, source, 'snapshot'), warn: (what) => warnings.push(`${source}: ${what}`) }));
    const logged = sources.filter((source) => sourceCan(view, source, 'log'));
    warnings.push(...(await Promise.all(logged.map((source) => warnOfArchive(call, view, source)))).flat());
    show();
    mark({ phase: 'done' });
    return summaries;
  }

  /** Tells people what came of it. A cancel is somebody's wish, and no failure. */
  async function announced(view: SystemView, work: () => Promise<BackupSummary[]>): Promise<BackupSummary[]> {
    const announcer = new Announcer(view.system, (what) => warnings.push(what));
    const startMs = workflowInfo().startTime.getTime();
    try {
      const summaries = await work();
      const lines = [...summaries.map(({ source, documents, storedBytes, endAt, readBack }) => `${source}: restorable to ${endAt}; ${documents} documents, ${formatBytes(storedBytes)} stored${readBack ? `; every byte read back and authenticated, ${readBack.objects} objects` : ''}`), ...warnings];
      const page = await keepReport(view, input, { startMs, summaries, warnings });
      announcer.tell(view.notify, 'backup-done', (origin) => backupDone(origin, [...lines, ...('why' in page ? [page.why] : [])], Date.now() - startMs, 'key' in page ? page.key : undefined));
      return summaries;
    } catch (error) {
      const { type, message } = describeFailure(error);
      if (type !== 'Aborted') announcer.tell(view.notify, 'backup-failed', (origin) => backupFailed(origin, `${type}: ${message}`, Date.now() - startMs));
      throw error;
    } finally {
      warnings.push(...(await announcer.flush()));
      show();
    }
  }
}

/** What it came to, as a page in the store. A backup without its page is a backup: what keeps it from being written is told. */
async function keepReport({ system, title }: SystemView, { why, requestedBy }: RunBackupInput, { startMs, summaries, warnings }: { startMs: number; summaries: BackupSummary[]; warnings: string[] }): Promise<{ key: string } | { why: string }> {
  const { workflowId, runId } = workflowInfo();
  const startedAt = new Date(startMs).toISOString();
  const id = `backup-${startedAt.replace(/[-:]|\.\d+/g, '')}-${runId.slice(0, 8)}`;
  const report: BackupReport = { format: 1, kind: 'backup-report', system, title, id, workflowId, runId, startedAt, endedAt: new Date(Date.now()).toISOString(), why, requestedBy, sources: summaries, warnings: [...warnings] };
  try {
    await callControl('writeBackupReport', { report }, 'keep the report of this backup');
    return { key: layout.keptReport(system, id, 'report.json') };
  } catch (error) {
    const { type, message } = describeFailure(error);
    if (type === 'Aborted') throw error;
    const said = `the report of this backup could not be kept: ${type}: ${message}`;
    warnings.push(said);
    return { why: said };
  }
}

interface SourceBackup {
  call: Call;
  input: RunBackupInput;
  epoch: number;
  source: string;
  show(): void;
  progress: Record<string, BackupProgress>;
  /** its engine reads at a snapshot that a session has to hold */
  holds: boolean;
  warn(what: string): void;
}

/** A base that was read back whole; the second one, where the first is damaged. */
async function backUpChecked(of: SourceBackup): Promise<BackupSummary> {
  const first = await backUpSource(of);
  const damage = await readBack(of, first);
  if (typeof damage !== 'string') return { ...first, ...damage };
  const said = `base ${first.backup} is damaged as it is read back, and marked bad: ${damage}`;
  if (of.input.once) throw failure('Tampered', said);
  of.warn(`${said}. It is taken once more`);
  // What it would add to may be what is damaged.
  const second = await backUpSource({ ...of, input: { ...of.input, incremental: undefined } });
  const again = await readBack(of, second);
  if (typeof again === 'string') throw failure('Tampered', `${said}; and so is the second, ${second.backup}: ${again}`);
  return { ...second, ...again };
}

/** @returns what is damaged; or how much was read. Where the store does not let it be read now the base is there all the same, which is said. */
async function readBack({ call, input: { system }, source, show, progress, warn }: SourceBackup, { backup }: BackupSummary): Promise<string | Pick<BackupSummary, 'readBack'>> {
  const now = progress[source]!;
  Object.assign(now, { phase: 'reading back', progress: null });
  show();
  try {
    const result = await call('verifyRecoveryPoint', { system, source, backup, scope: 'base', run: `${workflowInfo().runId}/${backup}` }, `read back every byte of ${source}`);
    if (!result.ok) return damageOf([result]);
    return { readBack: { objects: result.objects, bytes: result.bytes } };
  } catch (error) {
    const { type, message } = describeFailure(error);
    if (type === 'Aborted') throw error;
    warn(`base ${backup} is sealed, and could not be read back: ${type}: ${message}`);
    return {};
  } finally {
    Object.assign(now, { phase: 'done', progress: null });
    show();
  }
}

async function backUpSource(of: SourceBackup): Promise<BackupSummary> {
  const { call, input: { system, incremental }, source, epoch, holds, warn } = of;
  const begin = (): BackupProgress => beginProgress(of, makeId(workflowInfo().startTime.getTime(), uuid4()));
  const { plan, groups } = holds
    ? await atHeldSnapshot({ call, system, source, warn }, async (held) => {
        const now = begin();
        return await held(now.backup, () => dumpSource(of, now));
      })
    : await dumpSource(of, begin());
  Object.assign(of.progress[source]!, { phase: 'sealing', work: null, progress: null });
  of.show();
  const summary = await call('sealBackup', { system, source, plan, epoch, groups }, `seal ${source}`);
  if (incremental && summary.instead !== undefined) warn(`a full base was taken, and no incremental one: ${summary.instead}`);
  if (summary.lacks) warn(`${summary.lacks.what} HINT: ${summary.lacks.hint}`);
  return summary;
}

function beginProgress({ progress, source, show }: SourceBackup, backup: string): BackupProgress {
  const now: BackupProgress = { phase: 'planning', backup, groups: 0, groupsDone: 0, estimatedBytes: 0, plainBytes: 0, storedBytes: 0, work: null, progress: null };
  progress[source] = now;
  show();
  return now;
}

/** All that reads the source: the plan, and its groups side by side. */
async function dumpSource({ call, input, epoch, source, show }: SourceBackup, now: BackupProgress): Promise<{ plan: DumpPlanRef; groups: GroupRef[] }> {
  const { system, why, requestedBy, incremental } = input;
  const { backup } = now;
  const plan = await call('planDump', { system, source, backup, epoch, why, requestedBy, ...(incremental ? { incremental } : {}) }, `plan the dump of ${source}`);
  Object.assign(now, { phase: 'dumping', groups: plan.groups.length, estimatedBytes: plan.estimatedBytes });
  const meter = new WorkMeter(Date.now());
  meter.expect(plan.groups.reduce((sum, { pieces = 0 }) => sum + pieces, 0));
  const finished = (): void => {
    now.work = meter.work(Math.max(now.estimatedBytes, now.plainBytes));
    now.progress = progressOfBackup(now, [], Date.now()) ?? null;
    show();
  };
  finished();
  const atOnce = Math.max(1, Math.min(width, plan.groups.length));
  const groups = await sideBySide(plan.groups, atOnce, async ({ group, estimatedBytes, pieces }) => {
    const done = await call('dumpGroup', { system, source, plan, epoch, group, width: atOnce }, `${source} ${group}: about ${formatBytes(estimatedBytes)}`);
    now.groupsDone += 1;
    now.plainBytes += done.plainBytes;
    now.storedBytes += done.storedBytes;
    // What was estimated of this group is known now: the whole is what is known and what is estimated of the others.
    now.estimatedBytes += done.plainBytes - estimatedBytes;
    meter.add(done.plainBytes, Date.now(), pieces);
    finished();
    return done;
  });
  return { plan, groups };
}

/** A base without a log restores to one moment only; whoever looks at the backup should know. Best effort: it is no part of the backup. */
async function warnOfArchive(call: Call, view: SystemView, source: string): Promise<string[]> {
  try {
    const status = await call('readArchiveStatus', { system: view.system, source }, `is the log of ${source} archived`);
    const late = status.archivedTo === null || (status.sourceReachable && (status.rpoMs ?? Infinity) > Math.max(minutes(2), view.rpoObjectiveMs));
    return late ? [`the log of ${source} is not archived: start archiveLog with {"system": "${view.system}", "source": "${source}"}`] : [];
  } catch {
    return [`whether the log of ${source} is archived could not be found out`];
  }
}

function showProgress(system: string, progress: Record<string, BackupProgress>, warnings: string[]): string {
  const lines = Object.entries(progress).map(
    ([source, { phase, groups, groupsDone, plainBytes, storedBytes, progress: far }]) =>
      `- ${source}: ${[phase, `${groupsDone} of ${groups} groups`, ...(far ? describeProgress(far) : [formatBytes(plainBytes)]), `stored ${formatBytes(storedBytes)}`].join(', ')}`,
  );
  return [`**backup ${system}**`, lines.join('\n'), warnings.map((warning) => `- ⚠ ${warning}`).join('\n')].filter((part) => part !== '').join('\n\n');
}
