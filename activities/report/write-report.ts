import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DivergedReport } from '../../workflows/domain/diverged.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { replaceFile } from '../replace-file.ts';
import { scrubValue } from '../secrets.ts';
import type { Store } from '../store/store.ts';
import { withWholeJournal } from './journal-pages.ts';
import { readRuns } from './read-drills.ts';
import type { ReportRoom } from './read-step-history.ts';
import { renderDivergedHtml } from './render-diverged.ts';
import { renderReportMarkdown } from './render-report-markdown.ts';
import { renderReportHtml } from './render-report.ts';

/** Recoveries, drills and partial restores are mixed among them. */
const comparedRuns = 30;

interface Written {
  paths: { html: string; json: string };
  evidence: ObjectRef[];
}

/**
 * Writes report.json, report.md and report.html: to the store, as evidence (under the store’s lock, where it has one; the run’s signed bundle names each file by its digest), and to `directory`, for people.
 * Twice: overwrites on disk, adds a version in the store.
 */
export async function writeReport(
  { store, keys, signal }: ReportRoom,
  input: { report: RunReport; directory: string },
): Promise<Written> {
  // Errors of steps stand in it as they were said; what a program said may hold an address with a password.
  const state = await withWholeJournal({ store, signal }, { in: 'runs', id: input.report.runId }, input.report.state);
  const lost = state.warnings.filter((warning) => !input.report.state.warnings.includes(warning));
  const report = scrubValue({ ...input.report, state, warnings: [...input.report.warnings, ...lost] }) as RunReport;
  // What it is held against is no part of its own evidence: a page without it is a report all the same.
  const runs = await readRuns({ store, keys, signal }, report.system, comparedRuns).catch(() => []);
  // Of its start, which stays: what a run writes twice is one folder.
  const directory = join(input.directory, report.system, `${report.state.startedAt.slice(0, 19).replaceAll(':', '-')}Z-${report.runId.slice(0, 8)}`);
  return await writeFiles({ store, signal }, { system: report.system, run: report.runId, directory, name: 'report', json: report, page: renderReportHtml(report, runs), markdown: renderReportMarkdown(report, runs) });
}

/** diverged-<source>.json and .html, beside the evidence of the run that left the old primary behind. Twice: as `writeReport`. */
export async function writeDivergedReport(
  { store, signal }: { store: Store; signal: AbortSignal },
  { report, directory }: { report: DivergedReport; directory: string },
): Promise<Written> {
  const { system, run, source, writtenAt } = report;
  const place = join(directory, system, `${writtenAt.slice(0, 19).replaceAll(':', '-')}Z-diverged-${run.slice(0, 8)}`);
  return await writeFiles({ store, signal }, { system, run, directory: place, name: `diverged-${source}`, json: report, page: renderDivergedHtml(report) });
}

async function writeFiles(
  { store, signal }: { store: Store; signal: AbortSignal },
  { system, run, directory, name, json, page, markdown }: { system: string; run: string; directory: string; name: string; json: unknown; page: string; markdown?: string },
): Promise<Written> {
  const files = { [`${name}.json`]: `${JSON.stringify(json, null, 2)}\n`, ...(markdown === undefined ? {} : { [`${name}.md`]: markdown }), [`${name}.html`]: page };
  await mkdir(directory, { recursive: true });
  const evidence: ObjectRef[] = [];
  for (const [file, text] of Object.entries(files)) {
    evidence.push(await store.put(layout.evidence(system, run, file), Buffer.from(text), { signal }));
    await replaceFile(join(directory, file), text);
  }
  return { paths: { html: join(directory, `${name}.html`), json: join(directory, `${name}.json`) }, evidence };
}
