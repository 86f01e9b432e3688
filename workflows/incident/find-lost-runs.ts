import { getExternalWorkflowHandle } from '@temporalio/workflow';
import { goesOn, type IncidentRun, type IncidentState } from '../domain/incident.ts';
import { note } from './effects.ts';

/** A run that was terminated says nothing any more. A signal that nobody handles tells whether it is there. */
export async function findLostRuns(state: IncidentState, nowAt: () => string): Promise<void> {
  for (const run of state.runs.filter(goesOn)) {
    const id = run.workflowId ?? run.entry;
    if (id === null || (await isThere(id, run.workflowId === null ? undefined : (run.runId ?? undefined)))) continue;
    if (!goesOn(run)) continue;
    Object.assign(run, { status: 'lost', endedAt: nowAt(), steps: [] } satisfies Partial<IncidentRun>);
    note(state, nowAt(), `run ${run.id} is gone without a word (${id})`);
  }
}

async function isThere(workflowId: string, runId: string | undefined): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(workflowId, runId).signal('incident-asks');
    return true;
  } catch {
    return false;
  }
}
