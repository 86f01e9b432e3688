import { sleep, type WorkflowInterceptorsFactory } from '@temporalio/workflow';

const hourMs = 3_600_000;

/**
 * Workflow interceptor of tests that live through months: a round of the archive takes its hour by a timer, since the clock does not skip while an
 * activity runs and the stubs answer at once. That of a source called `hung` does not end.
 */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [],
  outbound: [
    {
      scheduleActivity: async (input, next) => {
        if (input.activityType === 'archiveLog') await sleep((input.args[0] as { source: string }).source === 'hung' ? 24 * 365 * hourMs : hourMs);
        return await next(input);
      },
    },
  ],
});
