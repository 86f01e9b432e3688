import { describeCapacity, describeRoom } from './capacity.ts';
import { describeDue, describeProof, resultWord } from './describe-drills.ts';
import { inShort } from './describe-readiness.ts';
import { growthOf, judgePeriod, percent, toneOf } from './judge-period.ts';
import type { BaseFacts, KindFacts, PeriodReport, SourceFacts, WorkFacts } from './period-report.ts';
import { formatBytes, formatDuration, formatMinute } from './units.ts';
import { counted, type PageCell, type PageFact, type PageSection, type ReportPage } from './report-page.ts';

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
    facts: [readinessFact(report), backupFact(report), verificationFact(report), drillFact(report), roomFact(report), incidentFact(report)],
    sections: [
      ...(troubles.length > 0 ? [{ title: 'What to look at', list: troubles.map(({ what }) => what) }] : []),
      sourcesSection(report),
      ...report.sources.flatMap(backupsOf),
      ...(report.capacity ? [{ title: 'Room in the store', text: `${describeCapacity(report.capacity)}.` }] : []),
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

function readinessFact({ readiness }: PeriodReport): PageFact {
  if (!readiness) return { title: 'If disaster struck now', value: 'not known', note: '', met: null };
  return { title: 'If disaster struck now', value: readiness.verdict, note: inShort(readiness), met: readiness.verdict === 'ready' };
}

function backupFact({ sources, work, anomalies }: PeriodReport): PageFact {
  const made = sources.reduce((sum, { madeCount }) => sum + madeCount, 0);
  const failed = work?.kinds.backup.failed;
  const took = work?.kinds.backup.medianMs ?? null;
  return { title: 'Backups', value: `${made} made`, note: `${failed === undefined ? 'failures not known' : `${failed} failed`}${took === null ? '' : `; took ${formatDuration(took)}`}; ${!anomalies ? 'whether they are usual is not known' : anomalies.length === 0 ? 'nothing unusual' : `${anomalies.length} unusual`}`, met: failed === undefined ? null : failed === 0 && made > 0 };
}

/** A drill that compared what it restored is one too, and the strongest. */
function verificationFact({ work, runs }: PeriodReport): PageFact {
  const facts = work?.kinds.verification;
  const restored = runs.filter(({ purpose, proof }) => purpose === 'drill' && proof.equal !== null);
  const held = restored.filter(({ proof }) => proof.equal === true).length;
  if (!facts) return { title: 'Verifications', value: 'not known', note: restored.length > 0 ? `by a whole restore: ${held} held, ${restored.length - held} did not` : '', met: restored.length > held ? false : null };
  const failed = facts.failed + restored.length - held;
  return { title: 'Verifications', value: `${facts.ended + restored.length - failed} held`, note: `${failed} did not${restored.length > 0 ? `; ${restored.length} by a whole restore` : ''}`, met: facts.ended + restored.length === 0 ? null : failed === 0 };
}

function drillFact({ runs, drills, rtoObjectiveMs }: PeriodReport): PageFact {
  const ended = runs.filter(({ purpose }) => purpose === 'drill');
  const overdue = drills?.due.filter((one) => one.overdue).length ?? 0;
  const last = drills === null ? 'earlier ones are not known' : `the last that passed: ${drills.lastSuccessAt === null ? 'none' : formatMinute(drills.lastSuccessAt)}`;
  const late = overdue > 0 ? `; ${counted(overdue, 'schedule')} overdue` : '';
  if (ended.length === 0) return { title: 'Drills', value: 'none', note: `none ended in this time; ${last}${late}`, met: overdue > 0 ? false : null };
  const worst = Math.max(...ended.map(({ rto }) => rto.achievedMs ?? Infinity));
  return { title: 'Drills (RTO)', value: Number.isFinite(worst) ? formatDuration(worst) : 'not reached', note: `${ended.length} ran; the longest, objective ${formatDuration(rtoObjectiveMs)}; ${last}${late}`, met: ended.every(({ result }) => result === 'passed') && overdue === 0 };
}

function roomFact({ sources, capacity }: PeriodReport): PageFact {
  const grown = sources.flatMap((source) => growthOf(source) ?? []);
  const data = grown.length === 0 ? [] : [`the data is ${percent(Math.max(...grown))}`];
  const room = capacity ? [describeRoom(capacity)] : ['bases and log; how much room is left is not known'];
  return { title: 'Stored', value: formatBytes(sources.reduce((sum, { storedBytes }) => sum + storedBytes, 0)), note: [...room, ...data].join('; '), met: !capacity || capacity.usedShare === null ? null : capacity.level === 'ok' };
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

function sourcesSection({ sources, readiness }: PeriodReport): PageSection {
  const now = (source: string): [lost: PageCell, base: PageCell] => {
    const of = readiness?.sources.find((one) => one.source === source);
    if (!of) return ['not known', 'not known'];
    return [of.rpoMs === null ? { text: 'not known', tone: 'warn' } : of.rpoMs > readiness!.rpoObjectiveMs ? { text: formatDuration(of.rpoMs), tone: 'bad' } : formatDuration(of.rpoMs), of.base ? formatDuration(of.base.ageMs) : { text: 'none', tone: 'bad' }];
  };
  const said = readiness && [
    `Looked at ${formatMinute(readiness.at)}: ${readiness.verdict}; ${inShort(readiness)}.`,
    ...(readiness.forecastMs === null ? [] : [`The time is forecast: ${readiness.forecastBasis ?? 'no basis'}.`]),
  ];
  return {
    title: 'What could be recovered now',
    text: said ? said.join(' ') : 'Whether it could be recovered now is not known; what the store holds:',
    table: {
      columns: [{ title: 'Source', kind: 'name' }, { title: 'From', kind: 'whole' }, { title: 'To', kind: 'whole' }, { title: 'Lost now', kind: 'number' }, { title: 'Newest base', kind: 'number' }, { title: 'Backups', kind: 'number' }, { title: 'Gaps', kind: 'number' }, { title: 'Not believed', kind: 'number' }],
      rows: sources.map(({ source, restorable, bases, storedBytes, gapCount, disbelievedCount }) => [source, restorable ? formatMinute(restorable.from) : 'nothing', restorable ? formatMinute(restorable.to) : '', ...now(source), `${number(bases)}, ${formatBytes(storedBytes)}`, number(gapCount), number(disbelievedCount)]),
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
const tones = { passed: undefined, missed: 'warn', failed: 'bad' } as const;

function runSections({ runs, drills }: PeriodReport): PageSection[] {
  const approvals = runs.flatMap(({ approvals: of, purpose }) => of.map(({ gate, by, decision, at }) => `${formatMinute(at)}: ${decision} at ${gate} by ${by} (${purpose})`));
  const row = ({ finishedAt, purpose, runbook, result, rto, rpo, proof }: PeriodReport['runs'][number]): PageCell[] => [
    formatMinute(finishedAt), `${purpose}${runbook ? ` (${runbook})` : ''}`, { text: resultWord[result], tone: tones[result] }, met(rto.achievedMs, rto.met), met(rpo.achievedMs, rpo.met), { text: describeProof({ proof }), tone: proof.equal === false ? 'bad' : undefined },
  ];
  return [
    ...(runs.length > 0
      ? [{ title: 'Drills and recoveries', table: { columns: [{ title: 'Ended', kind: 'whole' as const }, { title: 'What', kind: 'name' as const }, { title: 'Result', kind: 'whole' as const }, { title: 'Time (RTO)', kind: 'number' as const }, { title: 'Loss (RPO)', kind: 'number' as const }, { title: 'Proof', kind: 'wide' as const }], rows: runs.map(row) } }]
      : []),
    ...(drills && drills.due.length > 0 ? [{ title: 'Drills to come', list: drills.due.map(describeDue) }] : []),
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
