import { setTimeout as sleep } from 'node:timers/promises';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { formatStatus, formatStatusLine, readStatus, type StatusView } from '../status/read-status.ts';
import { formatWork, type WorkView } from '../status/read-work.ts';

const readEveryMs = 1_000;

/** `holdfast status`: the recovery of a system, running or ended, and what else of it runs. */
export function status(cli: Cli): void {
  cli.add<[string], { watch: boolean }>(
    'status <system>',
    'show the recovery that runs, or the last one, the watch that it left, and what else runs: backup, archive, import, export, verification, retention, disposal',
    (command) => command.option('--watch', 'until it ends; JSON: one object a line', false),
    async (printer, { watch }, system) => {
      const meanwhile = (kept: WorkView): void => printer.note(formatWork(kept));
      await withTemporal(async ({ client }) => {
        if (!watch) {
          printer.result(await readStatus(client, system, meanwhile), formatStatus);
          return;
        }
        while (true) {
          const view = await readStatus(client, system);
          printer.frame(view, formatStatus, formatStatusLine);
          if (!goesOn(view)) return;
          await sleep(readEveryMs);
        }
      });
    },
  );
}

/** An archive runs for ever, and a disposal for as long as its locks: nobody waits for their end. */
const goesOn = (view: StatusView): boolean => (view.state !== undefined && view.workflowStatus === 'RUNNING') || view.work.some(({ archive, asking, unanswered }) => (unanswered ? unanswered.workflowStatus === 'RUNNING' : !archive && !asking));
