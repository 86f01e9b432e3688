/**
 * The journal of a run or an incident. Its newest lines are part of the state; the older ones leave it page by page, once they are written to the store beside
 * the evidence. So a workflow stays small however much is said, and no line is lost.
 */

export const journalPageLines = 100;
/** With so many lines in the state its oldest page is written. */
export const journalStateLines = 2 * journalPageLines;
/**
 * A run whose journal is so long takes no comments any more. Temporal ends a workflow at 51,200 events, in whatever state its recovery is, and each message is some of them, at
 * most five: so many lines are 30,000, and leave the rest to what moves the run on. An incident continues as new, and takes any number.
 */
export const journalRunLines = 6_000;
/** What enters a history, or goes on into a new one, has a bound: of lines that the store did not take for days the newest. */
export const journalCarriedLines = 10 * journalPageLines;

/** Whose journal: a run's, by its id in the store, or an incident's. */
export interface JournalOf {
  in: 'runs' | 'incidents';
  id: string;
}

export interface JournalLine {
  /** UTC ISO */
  at: string;
  /** a step's id, a gate's, or "run"; an incident's lines have none */
  about?: string | undefined;
  what: string;
  by: string | null;
}

/** What the query `journal` answers. */
export interface JournalPage {
  of: JournalOf;
  /** from 1, the oldest; the last is the newest lines, which are not in the store yet */
  page: number;
  pages: number;
  /** null: only the store has it, since the workflow has continued as new */
  lines: JournalLine[] | null;
  /** where the page lies below the store's prefix; null: not there yet */
  object: string | null;
}
