import type { BackupReport } from '../domain/backup-report.ts';
import type { DivergedReport } from '../domain/diverged.ts';
import type { DrillHistory } from '../domain/drill-history.ts';
import type { IncidentRecord } from '../domain/incident-record.ts';
import type { JournalLine, JournalOf } from '../domain/journal.ts';
import type { Notice } from '../domain/notify/notice.ts';
import type { PeriodFacts, PeriodReport, SourceFacts } from '../domain/period-report.ts';
import type { RunReport } from '../domain/report.ts';
import type { ObjectRef } from '../domain/stored-object.ts';
import type { SourceRef } from './refs.ts';

/** What is told: reports, journals, messages. */
export interface ReportingActivities {
  /** Writes a page of a long journal to the store, beside the evidence. Twice: adds a version, which says the same. */
  writeJournalPage(input: { system: string; of: JournalOf; page: number; lines: JournalLine[] }): Promise<void>;

  /** Writes report.json, report.md and report.html, with the whole journal, to the store (evidence) and to disk; what a drill compared is a verification too. Twice: overwrites on disk, adds a version in the store. */
  writeReport(input: { report: RunReport }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[] }>;

  /** What the bucket holds of one source, and what of it is of the time after `from` up to `to`. Reads only. */
  readSourceFacts(input: SourceRef & { from: string; to: string }): Promise<SourceFacts>;

  /** What ended in that time, by Temporal, the store's reports and incidents, and the audit; and how the system stands now. Reads only; what cannot be read is named in `unread`. */
  readPeriodFacts(input: { system: string; from: string; to: string }): Promise<PeriodFacts>;

  /** Writes report.json (signed), report.md and report.html of a day or a week, to the store and to disk. Twice: the first one in the store is kept. */
  writePeriodReport(input: { report: PeriodReport }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[]; text: string }>;

  /** As `writePeriodReport`, of a backup. */
  writeBackupReport(input: { report: BackupReport }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[]; text: string }>;

  /** Writes what is kept of an incident that is closed, to the store and to disk. Twice: as `writeReport`. */
  writeIncident(input: { record: IncidentRecord }): Promise<{ paths: { json: string; page: string }; evidence: ObjectRef[] }>;

  /** Writes the report of an old primary's diverged writes, as `writeReport` does that of a run. */
  writeDivergedReport(input: { report: DivergedReport }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[] }>;

  /**
   * Sends one message to one receiver of the system file. Twice: under the same id, which the receivers that know such keep one of.
   * @throws ReceiverUnavailable - may be helped by another try. ReceiverRefused, BadSystemFile - will not be: what was wrong with it.
   */
  notify(input: { system: string; receiver: string; notice: Notice }): Promise<{ summary: string }>;

  /** What drills and recoveries showed, by the reports in the store, and which schedule of drills is overdue, by the system file and Temporal. Reads only. */
  readDrills(input: { system: string; limit: number }): Promise<DrillHistory>;
}
