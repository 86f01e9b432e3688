import type { BackupReport } from '../../../workflows/domain/backup-report.ts';
import { judgeReadiness } from '../../../workflows/domain/judge-readiness.ts';
import type { PeriodReport } from '../../../workflows/domain/period-report.ts';

const kind = (ended: number, failed: number, medianMs: number | null, lastFailed: boolean | null) => ({ ended, failed, medianMs, longestMs: medianMs, lastFailed });
const base = (day: number, plainBytes: number, why = 'full-backup') => ({ backup: `01KAJ6S0Z5M6W2T8Q4V1X9C3${String(day).padStart(2, '0')}`, at: `2026-11-${day}T01:00:0${day % 10}.000Z`, documents: 480_000 + day, plainBytes, storedBytes: Math.round(plainBytes / 3), why, mark: null });

/** As the watch on readiness judges it: nothing stands against a recovery. */
const ready = (): Parameters<typeof judgeReadiness>[0] => ({
  system: 'demo', title: 'WordNet', at: '2026-11-23T06:58:00.000Z', rtoObjectiveMs: 3_600_000, rpoObjectiveMs: 300_000, forecastMs: 2_460_000, forecastBasis: '7 by earlier runs', clocks: [], findings: [], drillsOverdue: [], unread: [],
  lastDrill: { run: '01R', at: '2026-11-22T05:00:00.000Z', result: 'passed', why: null, rtoMs: 200_000, rpoMs: 1_240 },
  sources: [{
    source: 'documents', engine: 'mongodb', windows: 30, gaps: 0, openGaps: [], disbelieved: [], lost: [], verified: null, rpoMs: 1_200, rpoNote: null, oldestAt: '2026-11-15T01:00:05.000Z', baseDueAt: '2026-11-22T01:00:00.000Z',
    newest: { timeline: 't00000001', base: 'B1', from: '1795309200-0000000001', to: '1795417198-0000000001', fromAt: '2026-11-22T01:00:02.000Z', toAt: '2026-11-23T06:59:58.000Z' },
    base: { backup: 'B1', at: '2026-11-22T01:04:00.000Z', ageMs: 107_640_000 },
  }],
});

