import { Context } from '@temporalio/activity';

/**
 * The workflow that asked for this activity, in the Temporal UI; null: nobody said where that is.
 * @param uiUrl - TEMPORAL_UI_URL of the worker.
 */
export function linkToRun(uiUrl: string | null): string | null {
  const { workflowExecution, namespace } = Context.current().info;
  if (uiUrl === null || !workflowExecution) return null;
  const { workflowId, runId } = workflowExecution;
  return `${uiUrl.replace(/\/+$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}/${encodeURIComponent(runId)}/history`;
}
