import { describeError } from '../../workflows/domain/errors.ts';
import type { ReportPage } from '../../workflows/domain/report-page.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { openSystem } from '../open-context.ts';
import { pageOf, readKeptReport } from '../report/kept-reports.ts';
import { runPage } from '../report/run-page.ts';

/** A report behind a message, or why it is not there: a message is not held up by what it could have had with it. */
export type FoundPage = { page: ReportPage; why: null } | { page: null; why: string };
export type ReadPage = (system: string, key: string, signal: AbortSignal) => Promise<FoundPage>;

/** Reads a report from the store and makes a page of it. */
export const readPage: ReadPage = async (system, key, signal) => {
  try {
    const { store, keys } = await openSystem(system);
    const kept = key.includes('/reports/') ? await readKeptReport({ store, keys, signal }, key) : undefined;
    if (kept) return { page: pageOf(kept), why: null };
    for await (const version of store.list(key, { signal })) {
      if (version.key === key && !version.isDeleteMarker && !key.includes('/reports/')) return { page: runPage(JSON.parse((await store.getVersion(version, { signal })).toString('utf8')) as RunReport), why: null };
    }
    return { page: null, why: 'there is none that is believed' };
  } catch (error) {
    return { page: null, why: describeError(error).message };
  }
};
