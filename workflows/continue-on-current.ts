import { makeContinueAsNewFunc, type Workflow } from '@temporalio/workflow';

/**
 * Continues a workflow that lives for days or years, on the version of the workers that is current by then. Pinned to the version that it began on, it would keep
 * an old worker needed for ever. Without versions it is the ordinary continue-as-new.
 */
export async function continueOnCurrent<F extends Workflow>(...args: Parameters<F>): Promise<never> {
  return await makeContinueAsNewFunc<F>({ initialVersioningBehavior: 'AUTO_UPGRADE' })(...args);
}
