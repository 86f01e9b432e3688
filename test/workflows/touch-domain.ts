import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';
import { severities, severitySchema } from '../../workflows/domain/messages.ts';

/** In place of the workflow: tells which runs have touched what domain/ holds, and what came of an attempt to change a constant of it. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [
    {
      execute: async ({ args }) => {
        const touched = severitySchema as unknown as { touchedBy?: unknown[] };
        touched.touchedBy = [...(touched.touchedBy ?? []), args[0]];
        return { touchedBy: touched.touchedBy, parsed: severitySchema.safeParse('P9').success, changed: attempt(() => (severities as unknown as string[]).push('P5')) };
      },
    },
  ],
});

function attempt(change: () => unknown): string {
  try {
    change();
    return 'changed';
  } catch (error) {
    return (error as Error).name;
  }
}
