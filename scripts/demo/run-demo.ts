import { globSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderReportHtml } from '../../activities/report/render-report.ts';
import type { BackupSummary } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { formatBytes, formatDuration, minutes, seconds } from '../../workflows/domain/units.ts';
import { entryId, startEntry, withTemporal, workflowLink, type Temporal } from '../client.ts';
import { formatBackups } from '../commands/backup.ts';
import { currentUser } from '../current-user.ts';
import type { Printer } from '../output/printer.ts';
import { destroyPrimary, withClient } from '../stack/primary.ts';
import { demoDatabase, type StackFile } from '../stack/stack-file.ts';
import { startWorker } from '../stack/worker.ts';
import { watchRun } from '../status/watch-run.ts';
import { answerGates } from './approve.ts';
import { ledgerPath, startDemoStack, startWriter, stopWriter } from './demo-stack.ts';
import { checkNewArchive, readRevs, tryOldPrimary, waitForArchive } from './inspect.ts';
import { compareLedger, type LedgerLine } from './ledger.ts';
import { LedgerReader } from './ledger-file.ts';
import { loadWordnet, type LoadResult } from './load-wordnet.ts';
import { judgeDemo, toWritesReport, type DemoResult, type Observed } from './result.ts';

const source = 'dictionary';
/** How long the writer goes on between the backup and the kill, and at the new side after the run. */
const runOnMs = seconds(8);
const goOnMs = seconds(6);

export interface DemoOptions {
  rate: number;
  keep: boolean;
  /** ask for the approval at the terminal */
  ask: boolean;
  signal: AbortSignal;
}

/** What every phase works with. */
interface Demo extends DemoOptions {
  printer: Printer;
  stack: StackFile;
  temporal: Temporal;
  ledger: Ledger;
}

/** Everything that the writer was told so far. */
class Ledger {
  readonly lines: LedgerLine[] = [];
  readonly #reader: LedgerReader;

  constructor(path: string) {
    this.#reader = new LedgerReader(path);
  }

