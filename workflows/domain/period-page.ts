import { counted, formatMinute, growthOf, judgePeriod, percent, toneOf } from './judge-period.ts';
import type { BaseFacts, KindFacts, PeriodReport, SourceFacts, WorkFacts } from './period-report.ts';
import { formatBytes, formatDuration } from './units.ts';
import type { PageCell, PageFact, PageSection, ReportPage } from './report-page.ts';

/** The page of a day or a week: what a person needs to know first, then what it was made of. */
export function periodPage(report: PeriodReport): ReportPage {
  const { system, title, period, from, to } = report;
  const troubles = judgePeriod(report);
  const word = period === 'day' ? 'Daily' : 'Weekly';
  const bad = troubles.filter(({ tone }) => tone === 'bad').length;
  return {
    about: `${title} (${system}), ${word.toLowerCase()} report, ${formatMinute(from)} to ${formatMinute(to)}`,
    tone: toneOf(troubles),
    headline: troubles.length === 0 ? 'All went well' : bad > 0 ? `${counted(bad, 'thing')} must be looked at` : `${counted(troubles.length, 'thing')} to look at`,
    sentence: restorableNow(report),
    facts: [recoveryPointFact(report), backupFact(report), verificationFact(report), drillFact(report), storedFact(report), incidentFact(report)],
    sections: [
      ...(troubles.length > 0 ? [{ title: 'What to look at', list: troubles.map(({ what }) => what) }] : []),
      ...report.sources.flatMap(backupsOf),
      sourcesSection(report),
      ...workSections(report.work),
      ...runSections(report),
      ...incidentSections(report),
      ...actSections(report),
    ],
    footer: `Workflow ${report.workflowId}, written ${formatMinute(report.writtenAt)}. Report ${report.id}, format ${report.format}.`,
  };
}

const number = (n: number): string => n.toLocaleString('en-US');

function restorableNow({ sources }: PeriodReport): string {
  const said = sources.map(({ source, restorable }) => (restorable === null ? `nothing of ${source} can be restored` : `${source} can be restored to any second from ${formatMinute(restorable.from)} to ${formatMinute(restorable.to)}`));
  return said.length === 0 ? 'What can be restored is not known.' : `As of now: ${said.join('; ')}.`;
}

function recoveryPointFact({ sources, rpoObjectiveMs }: PeriodReport): PageFact {
  const lags = sources.flatMap(({ archive }) => (archive?.rpoMs == null ? [] : [archive.rpoMs]));
  const unknown = sources.filter(({ archive }) => archive && !archive.noLog && archive.rpoMs === null).length;
  const worst = lags.length > 0 ? Math.max(...lags) : null;
  return {
    title: 'Would be lost now (RPO)',
    value: unknown > 0 || worst === null ? 'not known' : formatDuration(worst),
    note: `objective ${formatDuration(rpoObjectiveMs)}${unknown > 0 ? `; ${counted(unknown, 'source')} did not say` : ''}`,
    met: unknown > 0 || worst === null ? null : worst <= rpoObjectiveMs,
  };
}

function backupFact({ sources, work }: PeriodReport): PageFact {
  const made = sources.reduce((sum, { madeCount }) => sum + madeCount, 0);
  const failed = work?.kinds.backup.failed;
  const took = work?.kinds.backup.medianMs ?? null;
  return { title: 'Backups', value: `${made} made`, note: `${failed === undefined ? 'failures not known' : `${failed} failed`}${took === null ? '' : `; took ${formatDuration(took)}`}`, met: failed === undefined ? null : failed === 0 && made > 0 };
}

function verificationFact({ work }: PeriodReport): PageFact {
  const facts = work?.kinds.verification;
  return { title: 'Verifications', value: facts ? `${facts.ended - facts.failed} held` : 'not known', note: facts ? `${facts.failed} did not` : '', met: !facts || facts.ended === 0 ? null : facts.failed === 0 };
}

function drillFact({ runs, rtoObjectiveMs }: PeriodReport): PageFact {
  const drills = runs.filter(({ purpose }) => purpose === 'drill');
  const worst = Math.max(...drills.map(({ tookMs }) => tookMs ?? Infinity));
  if (drills.length === 0) return { title: 'Drills', value: 'none', note: 'none ended in this time', met: null };
  return { title: 'Drills', value: Number.isFinite(worst) ? formatDuration(worst) : 'not done', note: `${drills.length} ran; the longest, objective ${formatDuration(rtoObjectiveMs)}`, met: drills.every(({ outcome, rtoMet, proved }) => outcome.startsWith('done') && rtoMet !== false && proved !== false) };
}

