import { proxyActivities } from '@temporalio/workflow';

const { runJob } = proxyActivities<{ runJob(input: { job: string; input: Record<string, string> }): Promise<unknown> }>({
  startToCloseTimeout: '5m',
  heartbeatTimeout: '10s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '1s', maximumInterval: '1s' },
});

/** One job of the toy data plane, with the time-outs that real activities have. */
export async function toy(job: string, input: Record<string, string>): Promise<unknown> {
  return await runJob({ job, input });
}
