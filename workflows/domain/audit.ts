import type { AuditRecord } from './manifest.ts';

export type AuditEntry = Pick<AuditRecord, 'number' | 'at' | 'by' | 'act' | 'outcome' | 'about' | 'workflow' | 'workflowId' | 'runId'>;

export interface AuditProblem {
  number: number;
  key: string;
  problem: string;
}

/** What an audit is asked for. */
export interface AuditChoice {
  /** people, as they claimed to be */
  by?: string | undefined;
  act?: string | undefined;
  /** ISO 8601; what was asked for earlier is left out */
  since?: string | undefined;
}

export interface AuditRead {
  /** in the order of their numbers; an act that was written down twice is there once */
  entries: AuditEntry[];
  records: number;
  problems: AuditProblem[];
}

export interface AuditPage {
  system: string;
  /** all that are believed */
  records: number;
  /** how many were asked for; the newest of them are in `entries` */
  chosen: number;
  entries: AuditEntry[];
  /** the first of them, in the order of their numbers */
  problems: AuditProblem[];
  problemCount: number;
}

const problemsShown = 50;

/** The newest `limit` of what was chosen, in the order of their numbers. */
export function pageAudit(system: string, { entries, records, problems }: AuditRead, choice: AuditChoice, limit: number): AuditPage {
  const chosen = chooseEntries(entries, choice);
  return { system, records, chosen: chosen.length, entries: chosen.slice(-limit), problems: problems.slice(0, problemsShown), problemCount: problems.length };
}

/** In lines, what is wrong first. */
export function describeAudit({ records, chosen, entries, problems, problemCount }: AuditPage): string[] {
  return [
    problemCount === 0 ? `${records} records, each signed and following the one before it` : `${problemCount} problems in an audit of ${records} records`,
    ...problems.map(describeProblem),
    ...(chosen > entries.length ? [`the newest ${entries.length} of ${chosen}`] : []),
    ...entries.map(describeEntry),
  ];
}

const chooseEntries = (entries: readonly AuditEntry[], { by, act, since }: AuditChoice): AuditEntry[] =>
  entries.filter((entry) => (by === undefined || entry.by === by) && (act === undefined || entry.act === act) && (since === undefined || Date.parse(entry.at) >= Date.parse(since)));

const describeEntry = ({ number, at, by, act, outcome, about, workflowId }: AuditEntry): string =>
  `${String(number).padStart(6)}  ${at}  ${outcome.padEnd(9)}  ${act}  ${by ?? '(no name)'} (claimed)  ${workflowId}  ${about}`;

const describeProblem = ({ number, problem }: AuditProblem): string => `record ${number}: ${problem}`;
