import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';

/**
 * Workflow interceptor: a cached run whose commands no replay could repeat is thrown away, and made anew from its history.
 *
 * A worker that does not hold a run (the one that did has died) and is asked a query about it reads the whole history to answer it. Temporal's core (1.24) then applies
 * events behind the last workflow task too, ahead of the task that they are for, and keeps the run. Once that task comes, the run has met in two
 * portions what every replay meets in one, and the order of its commands may be another: from the next worker's death on its history does not
 * replay, and the run stands still for ever.
 *
 * The query is answered, from what is true. But the run is marked as stale, and fails the next task that is not such a look: core forgets the run
 * then, and the task is tried again at once, on a run from the history. It shows as one failed workflow task with the words below.
 *
 * How such a portion is told from a task: it brings what only an event brings, and no time has passed, since each task carries the time of its start.
 * Where two tasks start in the same instant of a server that counts in milliseconds, a run that is well is made anew, which costs that and no more.
 */
export const interceptors: WorkflowInterceptorsFactory = () => {
  let taskAt: string | undefined;
  let stale = false;
  return {
    internals: [
      {
        activate(input, next) {
          const { activation, batchIndex } = input;
          const jobs = activation.jobs ?? [];
          // The later portions of one activation, and queries, which change nothing.
          if (batchIndex > 0 || jobs.every(({ queryWorkflow }) => queryWorkflow)) return next(input);
          const at = `${String(activation.timestamp?.seconds)}.${String(activation.timestamp?.nanos)}`;
          if (at !== taskAt) {
            if (stale) throw new Error('a query was answered from events that are ahead of this task: the run is made anew from its history');
            taskAt = at;
          } else if (!activation.isReplaying && jobs.some(bringsEvent)) {
            stale = true;
          }
          next(input);
        },
      },
    ],
  };
};

type Job = NonNullable<Parameters<NonNullable<NonNullable<NonNullable<ReturnType<WorkflowInterceptorsFactory>['internals']>[number]>['activate']>>[0]['activation']['jobs']>[number];

/** What a workflow cancels may answer within its task; these cannot. */
const bringsEvent = ({ fireTimer, signalWorkflow, resolveActivity, resolveChildWorkflowExecution }: Job): boolean =>
  Boolean(
    fireTimer ||
      signalWorkflow ||
      (resolveActivity && !resolveActivity.isLocal && (resolveActivity.result?.completed || resolveActivity.result?.failed)) ||
      resolveChildWorkflowExecution?.result?.completed ||
      resolveChildWorkflowExecution?.result?.failed,
  );
