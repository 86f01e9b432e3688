import type { AuditRecord } from './act-records.ts';
import { hours } from './units.ts';

export type AuditEntry = Pick<AuditRecord, 'number' | 'at' | 'by' | 'act' | 'outcome' | 'from' | 'about' | 'workflow' | 'workflowId' | 'runId'>;

export interface AuditProblem {
  /** of the record; null: it is of a seal */
  number: number | null;
  /** UTC: of the record, where it is believed, or of the seal; null: not known */
  day: string | null;
  key: string;
  problem: string;
}

/** What the seals say of an audit. */
export interface AuditSealed {
  /** seals that are believed */
  days: number;
  /** the day of the newest; null: the audit was never sealed */
  upTo: string | null;
  /** records that are believed and that no seal names yet */
  unsealed: number;
}

/** What an audit is asked for. */
export interface AuditChoice {
  /** people, as they claimed to be */
  by?: string | undefined;
  act?: string | undefined;
  /** ISO 8601; what was asked for earlier is left out */
  since?: string | undefined;
}

export interface SealedDays {
  system: string;
  /** that were sealed now: usually yesterday; more, where days were missed */
  days: string[];
  /** the newest day that is sealed, now or before; null: none is over yet that had to be */
  upTo: string | null;
  /** the last record that is sealed; 0: there is none */
  to: number;
}

export interface AuditRead {
  /** in the order of their numbers; an act that was written down twice is there once */
  entries: AuditEntry[];
  records: number;
  sealed: AuditSealed;
  problems: AuditProblem[];
}

export interface AuditPage {
  system: string;
  /** all that are believed */
  records: number;
  /** how many were asked for; the newest of them are in `entries` */
  chosen: number;
  entries: AuditEntry[];
  /** left out: written by an earlier version */
  sealed?: AuditSealed | undefined;
  /** the first of them: of records in the order of their numbers, then of seals by day */
  problems: AuditProblem[];
  problemCount: number;
}

const problemsShown = 50;

/** The newest `limit` of what was chosen, in the order of their numbers. */
export function pageAudit(system: string, { entries, records, sealed, problems }: AuditRead, choice: AuditChoice, limit: number): AuditPage {
  const chosen = chooseEntries(entries, choice);
  return { system, records, sealed, chosen: chosen.length, entries: chosen.slice(-limit), problems: problems.slice(0, problemsShown), problemCount: problems.length };
}

/** In lines, what is wrong first. */
export function describeAudit({ records, sealed, chosen, entries, problems, problemCount }: AuditPage): string[] {
  return [
    problemCount === 0 ? `${records} records, each signed and following the one before it` : `${problemCount} problems in an audit of ${records} records`,
    ...(sealed ? [describeSealed(sealed)] : []),
    ...problems.map(describeProblem),
    ...(chosen > entries.length ? [`the newest ${entries.length} of ${chosen}`] : []),
    ...entries.map(describeEntry),
  ];
}

const chooseEntries = (entries: readonly AuditEntry[], { by, act, since }: AuditChoice): AuditEntry[] =>
  entries.filter((entry) => (by === undefined || entry.by === by) && (act === undefined || entry.act === act) && (since === undefined || Date.parse(entry.at) >= Date.parse(since)));

const describeEntry = ({ number, at, by, act, outcome, about, workflowId }: AuditEntry): string =>
  `${String(number).padStart(6)}  ${at}  ${outcome.padEnd(9)}  ${act}  ${by ?? '(no name)'} (claimed)  ${workflowId}  ${about}`;

const describeSealed = ({ days, upTo, unsealed }: AuditSealed): string =>
  upTo === null ? 'never sealed: records that are gone from the end would not be missed (a schedule that does seal-audit seals each day)' : `sealed up to ${upTo}, ${days} ${days === 1 ? 'day' : 'days'}; ${unsealed} ${unsealed === 1 ? 'record' : 'records'} since`;

const describeProblem = ({ number, day, problem }: AuditProblem): string => `${number === null ? `seal of ${day}` : `record ${number}${day === null ? '' : ` (${day})`}`}: ${problem}`;

/** Days are UTC, by the store's clock. */
export const dayOf = (at: string): string => at.slice(0, 10);
export const nextDay = (day: string): string => dayOf(new Date(Date.parse(day) + hours(24)).toISOString());
export const dayBefore = (day: string): string => dayOf(new Date(Date.parse(day) - hours(24)).toISOString());
