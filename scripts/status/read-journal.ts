import type { WorkflowHandle } from '@temporalio/client';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { JournalLine, JournalPage } from '../../workflows/domain/journal.ts';
import { queryNames } from '../../workflows/domain/messages.ts';
import { askWorker } from './read-state.ts';

export interface JournalRead {
  pages: number;
  lines: JournalLine[];
  /** pages that neither the workflow nor the store has */
  missing: number[];
}

/**
 * A journal, whole or one page of it. What the workflow itself has no more, having continued as new, is read from the store.
 *
 * @param inStore - pages of a journal in the store, by its id there
 * @throws TimedOut - no worker answered. BadInput - there is no such page.
 */
export async function readJournal(handle: WorkflowHandle, page: number | undefined, inStore: (id: string, range: { from: number; to: number }) => Promise<{ lines: JournalLine[]; missing: number[] }>): Promise<JournalRead> {
  const ask = async (number?: number): Promise<JournalPage> => await askWorker<JournalPage>(handle, queryNames.journal, ...(number === undefined ? [] : [{ page: number }]));
  const newest = await ask();
  const { pages, of } = newest;
  if (page !== undefined && page > pages) throw new HoldfastError('BadInput', `page ${page} of the journal: expected a number from 1 to ${pages}`);
  const numbers = page === undefined ? Array.from({ length: pages }, (_, index) => index + 1) : [page];
  const own: JournalLine[] = [];
  const elsewhere: number[] = [];
  for (const number of numbers) {
    const { lines } = number === newest.page ? newest : await ask(number);
    if (lines) own.push(...lines);
    else elsewhere.push(number);
  }
  // The oldest ones: a workflow that has continued as new has all that it wrote since.
  const { lines, missing } = elsewhere.length > 0 ? await inStore(of.id, { from: elsewhere[0]!, to: elsewhere.at(-1)! }) : { lines: [], missing: [] };
  return { pages, lines: [...lines, ...own], missing };
}
