import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { layout } from '../../../workflows/domain/layout.ts';
import type { ObjectRef } from '../../../workflows/domain/manifest.ts';
import { periodPage } from '../../../workflows/domain/period-page.ts';
import { periodNames, type PeriodReport } from '../../../workflows/domain/period-report.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { scrubValue } from '../../secrets.ts';
import { findSigned, putSigned } from '../../store/signed-object.ts';
import type { Store } from '../../store/store.ts';
import type { Keys } from '../../stream/keys.ts';
import { printHtml } from '../print-html.ts';
import { printMarkdown, printText } from '../print-text.ts';

interface Room {
  store: Store;
  keys: Keys;
  signal: AbortSignal;
}

/** What is signed is what was written: of its own fields only those are looked at that say what it is. */
const periodReportSchema = z.looseObject({ format: z.literal(1), kind: z.literal('period-report'), system: z.string(), id: z.string(), period: z.enum(periodNames) });

/**
 * Writes report.json, signed, then report.md and report.html made of it, to the store (under its lock, where it has one), and all three to `directory`, for people.
 * Killed anywhere: the next try adopts the report.json that is there, since the store keeps the first, and writes the pages again, which say the same.
 */
export async function writePeriodReport({ store, keys, signal }: Room, input: { report: PeriodReport; directory: string }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[]; text: string }> {
  // Why something failed stands in it as it was said; what a program said may hold an address with a password.
  const report = scrubValue(input.report) as PeriodReport;
  const { system, id } = report;
  const key = layout.periodReport(system, id, 'report.json');
  const evidence = [await putOnce({ store, keys, signal }, key, report)];
  const page = periodPage(report);
  const directory = join(input.directory, system, id);
  await mkdir(directory, { recursive: true });
  const files = { 'report.json': `${JSON.stringify(report, null, 2)}\n`, 'report.md': printMarkdown(page), 'report.html': printHtml(page) };
  for (const [name, text] of Object.entries(files)) {
    if (name !== 'report.json') evidence.push(await store.put(layout.periodReport(system, id, name), Buffer.from(text), { signal }));
    await writeFile(join(directory, `${name}.new`), text);
    await rename(join(directory, `${name}.new`), join(directory, name));
  }
  return { paths: { html: join(directory, 'report.html'), json: join(directory, 'report.json') }, evidence, text: printText(page) };
}

async function putOnce({ store, keys, signal }: Room, key: string, report: PeriodReport): Promise<ObjectRef> {
  try {
    return await putSigned(store, keys, key, report, { ifAbsent: true, signal });
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    const { found } = await findSigned(store, keys, periodReportSchema, key, { signal });
    if (!found) throw error;
    return found.ref;
  }
}

/** A report that the store keeps, as it was signed. Undefined: there is none, or none that is believed. */
export async function readPeriodReport({ store, keys, signal }: Room, key: string): Promise<PeriodReport | undefined> {
  return (await findSigned(store, keys, periodReportSchema, key, { signal })).found?.body as PeriodReport | undefined;
}
