import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { queryNames } from '../../workflows/domain/messages.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { WatchState } from '../../workflows/domain/watch.ts';

/** The watches on old primaries that recoveries of a system left, running or over; of the sources that have one. */
export async function readWatches(client: Client, system: string, sources: readonly string[]): Promise<WatchState[]> {
  const watches: WatchState[] = [];
  for (const source of sources) {
    try {
      watches.push(await client.workflow.getHandle(lockIds.watch(system, source)).query<WatchState>(queryNames.state));
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
  return watches;
}
