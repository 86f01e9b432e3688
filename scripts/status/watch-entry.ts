import type { WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Printer } from '../output/printer.ts';

const readEveryMs = 1_000;

/**
 * Shows what a workflow does until it ends, and returns its result. @throws what it failed with.
 * @param read - its state; undefined while there is none.
 */
export async function watchEntry<T, V>(printer: Printer, handle: WorkflowHandle, read: () => Promise<V | undefined>, format: (view: V) => string): Promise<T> {
  const outcome = handle.result().then(
    (result) => ({ result: result as T }),
    (error: unknown) => ({ error }),
  );
  let settled: Awaited<typeof outcome> | undefined;
  void outcome.then((value) => (settled = value));
  while (!settled) {
    // A worker that is away for a moment cannot be asked: the watch goes on.
    const view = await read().catch(() => undefined);
    if (view && !settled) printer.frame(view, format, (of) => format(of).replace(/\s*\n\s*/g, '; '));
    await Promise.race([outcome, sleep(readEveryMs)]);
  }
  printer.endFrames();
  if ('error' in settled) throw settled.error;
  return settled.result;
}
