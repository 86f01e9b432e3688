import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** Workflow interceptor of tests whose activities fail: the next try comes at once. The clock skips only while a result is waited for, and a second here would be one of the test's. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [],
  outbound: [
    {
      scheduleActivity: async (input, next) =>
        await next({ ...input, options: { ...input.options, retry: { ...input.options.retry, initialInterval: 10 } } }),
    },
  ],
});
