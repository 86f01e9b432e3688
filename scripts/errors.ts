import { isGrpcServiceError, ServiceError, WorkflowFailedError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/common';
import { CommanderError } from 'commander';
import { HoldfastError, isErrorType } from '../workflows/domain/errors.ts';

/** gRPC: PERMISSION_DENIED, UNAUTHENTICATED. */
const refusals: readonly number[] = [7, 16];

/** `error: …` in our words for whatever a command ran into. What we do not know stays as it is. */
export function toNamedError(error: unknown): unknown {
  if (error instanceof HoldfastError) return error;
  if (error instanceof CommanderError) return new HoldfastError('BadInput', error.message.replace(/^error: /, ''), { hint: 'holdfast --help lists the commands, holdfast COMMAND --help the arguments' });
  if (error instanceof WorkflowExecutionAlreadyStartedError) return new HoldfastError('AlreadyRunning', `workflow ${error.workflowId} runs already`);
  if (error instanceof WorkflowNotFoundError) return new HoldfastError('NotWaiting', `nothing runs under workflow id ${error.workflowId}`, { hint: 'holdfast status shows what runs' });
  if (error instanceof WorkflowFailedError || error instanceof WorkflowUpdateFailedError) return toNamedError(causeOf(error));
  if (error instanceof ApplicationFailure) return fromFailure(error);
  if (error instanceof CancelledFailure) return new HoldfastError('Aborted', 'the run was cancelled');
  if (error instanceof TerminatedFailure) return new HoldfastError('Aborted', 'the run was terminated: nothing was undone', { hint: 'cancel a run rather than terminate it' });
  const said = error instanceof ServiceError ? error.cause : error;
  if (isGrpcServiceError(said) && refusals.includes(said.code)) {
    return new HoldfastError('NotPermitted', `Temporal’s authorizer refuses it: ${said.details}`, { hint: 'who may do what there, and which role a token needs (TEMPORAL_API_KEY): docs/access.md' });
  }
  if (isUnreachable(error)) {
    return new HoldfastError('TemporalUnavailable', `no Temporal server answers: ${(error as Error).message}`, {
      hint: 'start the embedded one with `holdfast up`, or set TEMPORAL_ADDRESS',
    });
  }
  return error;
}

/** The innermost failure that says something: a workflow's failure wraps its child's, which wraps an activity's. */
function causeOf(error: unknown): unknown {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error && !(current instanceof ApplicationFailure)) current = current.cause;
  return current;
}

function fromFailure(failure: ApplicationFailure): Error {
  if (!isErrorType(failure.type)) return new Error(failure.message);
  // The hint stands in the message since the error was made: it must not be added again.
  const [message, hint] = failure.message.split(/ HINT: (.*)/s);
  return new HoldfastError(failure.type, message!, hint ? { hint } : {});
}

function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isGrpcServiceError(error)) return [4, 14].includes(error.code);
  return /connect|UNAVAILABLE|DEADLINE/i.test(error.message) && /grpc|temporal|UNAVAILABLE|DEADLINE|connect/i.test(`${error.name} ${error.message}`) && error.cause !== undefined;
}
