import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { getExternalWorkflowHandle, startChild, type ChildWorkflowHandle, type Workflow } from '@temporalio/workflow';
import { taskQueues } from './contract.ts';

/**
 * Starts the child whose fixed id is a lock. Undefined: the lock is taken.
 * The child outlives its parent: terminating the entry must not take the recovery with it.
 */
export async function startLocked(type: string, workflowId: string, input: unknown, summary: string): Promise<ChildWorkflowHandle<Workflow> | undefined> {
  try {
    return await startChild(type, { workflowId, args: [input], taskQueue: taskQueues.control, parentClosePolicy: 'ABANDON', staticSummary: summary });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined;
    throw error;
  }
}

/** False: it could not be reached, which for a workflow means that it does not run. */
export async function trySignal(workflowId: string, signal: string, ...args: unknown[]): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(workflowId).signal(signal, ...args);
    return true;
  } catch {
    return false;
  }
}

export async function tryCancel(workflowId: string): Promise<void> {
  try {
    await getExternalWorkflowHandle(workflowId).cancel();
  } catch {
    // It has ended in the meantime: what was wanted.
  }
}
