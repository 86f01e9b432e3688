import { isGrpcServiceError, ServiceError, type WorkflowHandle } from '@temporalio/client';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { queryNames } from '../../workflows/domain/messages.ts';

/** A worker that has to read a long history first answers within seconds. One that took over from another that hangs may need longer once. */
const answersWithinMs = 10_000;
const deadlineExceeded = 4;
const failedPrecondition = 9;

/**
 * The query `state` of a workflow, which only a worker answers. The caller has seen that Temporal itself answers.
 *
 * @throws TimedOut - no worker answered: it hangs, or none runs.
 */
export async function readState<T>(handle: WorkflowHandle): Promise<T> {
  try {
    return await handle.client.withDeadline(Date.now() + answersWithinMs, async () => await handle.query<T>(queryNames.state));
  } catch (error) {
    const said = error instanceof ServiceError ? error.cause : error;
    if (!isGrpcServiceError(said) || ![deadlineExceeded, failedPrecondition].includes(said.code)) throw error;
    throw new HoldfastError('TimedOut', `no worker answered for ${handle.workflowId} within ${answersWithinMs / 1000} s`, { hint: 'holdfast worker; what is under way goes on once one runs', cause: error });
  }
}
