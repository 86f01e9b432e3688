import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** Workflow interceptor of tests that kill workers: a lost one is found after two seconds and not after ten, and its work is tried again at once. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [],
  outbound: [
    {
      scheduleActivity: async (input, next) =>
        await next({ ...input, options: { ...input.options, heartbeatTimeout: 2_000, retry: { ...input.options.retry, initialInterval: 10 } } }),
    },
  ],
});
