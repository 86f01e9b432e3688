import { condition, patched, type WorkflowInterceptorsFactory } from '@temporalio/workflow';

/**
 * Workflow interceptor: what an update does comes behind everything else of its workflow task.
 *
 * A task that leaves no command and is followed by the task of an update is cut in two ways by Temporal's core (1.24). A worker that does not hold the run (the one
 * that did has died) meets the update together with what the task before brought, the update first; a replay meets them apart, the update last. Where both have
 * something begun, the commands stand in another order, from the next worker's death on the history does not replay, and the run stands still for ever.
 *
 * So an update is accepted where core hands it out, and its handler waits within the same activation until all the rest has been worked off, in turns of the
 * conditions: as many as no chain of ours needs. Both ways then give the same commands.
 */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [
    {
      async handleUpdate(input, next) {
        if (patched('updates-behind-events')) for (let turn = 0; turn < turns; turn += 1) await turnOver();
        return await next(input);
      },
    },
  ],
});

const turns = 32;

/** Until the conditions are looked at once more: everything that was resolved has had its say by then. */
async function turnOver(): Promise<void> {
  let looked = false;
  await condition(() => {
    const before = looked;
    looked = true;
    return before;
  });
}