  read(): LedgerLine[] {
    for (const line of this.#reader.readNew()) this.lines.push(line);
    return this.lines;
  }

  acknowledgedBy(side: string): LedgerLine[] {
    return this.read().filter((line) => line.outcome === 'acknowledged' && line.side === side);
  }
}

/**
 * The whole story once, on real parts: data, backup, archive, a dead primary, a recovery, and what became of every
 * acknowledged write. Starts processes; whoever calls this stops them, however it ends.
 */
export async function runDemo(printer: Printer, options: DemoOptions): Promise<DemoResult> {
  const started: string[] = [];
  const stack = await startDemoStack(options.keep, (part, tookMs) => started.push(`${part} ${formatDuration(tookMs)}`));
  printer.note(`stack       ${started.join(', ')}`);
  options.signal.throwIfAborted();
  await startWorker(stack, { tiedToUs: !options.keep });
  printer.note(`worker      polls; Temporal UI ${stack.temporal.uiUrl}`);
  const data = await load(printer, stack);
  options.signal.throwIfAborted();
  await startWriter(stack, options.rate);
  return await withTemporal(async (temporal) => await recoverAndCompare({ ...options, printer, stack, temporal, ledger: new Ledger(ledgerPath(stack)) }, data));
}

async function load(printer: Printer, stack: StackFile): Promise<LoadResult> {
  const data = await withClient(stack, 'app', async (client) =>
    await loadWordnet(client.db(demoDatabase), (documents) => printer.frame(documents, (n) => `data        ${n.toLocaleString('en-US')} documents`, (n) => `data        loading, ${n.toLocaleString('en-US')} documents`)),
  );
  printer.endFrames();
  printer.note(`data        WordNet 3.1: ${data.documents.toLocaleString('en-US')} documents, ${formatBytes(data.bytes)} in ${data.collections.map(({ name, indexes }) => `${name} (${indexes} indexes)`).join(', ')}; ${formatDuration(data.tookMs)}`);
  return data;
}

async function recoverAndCompare(demo: Demo, data: LoadResult): Promise<DemoResult> {
  const { printer, stack, signal } = demo;
  await protect(demo);
  await goOn(demo, 'production', runOnMs);
  const incident = await destroy(demo);
  const report = await recover(demo, incident.at);
  await goOn(demo, 'dr', goOnMs);
  printer.note('old primary started again on its port');
  const oldPrimary = await tryOldPrimary(stack, demo.keep);
  const newArchive = await checkNewArchive(report.points[0]?.timeline, signal);
  // Only a writer that has ended has a ledger that nothing is added to.
  await stopWriter(stack);
  const observed: Observed = { data, rate: demo.rate, ...(await compare(demo, incident)), oldPrimary, newArchive };
  return judgeDemo(report, observed, writeDemoReport(stack, report, observed));
}

/** Log archive first: a base without the log after it restores to one moment only. */
async function protect({ printer, temporal, signal }: Demo): Promise<void> {
  const archive = await startEntry(temporal, 'archiveLog', `${entryId('archive', 'demo')}/${source}`, { system: 'demo' }, 'archive the log of the demo');
  await archive.result();
  const { upToDate, last } = await waitForArchive(minutes(3), signal);
  if (!upToDate) throw new HoldfastError('LogGap', `the archive does not keep up: ${last}`);
  printer.note(`archive     ${last}, up to date`);
  const startedAtMs = Date.now();
  const backup = await startEntry(temporal, 'backUpSystem', entryId('backup', 'demo'), { system: 'demo' }, 'back up the demo');
  const backups = (await backup.result()) as BackupSummary[];
  signal.throwIfAborted();
  printer.note(`${formatBackups({ backups })}; ${formatDuration(Date.now() - startedAtMs)}`);
}

/** Lets time pass under load, and says what the writer does meanwhile. */
async function goOn({ printer, ledger, signal }: Demo, side: string, forMs: number): Promise<void> {
  const before = ledger.acknowledgedBy(side).length;
  await sleep(forMs, undefined, { signal });
  const now = ledger.acknowledgedBy(side).length;
  printer.note(`writer      ${now.toLocaleString('en-US')} writes acknowledged by ${side}, ${Math.round((now - before) / (forMs / 1000))} a second now`);
}

interface Incident {
  at: string;
  writesPerSecond: number;
}

async function destroy({ printer, stack, ledger }: Demo): Promise<Incident> {
  const acknowledged = ledger.acknowledgedBy('production');
  const firstAtMs = Date.parse(acknowledged[0]?.at ?? new Date().toISOString());
  const writesPerSecond = acknowledged.length / Math.max(1, (Date.now() - firstAtMs) / 1000);
  const { killedAt } = await destroyPrimary(stack);
  printer.note(`incident    ${killedAt}: primary killed (-9), its data deleted`);
  return { at: killedAt, writesPerSecond };
}

async function recover(demo: Demo, incidentAt: string): Promise<RunReport> {
  const { printer, temporal, signal } = demo;
  const input = { system: 'demo', requestedBy: currentUser() || 'demo', incidentAt, reason: 'the primary is gone and its disk is empty' };
  const handle = await startEntry(temporal, 'recoverSystem', entryId('recover', 'demo'), input, 'recover the demo');
  printer.note(`link        ${workflowLink(temporal, lockIds.recover('demo'))}`);
  const report = await watchRun<RunReport>(printer, temporal, 'demo', handle, answerGates(printer, temporal.client, { ask: demo.ask, signal }), signal);
  printer.note(`run         ${report.outcome}`);
  return report;
}

/** Every acknowledgement against what stands on the new side. */
async function compare({ stack, ledger }: Demo, incident: Incident): Promise<Pick<Observed, 'comparison' | 'writesPerSecond' | 'acknowledgedAfterSwitch' | 'lostAfterSwitch' | 'wentOnMs'>> {
  const lines = ledger.read();
  const revs = await readRevs(stack);
  const after = compareLedger(lines, 'dr', revs, Date.now());
  return {
    comparison: compareLedger(lines, 'production', revs, Date.parse(incident.at)),
    writesPerSecond: incident.writesPerSecond,
    acknowledgedAfterSwitch: after.acknowledged,
    lostAfterSwitch: after.lost,
    wentOnMs: goOnMs,
  };
}

/** The run's own report lies on disk and in the store; this one adds what only the demo can know. */
function writeDemoReport(stack: StackFile, report: RunReport, observed: Observed): string {
  const [written] = globSync(`${report.system}/*-${report.runId.slice(0, 8)}/report.html`, { cwd: reportsDirectory() });
  const path = written ? join(reportsDirectory(), dirname(written), 'demo-report.html') : join(stack.directory, 'demo-report.html');
  writeFileSync(path, renderReportHtml({ ...report, writes: toWritesReport(observed) }));
  return path;
}

const reportsDirectory = (): string => resolve(process.env['HOLDFAST_REPORTS'] ?? join(import.meta.dirname, '..', '..', 'reports'));
