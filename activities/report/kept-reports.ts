import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { backupPage, type BackupReport } from '../../workflows/domain/backup-report.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { periodPage } from '../../workflows/domain/period-page.ts';
import { periodNames, type PeriodReport } from '../../workflows/domain/period-report.ts';
import type { ReportPage } from '../../workflows/domain/report-page.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { replaceFile } from '../replace-file.ts';
import { scrubValue } from '../secrets.ts';
import { keysUnder } from '../store/keys-under.ts';
import { findSigned, putSigned } from '../store/signed-object.ts';
import type { Store } from '../store/store.ts';
import type { Keys } from '../stream/keys.ts';
import { printHtml } from './print-html.ts';
import { printMarkdown, printText } from './print-text.ts';

/** Reports that are signed and kept below `<system>/reports/`: of a backup, of a day, of a week. Those of runs lie with their evidence. */
export type KeptReport = PeriodReport | BackupReport;

interface Room {
  store: Store;
  keys: Keys;
  signal?: AbortSignal | undefined;
}

/** What is signed is what was written: of its own fields only those are looked at that say what it is. */
const keptReportSchema = z.union([
  z.looseObject({ format: z.literal(1), kind: z.literal('period-report'), system: z.string(), id: z.string(), period: z.enum(periodNames) }),
  z.looseObject({ format: z.literal(1), kind: z.literal('backup-report'), system: z.string(), id: z.string() }),
]);

export const pageOf = (report: KeptReport): ReportPage => (report.kind === 'period-report' ? periodPage(report) : backupPage(report));

/**
 * Writes report.json, signed, then report.md and report.html made of it, to the store (under its lock, where it has one), and all three to `directory`, for people.
 * Killed anywhere: the next try adopts the report.json that is there, since the store keeps the first, and writes the pages again, which say the same.
 */
export async function keepReport({ store, keys, signal }: Room, input: { report: KeptReport; directory: string }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[]; text: string }> {
  // Why something failed stands in it as it was said; what a program said may hold an address with a password.
  const report = scrubValue(input.report) as KeptReport;
  const { system, id } = report;
  const key = layout.keptReport(system, id, 'report.json');
  const evidence = [await putOnce({ store, keys, signal }, key, report)];
  const page = pageOf(report);
  const directory = join(input.directory, system, id);
  await mkdir(directory, { recursive: true });
  const files = { 'report.json': `${JSON.stringify(report, null, 2)}\n`, 'report.md': printMarkdown(page), 'report.html': printHtml(page) };
  for (const [name, text] of Object.entries(files)) {
    if (name !== 'report.json') evidence.push(await store.put(layout.keptReport(system, id, name), Buffer.from(text), { signal }));
    await replaceFile(join(directory, name), text);
  }
  return { paths: { html: join(directory, 'report.html'), json: join(directory, 'report.json') }, evidence, text: printText(page) };
}

async function putOnce({ store, keys, signal }: Room, key: string, report: KeptReport): Promise<ObjectRef> {
  try {
    return await putSigned(store, keys, key, report, { ifAbsent: true, signal });
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    const { found } = await findSigned(store, keys, keptReportSchema, key, { signal });
    if (!found) throw error;
    return found.ref;
  }
}

/** A report that the store keeps, as it was signed. Undefined: there is none, or none that is believed. */
export async function readKeptReport({ store, keys, signal }: Room, key: string): Promise<KeptReport | undefined> {
  return (await findSigned(store, keys, keptReportSchema, key, { signal })).found?.body as KeptReport | undefined;
}

export interface ListedReport {
  id: string;
  /** backup, day or week */
  of: string;
  /** the end of its time, UTC ISO; null: its name does not say */
  at: string | null;
  /** null: it is not believed */
  tone: ReportPage['tone'] | null;
  headline: string;
}

/** Those that the store keeps, the newest first, by their names; each one that is shown is opened. Reads only. */
export async function listReports(room: Room, system: string, limit: number): Promise<{ reports: ListedReport[]; of: number }> {
  const prefix = layout.keptReport(system, '', '').replace(/\/+$/, '/');
  const found: ListedReport[] = [];
  for await (const key of keysUnder(room.store, prefix, room.signal)) {
    if (!key.endsWith('/report.json')) continue;
    const id = key.slice(prefix.length).split('/')[0]!;
    const [, of = 'not known', day, time] = /^([a-z]+)-(\d{8})T(\d{6})Z-/.exec(id) ?? [];
    found.push({ id, of, at: day && time ? `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}.000Z` : null, tone: null, headline: 'not believed' });
  }
  const newest = found.sort((a, b) => (b.at ?? '').localeCompare(a.at ?? '') || b.id.localeCompare(a.id)).slice(0, limit);
  for (const one of newest) {
    const report = await readKeptReport(room, layout.keptReport(system, one.id, 'report.json'));
    if (report) Object.assign(one, { tone: pageOf(report).tone, headline: pageOf(report).headline });
  }
  return { reports: newest, of: found.length };
}