/** An invented week in which all went well. */
export const sampleWeek = (): PeriodReport => {
  const made = [22, 21, 20, 19, 18, 17, 16].map((day) => base(day, 190_000_000 + day * 1_000_000));
  return {
    format: 1, kind: 'period-report', system: 'demo', title: 'WordNet <demo> & friends', id: 'week-20261123T070000Z-0198aaaa', workflowId: 'report/demo/weekly-report-2026-11-23T07:00:00Z', runId: '0198aaaa-bbbb', period: 'week',
    from: '2026-11-16T07:00:00.000Z', to: '2026-11-23T07:00:00.000Z', writtenAt: '2026-11-23T07:00:04.000Z', rtoObjectiveMs: 3_600_000, rpoObjectiveMs: 300_000,
    sources: [{
      source: 'documents', engine: 'mongodb', made, madeCount: 7, newest: made[0]!, before: base(15, 204_000_000), bases: 30, storedBytes: 2_400_000_000, gaps: [], gapCount: 0,
      restorable: { from: '2026-11-15T01:00:05.000Z', to: '2026-11-23T06:59:58.000Z' }, disbelieved: [], disbelievedCount: 0,
    }],
    readiness: judgeReadiness(ready()), anomalies: [], late: [],
    capacity: { usedBytes: 3_000_000_000, limit: { kind: 'budget', bytes: 10_000_000_000 }, usedShare: 0.3, level: 'ok', growthBytesPerDay: 70_000_000, daysLeft: 100, basis: 'a straight line through the sum of 30 backups, none of which retention has taken' },
    drills: { lastSuccessAt: '2026-11-22T05:00:00.000Z', due: [{ schedule: 'demo/weekly-drill', nextAt: '2026-11-29T05:00:00.000Z', lastDueAt: '2026-11-22T05:00:00.000Z', lastAt: '2026-11-22T05:00:00.000Z', applied: true, overdue: false }] },
    work: {
      kinds: { backup: kind(7, 0, 252_000, false), verification: kind(35, 0, 61_000, false), retention: kind(7, 0, 3_700_000, false), recovery: kind(1, 0, 240_000, false) },
      failures: [], failureCount: 0, forgottenBefore: null,
      schedules: [{ id: 'demo/full-backup', when: '01:00 UTC', starts: 'backUpSystem', paused: null, next: ['2026-11-24T01:00:00.000Z'], last: { dueAt: '2026-11-23T01:00:00.000Z', workflowId: 'backup/demo/full-backup-2026-11-23T01:00:00Z', status: 'COMPLETED', why: null }, skippedOverlap: 0, missed: 0 }],
    },
    runs: [{ run: '01R', workflowId: 'recover/demo', purpose: 'drill', runbook: null, outcome: 'done', result: 'passed', why: null, startedAt: '2026-11-22T05:00:00.000Z', finishedAt: '2026-11-22T05:04:00.000Z', rto: { objectiveMs: 3_600_000, achievedMs: 200_000, met: true, humanMs: 0 }, rpo: { objectiveMs: 300_000, achievedMs: 1_240, met: true }, proof: { equal: true, claims: ['equality: holds'], collections: 4, documents: 490_520, hashed: 4 }, approvals: [{ gate: 'approve-switch', by: 'ada', decision: 'approve', at: '2026-11-22T05:03:00.000Z' }] }],
    incidents: { open: null, closed: [], closedCount: 0, mttrMs: null, mttrObjectiveMs: 3_600_000 },
    acts: { byAct: { 'back-up': 7, verify: 35, drill: 1 }, refused: [], refusedCount: 0, disposals: [{ at: '2026-11-20T08:00:00.000Z', about: 'documents: 1 bases, 3 slices' }], problems: [], problemCount: 0 },
    unread: [],
  };
};

