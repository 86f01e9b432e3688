import { sleep } from '@temporalio/workflow';
import { runRecovery as runRecoveryAsShipped, type RunRecoveryInput } from '../../workflows/run-recovery.ts';
import type { RunReport } from '../../workflows/domain/report.ts';

/** The workflows of a next build, whose recovery does one more thing before anything else: a run that began on the shipped one cannot go on with it. */
export * from '../../workflows/index.ts';

export async function runRecovery(input: RunRecoveryInput): Promise<RunReport> {
  await sleep(1);
  return await runRecoveryAsShipped(input);
}
