import type { BackupSummary } from '../contract.ts';
import { counted, type PageCell, type PageSection, type ReportPage } from './report-page.ts';
import { formatBytes, formatDuration, formatMinute } from './units.ts';

/** What a backup came to, as its own page: kept in the store, sent with `backup-done`. One that came to nothing leaves none; its message says why. */
export interface BackupReport {
  format: 1;
  kind: 'backup-report';
  system: string;
  title: string;
  /** with the system, its name in the store: `backup-20261122T010000Z-<run>` */
  id: string;
  workflowId: string;
  runId: string;
  /** by Temporal's clock, UTC ISO */
  startedAt: string;
  endedAt: string;
  why: string;
  requestedBy: string;
  sources: BackupSummary[];
  /** what a person should look at, a sentence each */
  warnings: string[];
}

/** More collections without a proof than these are counted. */
const listed = 50;

export function backupPage(report: BackupReport): ReportPage {
  const { system, title, id, workflowId, startedAt, endedAt, why, requestedBy, sources, warnings, format } = report;
  const unread = sources.filter(({ readBack }) => !readBack).map(({ source }) => source);
  const sum = (of: (one: BackupSummary) => number): number => sources.reduce((total, one) => total + of(one), 0);
  const said = sources.map(({ source, endAt, readBack }) => `${source} can be restored as it was at ${formatMinute(endAt)}${readBack ? ', every byte of it was read back' : ''}`);
  return {
    about: `${title} (${system}), backup, ${formatMinute(startedAt)}`,
    tone: warnings.length > 0 || unread.length > 0 ? 'warn' : 'good',
    headline: warnings.length > 0 ? `Backup done, and ${counted(warnings.length, 'thing')} to look at` : 'Backup done',
    sentence: `${said.join('; ')}.`,
    facts: [
      { title: 'Read back', value: unread.length === 0 ? 'every byte' : 'not all', note: unread.length === 0 ? `${number(sum(({ readBack }) => readBack?.objects ?? 0))} objects, each the one that was written` : `not ${unread.join(', ')}`, met: unread.length === 0 },
      { title: 'Took', value: formatDuration(Math.max(0, Date.parse(endedAt) - Date.parse(startedAt))), note: `from ${formatMinute(startedAt)}`, met: null },
      { title: 'Data', value: formatBytes(sum(({ plainBytes }) => plainBytes)), note: `${number(sum(({ documents }) => documents))} documents`, met: null },
      { title: 'Stored', value: formatBytes(sum(({ storedBytes }) => storedBytes)), note: 'compressed and encrypted', met: null },
    ],
    sections: [...(warnings.length > 0 ? [{ title: 'What to look at', list: warnings }] : []), sourcesSection(sources), ...unprovedSection(sources)],
    footer: `Why: ${why}; asked for by ${requestedBy}. Workflow ${workflowId}, written ${formatMinute(endedAt)}. Report ${id}, format ${format}.`,
  };
}

const number = (n: number): string => n.toLocaleString('en-US');

function sourcesSection(sources: readonly BackupSummary[]): PageSection {
  const row = ({ source, backup, endAt, documents, plainBytes, storedBytes, readBack, program }: BackupSummary): PageCell[] => [
    source, backup, formatMinute(endAt), program === undefined ? number(documents) : 'not counted', formatBytes(plainBytes), formatBytes(storedBytes), readBack ? 'every byte' : { text: 'not yet', tone: 'warn' },
  ];
  return {
    title: 'What was made',
    table: { columns: [{ title: 'Source', kind: 'name' }, { title: 'Backup', kind: 'id' }, { title: 'As of', kind: 'whole' }, { title: 'Documents', kind: 'number' }, { title: 'Size', kind: 'number' }, { title: 'Stored', kind: 'number' }, { title: 'Read back', kind: 'whole' }], rows: sources.map(row) },
  };
}

/** Whoever restores to the backup's own moment compares these by the log alone. */
function unprovedSection(sources: readonly BackupSummary[]): PageSection[] {
  const all = sources.flatMap(({ source, unproved }) => unproved.map(({ name, why }) => `${source} ${name}: ${why}`));
  return all.length === 0 ? [] : [{ title: 'Without a proof at the backup’s own moment', list: [...all.slice(0, listed), ...(all.length > listed ? [`and ${all.length - listed} more`] : [])] }];
}
