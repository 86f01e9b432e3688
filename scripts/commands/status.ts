import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { sourceNames } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';
import { withTemporal, type Temporal } from '../client.ts';
import { formatRun, formatRunLine } from '../status/format-run.ts';
import { readRun, type RunStatusView } from '../status/read-run.ts';
import { readWatches } from '../status/read-watches.ts';
import { formatWork, readWork, type WorkView } from '../status/read-work.ts';

const readEveryMs = 1_000;

/** A recovery as it always was, and `work` beside it; without a recovery, `work` alone. */
type StatusView = (RunStatusView | { system: string; readAt: string; state?: undefined }) & { work: WorkView[] };

/** `holdfast status`: the recovery of a system, running or ended, and what else of it runs. */
export function status(cli: Cli): void {
  cli.add<[string], { watch: boolean }>(
    'status <system>',
    'show the recovery that runs, or the last one, the watch that it left, and what else runs: backup, archive, import, export, verification',
    (command) => command.option('--watch', 'until it ends; JSON: one object a line', false),
    async (printer, { watch }, system) => {
      await withTemporal(async (temporal) => {
        if (!watch) {
          printer.result(await readKnown(temporal, system), formatStatus);
          return;
        }
        while (true) {
          const view = await readKnown(temporal, system);
          printer.frame(view, formatStatus, formatStatusLine);
          if (!goesOn(view)) return;
          await sleep(readEveryMs);
        }
      });
    },
  );
}

/** An archive runs for ever: nobody waits for its end. */
const goesOn = (view: StatusView): boolean => (view.state !== undefined && view.workflowStatus === 'RUNNING') || view.work.some(({ archive }) => !archive);

const formatStatus = (view: StatusView): string => [...(view.state ? [formatRun(view)] : []), ...view.work.map(formatWork)].join('\n');

const formatStatusLine = (view: StatusView): string => [...(view.state ? [formatRunLine(view)] : []), ...view.work.map((one) => formatWork(one).replace(/\s*\n\s*/g, '; '))].join('; ');

async function readKnown(temporal: Temporal, system: string): Promise<StatusView> {
  // Without the list of what runs a recovery is shown all the same.
  const [view, work] = await Promise.all([readKnownRun(temporal, system), readWork(temporal.client, system).catch(() => [])]);
  if (view) return { ...view, work };
  if (work.length > 0) return { system, readAt: new Date().toISOString(), work };
  throw new HoldfastError('NotWaiting', `nothing of ${system} runs here, and no recovery of it was ever started`, { hint: `holdfast recover ${system}` });
}

async function readKnownRun(temporal: Temporal, system: string): Promise<RunStatusView | undefined> {
  const view = await readRun(temporal.client, system);
  if (!view) return undefined;
  // The last step starts the watch. A system file that is not on this machine only keeps it from being shown.
  if (!view.state.steps.some(({ uses, state }) => uses === 'protect' && state !== 'pending')) return view;
  const watches = await readWatches(temporal.client, system, await sourceNames(system).catch(() => []));
  return watches.length > 0 ? { ...view, watches } : view;
}