function storedFact({ sources }: PeriodReport): PageFact {
  const grown = sources.flatMap((source) => growthOf(source) ?? []);
  return { title: 'Stored', value: formatBytes(sources.reduce((sum, { storedBytes }) => sum + storedBytes, 0)), note: grown.length === 0 ? 'bases and log' : `the data is ${percent(Math.max(...grown))}`, met: null };
}

function incidentFact({ incidents }: PeriodReport): PageFact {
  if (!incidents) return { title: 'Incidents', value: 'not known', note: '', met: null };
  const { open, closedCount, mttrMs, mttrObjectiveMs } = incidents;
  const mttr = mttrMs === null ? 'none is over' : `mean time to recovery ${formatDuration(mttrMs)}${mttrObjectiveMs === null ? '' : `, objective ${formatDuration(mttrObjectiveMs)}`}`;
  return { title: 'Incidents', value: open ? '1 open' : closedCount === 0 ? 'none' : `${closedCount} closed`, note: mttr, met: open ? false : null };
}

function backupsOf({ source, made, madeCount }: SourceFacts): PageSection[] {
  if (made.length === 0) return [];
  const largest = Math.max(...made.map(({ plainBytes }) => plainBytes), 1);
  const row = ({ at, backup, documents, plainBytes, storedBytes, why, mark }: BaseFacts): PageCell[] => [
    formatMinute(at), backup, { text: formatBytes(plainBytes), share: plainBytes / largest, ...(mark === null ? {} : { tone: 'bad' as const }) }, formatBytes(storedBytes), number(documents), mark === null ? why : `${why} (${mark})`,
  ];
  return [{
    title: `Backups of ${source}`,
    ...(madeCount > made.length ? { text: `The newest ${made.length} of ${madeCount}.` } : {}),
    table: { columns: [{ title: 'As of', kind: 'whole' }, { title: 'Backup', kind: 'id' }, { title: 'Size', kind: 'number' }, { title: 'Stored', kind: 'number' }, { title: 'Documents', kind: 'number' }, { title: 'Why', kind: 'wide' }], rows: made.map(row) },
  }];
}

function sourcesSection({ sources }: PeriodReport): PageSection {
  const archive = (of: SourceFacts['archive']): string => (!of ? 'not known' : of.noLog ? 'no log' : of.archivedToAt === null ? 'not archived' : of.rpoMs === null ? `up to ${formatMinute(of.archivedToAt)}` : `${formatDuration(of.rpoMs)} behind`);
  return {
    title: 'What can be restored',
    table: {
      columns: [{ title: 'Source', kind: 'name' }, { title: 'From', kind: 'whole' }, { title: 'To', kind: 'whole' }, { title: 'Archive', kind: 'whole' }, { title: 'Backups', kind: 'number' }, { title: 'Stored', kind: 'number' }, { title: 'Gaps', kind: 'number' }, { title: 'Not believed', kind: 'number' }],
      rows: sources.map(({ source, restorable, archive: of, bases, storedBytes, gapCount, disbelievedCount }) => [source, restorable ? formatMinute(restorable.from) : 'nothing', restorable ? formatMinute(restorable.to) : '', archive(of), number(bases), formatBytes(storedBytes), number(gapCount), number(disbelievedCount)]),
    },
  };
}

