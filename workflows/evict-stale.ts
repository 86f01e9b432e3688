import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';
import { madeAnew } from './domain/made-anew.ts';

/**
 * Workflow interceptor: a cached run whose commands no replay could repeat is thrown away, and made anew from its history.
 *
 * A worker that does not hold a run (the one that did has died) and is asked a query about it reads the whole history to answer it. Temporal's core (1.24) then applies
 * events behind the last workflow task too, ahead of the task that they are for, and keeps the run. Once that task comes, the run has met in two
 * portions what every replay meets in one, and the order of its commands may be another: from the next worker's death on its history does not
 * replay, and the run stands still for ever.
 *
 * The query is answered, from what is true. But the run is marked as stale, and fails the next task that is not such a look: core forgets the run
 * then, and the task is tried again at once, on a run from the history. It shows as one failed workflow task with the words of `madeAnew`. A second query that meets more events still
 * fails with them, and is answered when it is asked again: core ends a task that brings nothing else from what was met in two portions, without a word to us.
 *
 * How such a portion is told from a task: it brings what only an event brings, and no time has passed, since each task carries the time of its start.
 * Where two tasks start in the same instant of a server that counts in milliseconds, a run that is well is made anew, which costs that and no more.
 * A task that failed, as ours does, or died with its worker has left its start in the history, and the portion has that time. Then the task behind the query tells: it lies too close behind
 * the portion for both to be tasks. Between two are at least the end of the one, the schedule and the start of the other, and the events that it brings.
 */
export const interceptors: WorkflowInterceptorsFactory = () => {
  let taskAt: string | undefined;
  /** the last event of the last portion */
  let metTo = 0;
  /** a query without a task has come behind that */
  let asked = false;
  let stale = false;
  return {
    internals: [
      {
        activate(input, next) {
          const { activation, batchIndex } = input;
          const jobs = activation.jobs ?? [];
          // The later portions of one activation, and queries, which change nothing.
          if (batchIndex > 0 || jobs.every(({ queryWorkflow }) => queryWorkflow)) {
            asked ||= jobs.some(({ queryWorkflow }) => queryWorkflow?.queryId === withoutTask);
            return next(input);
          }
          const at = `${String(activation.timestamp?.seconds)}.${String(activation.timestamp?.nanos)}`;
          if (at !== taskAt) {
            const isTooClose = asked && !activation.isReplaying && activation.historyLength! < metTo + 3 + jobs.reduce((sum, job) => sum + eventsOf(job), 0);
            if (stale || isTooClose) throw new Error(madeAnew);
            taskAt = at;
          } else if (!activation.isReplaying && jobs.some(bringsEvent)) {
            if (asked) throw new Error(madeAnew);
            stale = true;
          }
          metTo = activation.historyLength!;
          asked = false;
          next(input);
        },
      },
    ],
  };
};

/** What core calls a query of this kind. */
const withoutTask = 'legacy_query';

type Job = NonNullable<Parameters<NonNullable<NonNullable<NonNullable<ReturnType<WorkflowInterceptorsFactory>['internals']>[number]>['activate']>>[0]['activation']['jobs']>[number];

/** What a workflow cancels may answer within its task, as cancelled; these cannot. */
const bringsEvent = ({ cancelWorkflow, fireTimer, resolveActivity, resolveChildWorkflowExecution, resolveChildWorkflowExecutionStart, resolveRequestCancelExternalWorkflow, resolveSignalExternalWorkflow, signalWorkflow }: Job): boolean =>
  Boolean(
    cancelWorkflow ||
      fireTimer ||
      signalWorkflow ||
      (resolveActivity && !resolveActivity.isLocal && (resolveActivity.result?.completed || resolveActivity.result?.failed)) ||
      resolveChildWorkflowExecutionStart?.succeeded ||
      resolveChildWorkflowExecutionStart?.failed ||
      resolveChildWorkflowExecution?.result?.completed ||
      resolveChildWorkflowExecution?.result?.failed ||
      (resolveSignalExternalWorkflow && !resolveSignalExternalWorkflow.failure?.canceledFailureInfo) ||
      (resolveRequestCancelExternalWorkflow && !resolveRequestCancelExternalWorkflow.failure?.canceledFailureInfo),
  );

/** How many events there are at least behind what a job brings: an activity that ended well had begun. */
const eventsOf = (job: Job): number => (job.resolveActivity?.result?.completed && !job.resolveActivity.isLocal ? 2 : bringsEvent(job) ? 1 : 0);
