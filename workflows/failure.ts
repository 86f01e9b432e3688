import { ActivityFailure, ApplicationFailure, CancelledFailure, ChildWorkflowFailure, isCancellation, TimeoutFailure } from '@temporalio/workflow';
import { HoldfastError, type ErrorType } from './domain/errors.ts';

/**
 * A failure that ends the workflow. A plain Error would only suspend it: the task is retried for ever and the person who
 * typed the input sees nothing.
 */
export function failure(type: ErrorType, message: string, options: { hint?: string; details?: unknown[]; cause?: Error } = {}): ApplicationFailure {
  return withoutStack(
    ApplicationFailure.create({
      type,
      message: options.hint ? `${message} HINT: ${options.hint}` : message,
      nonRetryable: true,
      details: options.details ?? [],
      cause: options.cause,
    }),
  );
}

/** The UI prints a stack below the message, larger than it: for what was foreseen it says nothing to whoever reads it at night. */
function withoutStack(failed: ApplicationFailure): ApplicationFailure {
  failed.stack = '';
  return failed;
}

/** Runs `work`; a HoldfastError that it throws becomes a failure that ends the workflow. */
export async function failing<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HoldfastError) throw failure(error.type, error.message, { details: [error.details] });
    throw error;
  }
}

/** What went wrong, without the wrappers that say only where. */
export function describeFailure(error: unknown): { type: string; message: string } {
  if (isCancellation(error)) return { type: 'Aborted', message: 'cancelled' };
  if (error instanceof HoldfastError) return { type: error.type, message: error.message };
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) {
    const cause = error.cause;
    const where = error instanceof ActivityFailure ? error.activityType : error.workflowType;
    if (cause instanceof TimeoutFailure) return { type: 'DataPlaneLost', message: `${where} did not answer in time (${cause.timeoutType})` };
    return cause === undefined ? { type: 'RunFailed', message: error.message } : describeFailure(cause);
  }
  if (error instanceof ApplicationFailure) return { type: error.type ?? 'RunFailed', message: error.message };
  if (error instanceof CancelledFailure) return { type: 'Aborted', message: error.message };
  return { type: 'RunFailed', message: error instanceof Error ? error.message : String(error) };
}

/** Ends a workflow with the cause of a failed activity or child as its own failure, so that the UI's first line says it. */
export async function surfacing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await failing(work);
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure || error instanceof ChildWorkflowFailure)) throw error;
    const { type, message } = describeFailure(error);
    const details = error.cause instanceof ApplicationFailure ? (error.cause.details ?? []) : [];
    throw withoutStack(ApplicationFailure.create({ type, message, nonRetryable: true, details, cause: error }));
  }
}
