import type { WorkflowClientInterceptor } from '@temporalio/client';
import { madeAnew } from '../workflows/domain/made-anew.ts';

/** Each time the run may have met more events ahead; none comes so often. */
const tries = 4;

/** Of whoever asks runs: a query that fails because its run is made anew (workflows/evict-stale.ts) is asked again, at once, and nobody hears of it. */
export const askAgain: WorkflowClientInterceptor = {
  async query(input, next) {
    for (let left = tries - 1; ; left -= 1) {
      try {
        return await next(input);
      } catch (error) {
        if (left === 0 || !(error instanceof Error) || !error.message.includes(madeAnew)) throw error;
      }
    }
  },
};
