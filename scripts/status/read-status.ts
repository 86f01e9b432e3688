import type { Client } from '@temporalio/client';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { sourceNames } from '../bucket/open-sources.ts';
import { formatRun, formatRunLine } from './format-run.ts';
import { readRun, type RunStatusView } from './read-run.ts';
import { readWatches } from './read-watches.ts';
import { formatWork, readKept, readUnanswered, readWork, type WorkView } from './read-work.ts';

/** What `holdfast status` shows: a recovery as it always was, and `work` beside it; without a recovery that answers, `work` alone. `unlisted`: why it is not known what else runs. */
export type StatusView = (RunStatusView | { system: string; readAt: string; state?: undefined }) & { work: WorkView[]; unlisted?: string };

/** A worker that is there answers at once. One that hangs is waited for, and others are asked (`readState`): meanwhile what Temporal keeps is better than nothing. */
const slowAfterMs = 3_000;

/**
 * @param onSlow - told, once, what Temporal keeps of the recovery while no worker has answered yet
 * @throws NotWaiting - nothing of the system runs, and no recovery of it was ever started. What Temporal says, where it lists nothing.
 */
export async function readStatus(client: Client, system: string, onSlow: (kept: WorkView) => void = () => undefined): Promise<StatusView> {
  const [run, others] = await Promise.all([tellingWhenSlow(client, system, onSlow), readWork(client, system).catch((unlisted: unknown) => ({ unlisted }))]);
  // Without the list of what runs a recovery is shown all the same; but nobody is told that nothing runs.
  if ('unlisted' in others && !run) throw others.unlisted;
  const listed: Pick<StatusView, 'work' | 'unlisted'> = 'unlisted' in others ? { work: [], unlisted: describeError(others.unlisted).message } : { work: others };
  if (run && 'state' in run) return { ...run, ...listed };
  const work = [...(run ? [run] : []), ...listed.work];
  if (work.length > 0) return { system, readAt: new Date().toISOString(), ...listed, work };
  throw new HoldfastError('NotWaiting', `nothing of ${system} runs here, and no recovery of it was ever started`, { hint: `holdfast recover ${system}` });
}

export const formatStatus = (view: StatusView): string => [...(view.state ? [formatRun(view)] : []), ...view.work.map(formatWork), ...describeUnlisted(view)].join('\n');

export const formatStatusLine = (view: StatusView): string => [...(view.state ? [formatRunLine(view)] : []), ...view.work.map((one) => formatWork(one).replace(/\s*\n\s*/g, '; ')), ...describeUnlisted(view)].join('; ');

const describeUnlisted = ({ unlisted }: StatusView): string[] => (unlisted === undefined ? [] : [`what else runs is not known, Temporal does not list it: ${unlisted}`]);

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
