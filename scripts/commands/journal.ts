import { openSystem } from '../../activities/open-context.ts';
import { readJournalPages } from '../../activities/report/journal-pages.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { JournalLine } from '../../workflows/domain/journal.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { readJournal } from '../status/read-journal.ts';

/** `holdfast journal`: what happened in a run or an incident and what people said, every line of it. The newest are the workflow's, older ones the bucket's. */
export function journal(cli: Cli): void {
  cli.add<[string], { incident: boolean; page?: string; run?: string }>(
    'journal <system>',
    'print the journal of the recovery that runs, or of the last one: every line, oldest first',
    (command) =>
      command
        .option('--incident', 'of the incident that is open, or of the last one', false)
        .option('--page <n>', 'this page alone, from 1, the oldest')
        .option('--run <id>', 'the older lines of this run (or with --incident of this incident), by its id in the bucket; needs no Temporal: its newest lines are in its report'),
    async (printer, { incident, page, run }, system) => {
      const wanted = page === undefined ? undefined : Number(page);
      if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1)) throw new HoldfastError('BadInput', `--page ${page}: expected a number from 1`);
      const inStore = async (id: string, range?: { from: number; to: number }): Promise<{ lines: JournalLine[]; missing: number[] }> => {
        const { store } = await openSystem(system);
        return await readJournalPages({ store, signal: new AbortController().signal }, system, { in: incident ? 'incidents' : 'runs', id }, range);
      };
      if (run !== undefined) {
        const { lines, missing } = await inStore(run, wanted === undefined ? undefined : { from: wanted, to: wanted });
        printer.result({ system, run, lines, missing }, () => format(lines, missing));
        return;
      }
      const id = incident ? lockIds.incident(system) : lockIds.recover(system);
      const read = await withTemporal(async ({ client }) => await readJournal(client.workflow.getHandle(id), wanted, inStore));
      printer.result({ system, workflowId: id, ...read }, () => format(read.lines, read.missing));
    },
  );
}

const format = (lines: readonly JournalLine[], missing: readonly number[]): string =>
  [...missing.map((page) => `page ${page} is not in the store`), ...lines.map(({ at, about, what, by }) => [at, about, `${what}${by === null ? '' : ` (${by})`}`].filter((part) => part !== undefined).join('  '))].join('\n');
