import type { Client } from '@temporalio/client';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { sourceNames } from '../bucket/open-sources.ts';
import { formatRun, formatRunLine } from './format-run.ts';
import { readRun, type RunStatusView } from './read-run.ts';
import { readWatches } from './read-watches.ts';
import { formatWork, readUnanswered, readWork, type WorkView } from './read-work.ts';

/** What `holdfast status` shows: a recovery as it always was, and `work` beside it; without a recovery that answers, `work` alone. */
export type StatusView = (RunStatusView | { system: string; readAt: string; state?: undefined }) & { work: WorkView[] };

/** @throws NotWaiting - nothing of the system runs, and no recovery of it was ever started. */
export async function readStatus(client: Client, system: string): Promise<StatusView> {
  // Without the list of what runs a recovery is shown all the same.
  const [run, others] = await Promise.all([readKnownRun(client, system), readWork(client, system).catch(() => [])]);
  if (run && 'state' in run) return { ...run, work: others };
  const work = run ? [run, ...others] : others;
  if (work.length > 0) return { system, readAt: new Date().toISOString(), work };
  throw new HoldfastError('NotWaiting', `nothing of ${system} runs here, and no recovery of it was ever started`, { hint: `holdfast recover ${system}` });
}

export const formatStatus = (view: StatusView): string => [...(view.state ? [formatRun(view)] : []), ...view.work.map(formatWork)].join('\n');

export const formatStatusLine = (view: StatusView): string => [...(view.state ? [formatRunLine(view)] : []), ...view.work.map((one) => formatWork(one).replace(/\s*\n\s*/g, '; '))].join('; ');

async function readKnownRun(client: Client, system: string): Promise<RunStatusView | WorkView | undefined> {
  const view = await readRun(client, system).catch(readUnanswered(client, lockIds.recover(system)));
  if (!view || !('state' in view)) return view;
  // The last step starts the watch. A system file that is not on this machine only keeps it from being shown.
  if (!view.state.steps.some(({ uses, state }) => uses === 'protect' && state !== 'pending')) return view;
  const watches = await readWatches(client, system, await sourceNames(system).catch(() => []));
  return watches.length > 0 ? { ...view, watches } : view;
}
