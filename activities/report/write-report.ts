import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layout } from '../../workflows/domain/layout.ts';
import type { ObjectRef } from '../../workflows/domain/manifest.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { scrubValue } from '../secrets.ts';
import type { Store } from '../store/store.ts';
import { renderReportHtml } from './render-report.ts';

/**
 * Writes report.json and report.html: to the store, as evidence (under the store’s lock, where it has one; not signed yet), and to `directory`, for people.
 * Twice: overwrites on disk, adds a version in the store.
 */
export async function writeReport(
  { store, signal }: { store: Store; signal: AbortSignal },
  input: { report: RunReport; directory: string },
): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[] }> {
  // Errors of steps stand in it as they were said; what a program said may hold an address with a password.
  const report = scrubValue(input.report) as RunReport;
  const run = report.runId;
  const files = { 'report.json': `${JSON.stringify(report, null, 2)}\n`, 'report.html': renderReportHtml(report) };
  const directory = join(input.directory, report.system, `${report.finishedAt.slice(0, 19).replaceAll(':', '-')}Z-${run.slice(0, 8)}`);
  await mkdir(directory, { recursive: true });
  const evidence: ObjectRef[] = [];
  for (const [name, text] of Object.entries(files)) {
    evidence.push(await store.put(layout.evidence(report.system, run, name), Buffer.from(text), { signal }));
    await writeFile(join(directory, `${name}.new`), text);
    await rename(join(directory, `${name}.new`), join(directory, name));
  }
  return { paths: { html: join(directory, 'report.html'), json: join(directory, 'report.json') }, evidence };
}