function workSections(work: WorkFacts | null): PageSection[] {
  if (!work) return [];
  const row = ([kind, { ended, failed, medianMs, longestMs }]: [string, KindFacts]): PageCell[] => [kind, number(ended), failed > 0 ? { text: number(failed), tone: 'bad' } : '0', medianMs === null ? '' : formatDuration(medianMs), longestMs === null ? '' : formatDuration(longestMs)];
  const last = (status: string | undefined): PageCell => (status === undefined ? 'none yet' : status === 'FAILED' ? { text: 'failed', tone: 'bad' } : status.toLowerCase());
  return [
    { title: 'Work that ended', table: { columns: [{ title: 'Kind', kind: 'name' }, { title: 'Ended', kind: 'number' }, { title: 'Failed', kind: 'number' }, { title: 'Took, median', kind: 'number' }, { title: 'Longest', kind: 'number' }], rows: Object.entries(work.kinds).filter(([, { ended }]) => ended > 0).map(row) } },
    ...(work.failures.length > 0
      ? [{ title: 'What failed', ...(work.failureCount > work.failures.length ? { text: `The newest ${work.failures.length} of ${work.failureCount}.` } : {}), table: { columns: [{ title: 'Ended', kind: 'whole' as const }, { title: 'Kind', kind: 'name' as const }, { title: 'Why', kind: 'wide' as const }, { title: 'Workflow' }], rows: work.failures.map(({ endedAt, kind, why, workflowId }) => [formatMinute(endedAt), kind, why, workflowId]) } }]
      : []),
    ...(work.schedules.length > 0
      ? [{ title: 'Schedules', table: { columns: [{ title: 'Schedule', kind: 'name' as const }, { title: 'When', kind: 'name' as const }, { title: 'Next', kind: 'whole' as const }, { title: 'Last start', kind: 'whole' as const }, { title: 'Note', kind: 'wide' as const }], rows: work.schedules.map(({ id, when, next, last: of, paused }): PageCell[] => [id, when, next[0] ? formatMinute(next[0]) : 'never', last(of?.status), paused === null ? (of?.why ?? '') : { text: `paused: ${paused || 'nobody said why'}`, tone: 'warn' }]) } }]
      : []),
  ];
}

const met = (ms: number | null, is: boolean | null): PageCell => (ms === null ? 'not reached' : is === false ? { text: `${formatDuration(ms)}, missed`, tone: 'bad' } : formatDuration(ms));

function runSections({ runs }: PeriodReport): PageSection[] {
  const approvals = runs.flatMap(({ approvals: of, purpose }) => of.map(({ gate, by, decision, at }) => `${formatMinute(at)}: ${decision} at ${gate} by ${by} (${purpose})`));
  return [
    ...(runs.length > 0
      ? [{ title: 'Drills and recoveries', table: { columns: [{ title: 'Ended', kind: 'whole' as const }, { title: 'What', kind: 'name' as const }, { title: 'Outcome', kind: 'whole' as const }, { title: 'Time (RTO)', kind: 'number' as const }, { title: 'Loss (RPO)', kind: 'number' as const }, { title: 'Data', kind: 'whole' as const }], rows: runs.map(({ finishedAt, purpose, runbook, outcome, tookMs, rtoMet, rpoMs, rpoMet, proved }): PageCell[] => [formatMinute(finishedAt), `${purpose}${runbook ? ` (${runbook})` : ''}`, outcome.startsWith('done') ? outcome : { text: outcome, tone: 'bad' }, met(tookMs, rtoMet), met(rpoMs, rpoMet), proved === null ? 'not compared' : proved ? 'as it must be' : { text: 'not as it must be', tone: 'bad' }]) } }]
      : []),
    ...(approvals.length > 0 ? [{ title: 'Approvals', list: approvals }] : []),
  ];
}

function incidentSections({ incidents }: PeriodReport): PageSection[] {
  const { open = null, closed = [] } = incidents ?? {};
  const rows: PageCell[][] = [
    ...(open ? [[formatMinute(open.startedAt), open.severity ?? '', open.summary, { text: open.status, tone: 'bad' as const }, '']] : []),
    ...closed.map(({ startedAt, severity, summary, recoveryMs, rtoMet }): PageCell[] => [formatMinute(startedAt), severity ?? '', summary, 'closed', met(recoveryMs, rtoMet)]),
  ];
  return rows.length === 0 ? [] : [{ title: 'Incidents', table: { columns: [{ title: 'Began', kind: 'whole' }, { title: 'Severity', kind: 'whole' }, { title: 'What', kind: 'wide' }, { title: 'State', kind: 'whole' }, { title: 'Over after', kind: 'number' }], rows } }];
}

function actSections({ acts }: PeriodReport): PageSection[] {
  if (!acts) return [];
  const asked = Object.entries(acts.byAct).map(([act, times]) => `${act} ${times}`);
  return [
    { title: 'What was asked for', text: asked.length === 0 ? 'Nothing, by the audit.' : `By the audit: ${asked.join(', ')}.`, ...(acts.refused.length > 0 ? { list: acts.refused.map(({ at, by, act, why }) => `${formatMinute(at)}: ${act} by ${by ?? 'nobody named'} was refused: ${why}`) } : {}) },
    ...(acts.disposals.length > 0 ? [{ title: 'What retention let go', list: acts.disposals.map(({ at, about }) => `${formatMinute(at)}: ${about}`) }] : []),
  ];
}
