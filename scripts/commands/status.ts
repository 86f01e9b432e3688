import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { sourceNames } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';
import { withTemporal, type Temporal } from '../client.ts';
import { formatRun, formatRunLine } from '../status/format-run.ts';
import { readRun, type RunStatusView } from '../status/read-run.ts';
import { readWatches } from '../status/read-watches.ts';

const readEveryMs = 1_000;

/** `holdfast status`: the recovery of a system, running or ended. */
export function status(cli: Cli): void {
  cli.add<[string], { watch: boolean }>(
    'status <system>',
    'show the recovery that runs, or the last one, and the watch on the old primary that it left',
    (command) => command.option('--watch', 'until it ends; JSON: one object a line', false),
    async (printer, { watch }, system) => {
      await withTemporal(async (temporal) => {
        if (!watch) {
          printer.result(await readKnown(temporal, system), formatRun);
          return;
        }
        while (true) {
          const view = await readKnown(temporal, system);
          printer.frame(view, formatRun, formatRunLine);
          if (view.workflowStatus !== 'RUNNING') return;
          await sleep(readEveryMs);
        }
      });
    },
  );
}

async function readKnown(temporal: Temporal, system: string): Promise<RunStatusView> {
  const view = await readRun(temporal.client, system);
  if (!view) throw new HoldfastError('NotWaiting', `no recovery of ${system} was started here`, { hint: `holdfast recover ${system}` });
  // The last step starts the watch. A system file that is not on this machine only keeps it from being shown.
  if (!view.state.steps.some(({ uses, state }) => uses === 'protect' && state !== 'pending')) return view;
  const watches = await readWatches(temporal.client, system, await sourceNames(system).catch(() => []));
  return watches.length > 0 ? { ...view, watches } : view;
}
