import type { JournalOf } from './journal.ts';
import type { ObjectRef } from './stored-object.ts';

/** What was found of the evidence of a run or an incident. */
export interface EvidenceRead {
  of: JournalOf;
  /** when its newest bundle was written; null: there is none that is believed */
  at: string | null;
  outcome: string | null;
  bundle: ObjectRef | null;
  /** that it names */
  files: number;
  problems: EvidenceProblem[];
}

export interface EvidenceProblem {
  /** below the store's prefix; of a file on disk, its path */
  object: string;
  problem: string;
}

/** In lines, what is wrong behind each. */
export const describeEvidence = ({ of, at, outcome, files, problems }: EvidenceRead): string[] => [
  `${(at ?? 'no bundle').padEnd(24)}  ${of.in === 'runs' ? 'run' : 'incident'} ${of.id}${outcome === null ? '' : `  ${outcome}, ${files} files`}`,
  ...problems.map(({ object, problem }) => `  ${object}: ${problem}`),
];
