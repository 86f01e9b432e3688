import type { Client } from '@temporalio/client';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { sourceNames } from '../bucket/open-sources.ts';
import { formatRun, formatRunLine } from './format-run.ts';
import { readRun, type RunStatusView } from './read-run.ts';
import { readWatches } from './read-watches.ts';
import { formatWork, readKept, readUnanswered, readWork, type WorkView } from './read-work.ts';

/** What `holdfast status` shows: a recovery as it always was, and `work` beside it; without a recovery that answers, `work` alone. */
export type StatusView = (RunStatusView | { system: string; readAt: string; state?: undefined }) & { work: WorkView[] };

/** A worker that is there answers at once. One that hangs is waited for, and others are asked (`readState`): meanwhile what Temporal keeps is better than nothing. */
const slowAfterMs = 3_000;

/**
 * @param onSlow - told, once, what Temporal keeps of the recovery while no worker has answered yet
 * @throws NotWaiting - nothing of the system runs, and no recovery of it was ever started.
 */
export async function readStatus(client: Client, system: string, onSlow: (kept: WorkView) => void = () => undefined): Promise<StatusView> {
  // Without the list of what runs a recovery is shown all the same.
  const [run, others] = await Promise.all([tellingWhenSlow(client, system, onSlow), readWork(client, system).catch(() => [])]);
  if (run && 'state' in run) return { ...run, work: others };
  const work = run ? [run, ...others] : others;
  if (work.length > 0) return { system, readAt: new Date().toISOString(), work };
  throw new HoldfastError('NotWaiting', `nothing of ${system} runs here, and no recovery of it was ever started`, { hint: `holdfast recover ${system}` });
}

export const formatStatus = (view: StatusView): string => [...(view.state ? [formatRun(view)] : []), ...view.work.map(formatWork)].join('\n');

export const formatStatusLine = (view: StatusView): string => [...(view.state ? [formatRunLine(view)] : []), ...view.work.map((one) => formatWork(one).replace(/\s*\n\s*/g, '; '))].join('; ');

async function tellingWhenSlow(client: Client, system: string, onSlow: (kept: WorkView) => void): Promise<Awaited<ReturnType<typeof readKnownRun>>> {
  let isOver = false;
  const timer = setTimeout(() => {
    readKept(client, lockIds.recover(system), `no worker has answered for ${slowAfterMs / 1_000} s; others are asked`).then((kept) => (isOver ? undefined : onSlow(kept)), () => undefined);
  }, slowAfterMs);
  try {
    return await readKnownRun(client, system);
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}

async function readKnownRun(client: Client, system: string): Promise<RunStatusView | WorkView | undefined> {
  const view = await readRun(client, system).catch(readUnanswered(client, lockIds.recover(system)));
  if (!view || !('state' in view)) return view;
  // The last step starts the watch. A system file that is not on this machine only keeps it from being shown.
  if (!view.state.steps.some(({ uses, state }) => uses === 'protect' && state !== 'pending')) return view;
  const watches = await readWatches(client, system, await sourceNames(system).catch(() => []));
  return watches.length > 0 ? { ...view, watches } : view;
}