/** A day on which nearly everything that can be told of went wrong; what was said is hostile to whoever prints it. */
export const sampleBadDay = (): PeriodReport => {
  const week = sampleWeek();
  const [source] = week.sources;
  const good = ready();
  const [seen] = good.sources;
  const readiness = judgeReadiness({
    ...good, forecastMs: 4_000_000, lastDrill: { ...good.lastDrill!, result: 'failed', why: 'validation does not hold' }, drillsOverdue: [{ schedule: 'demo/weekly-drill', dueAt: '2026-11-22T05:00:00.000Z' }],
    sources: [
      { ...seen!, rpoMs: 1_800_000, gaps: 1, openGaps: [{ timeline: 't00000001', from: '1795341600-0000000001', to: '1795342800-0000000001', why: 'the log was overwritten' }], disbelieved: [{ key: 'demo/documents/t00000001/x', why: 'not signed' }] },
      { ...seen!, source: 'users', newest: null, oldestAt: null, windows: 0, rpoMs: null, rpoNote: 'there is no recovery point', base: null },
    ],
  });
  return {
    ...week, id: 'day-20261123T070000Z-0198aaaa', period: 'day', from: '2026-11-22T07:00:00.000Z',
    sources: [
      { ...source!, made: [{ ...base(22, 60_000_000), at: '2026-11-23T01:00:02.000Z', mark: 'bad' }], madeCount: 1, newest: { ...base(22, 60_000_000), mark: 'bad' }, gaps: [{ from: '2026-11-22T10:00:00.000Z', to: '2026-11-22T10:20:00.000Z', why: 'the log was overwritten' }, { from: '2026-11-22T11:00:00.000Z', to: '2026-11-22T11:05:00.000Z', why: 'the log was overwritten' }], gapCount: 2, disbelieved: ['demo/documents/t00000001/x'], disbelievedCount: 1 },
      { ...source!, source: 'users', made: [], madeCount: 0, newest: null, before: null, bases: 0, storedBytes: 0, restorable: null },
    ],
    readiness, late: ['demo/retention is not on the server: holdfast apply'],
    anomalies: [{ kind: 'age', level: 'critical', source: 'users', said: 'users has no backup' }, { kind: 'size', level: 'warning', source: 'documents', said: 'the newest backup of documents has 19.1 MiB, and the average of the 10 before it is 65.0 MiB' }],
    capacity: { ...week.capacity!, usedBytes: 8_500_000_000, usedShare: 0.85, level: 'warning', daysLeft: 21.4 },
    drills: { lastSuccessAt: null, due: [{ ...week.drills!.due[0]!, lastAt: null, overdue: true }] },
    work: {
      ...week.work!, failures: [{ kind: 'verification', workflowId: 'verify/demo/integrity-2026-11-23T06:00:00Z', endedAt: '2026-11-23T06:01:00.000Z', why: 'part 7 is not what it was <script>alert(1)</script> | **x**' }], failureCount: 1, forgottenBefore: '2026-11-22T12:00:00.000Z',
      kinds: { ...week.work!.kinds, backup: kind(2, 1, 252_000, true), verification: kind(1, 1, null, true) },
      schedules: [{ ...week.work!.schedules[0]!, paused: 'paused due to workflow failure', missed: 2, last: { ...week.work!.schedules[0]!.last!, status: 'FAILED', why: 'no space left' } }],
    },
    runs: [{ ...week.runs[0]!, finishedAt: '2026-11-22T15:00:00.000Z', result: 'failed', why: 'validation does not hold: equality', outcome: 'done, with steps skipped', rto: { ...week.runs[0]!.rto, achievedMs: 4_000_000, met: false }, proof: { ...week.runs[0]!.proof, equal: false } }],
    incidents: { ...week.incidents!, open: { id: '01I', summary: 'documents cannot be saved', status: 'identified', severity: 'P1', startedAt: '2026-11-23T05:00:00.000Z' } },
    acts: { ...week.acts!, refused: [{ at: '2026-11-23T04:00:00.000Z', by: 'mallory', act: 'export', why: 'mallory may not' }], refusedCount: 1, problems: ['record 7: is missing'], problemCount: 1 },
    unread: ['users: the store could not be read: StoreUnavailable: no answer'],
  };
};

/** An invented backup of two sources; one could not be read back, and what was said of it is hostile to whoever prints it. */
export const sampleBackup = (): BackupReport => {
  const made = { system: 'demo', timeline: 't00000001', manifest: { key: 'k', versionId: 'v', bytes: 1, sha256: '0'.repeat(64) }, logFrom: '1795309200-0000000001', end: '1795309202-0000000001', endAt: '2026-11-22T01:00:02.000Z', units: 4, parts: 90 };
  return {
    format: 1, kind: 'backup-report', system: 'demo', title: 'WordNet <demo> & friends', id: 'backup-20261122T010000Z-0198aaaa', workflowId: 'backup/demo', runId: '0198aaaa-bbbb',
    startedAt: '2026-11-22T01:00:00.000Z', endedAt: '2026-11-22T01:04:12.000Z', why: 'full-backup', requestedBy: 'schedule/demo/full-backup',
    sources: [
      { ...made, source: 'documents', backup: '01KAJ6S0Z5M6W2T8Q4V1X9C322', documents: 480_022, plainBytes: 212_000_000, storedBytes: 71_000_000, readBack: { objects: 103, bytes: 71_000_000 }, unproved: [{ name: 'wordnet.edits', why: 'written to while it was read' }] },
      { ...made, source: 'users', backup: '01KAJ6S0Z5M6W2T8Q4V1X9C323', documents: 1_200, plainBytes: 900_000, storedBytes: 300_000, unproved: [] },
    ],
    warnings: ['users: base 01KAJ6S0Z5M6W2T8Q4V1X9C323 is sealed, and could not be read back: StoreUnavailable: said <script>alert(1)</script>'],
  };
};
