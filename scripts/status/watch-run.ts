import type { WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Temporal } from '../client.ts';
import type { Printer } from '../output/printer.ts';
import { formatRun, formatRunLine } from './format-run.ts';
import { readRun, type RunStatusView } from './read-run.ts';

const readEveryMs = 1_000;

/**
 * Shows the run of a system until the entry workflow ends, and returns its result.
 *
 * @param onState - called at every reading; the demo gives its approval from here.
 * @throws what the workflow failed with.
 */
export async function watchRun<T>(
  printer: Printer,
  temporal: Temporal,
  system: string,
  handle: WorkflowHandle,
  onState: (view: RunStatusView) => Promise<void> = async () => undefined,
  signal?: AbortSignal,
): Promise<T> {
  let ended = false;
  const outcome = handle.result().then(
    (result) => ({ result: result as T }),
    (error: unknown) => ({ error }),
  );
  void outcome.then(() => (ended = true));
  // The child that is read here may be an earlier run's for a moment: it is shown only once it is this entry's.
  const startedAtMs = Date.now();
  while (!ended) {
    signal?.throwIfAborted();
    const view = await readRun(temporal.client, system).catch(passOver);
    if (view && !ended && (view.workflowStatus === 'RUNNING' || Date.parse(view.state.startedAt) >= startedAtMs - 5_000)) {
      printer.frame(view, formatRun, formatRunLine);
      await onState(view);
    }
    await Promise.race([outcome, sleep(readEveryMs, undefined, { ...(signal ? { signal } : {}) })]);
  }
  const last = await readRun(temporal.client, system).catch(passOver);
  if (last) printer.frame(last, formatRun, formatRunLine);
  printer.endFrames();
  const settled = await outcome;
  if ('error' in settled) throw settled.error;
  return settled.result;
}

/** A worker that is away for a moment cannot be asked: the watch goes on. What is ours to say is said. */
function passOver(error: unknown): undefined {
  if (error instanceof HoldfastError) throw error;
  return undefined;
}
