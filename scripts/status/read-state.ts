import { isGrpcServiceError, ServiceError, type WorkflowHandle } from '@temporalio/client';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { queryNames } from '../../workflows/domain/messages.ts';
import { lastPolls, pollsWithinMs } from '../client.ts';

/**
 * How long the first ask waits, and then others side by side. Temporal hands a question to the worker that holds the run, for 10 s, and then to any open poll; a worker that hangs keeps what
 * it is handed, and its polls stay open for a minute. Each ask uses up one of them, so with a few another worker is met.
 */
const firstMs = 12_000;
const othersMs = 5_000;
const others = 4;
/** No answer in time: the deadline, met by us or by the server, which resets the call then; or no worker for it. */
const unanswered = { cancelled: 1, deadlineExceeded: 4, failedPrecondition: 9 };

/**
 * The query `state` of a workflow, which only a worker answers. The caller has seen that Temporal itself answers.
 *
 * @throws TimedOut - no worker answered: all hang, or none runs; says which, by who polls.
 */
export const readState = async <T>(handle: WorkflowHandle): Promise<T> => await askWorker<T>(handle, queryNames.state);

/** Any query, as `readState` does its own. */
export async function askWorker<T>(handle: WorkflowHandle, name: string, ...input: unknown[]): Promise<T> {
  const startedMs = Date.now();
  const ask = async (withinMs: number): Promise<{ answer: T } | { unanswered: unknown }> => {
    try {
      return { answer: await handle.client.withDeadline(Date.now() + withinMs, async () => await handle.query<T, unknown[]>(name, ...input)) };
    } catch (error) {
      const said = error instanceof ServiceError ? error.cause : error;
      if (!isGrpcServiceError(said) || !Object.values(unanswered).includes(said.code)) throw error;
      return { unanswered: error };
    }
  };
  const first = await ask(firstMs);
  if ('answer' in first) return first.answer;
  const why = isTaskUndone(first.unanswered) ? await whyTaskFails(handle) : undefined;
  if (why !== undefined) {
    throw new HoldfastError('TimedOut', `the workers fail at ${handle.workflowId}, and so none answers for it: ${why}`, { hint: 'start workers of the release that it goes on by (docs/upgrades.md); its history in the Temporal UI says more, at the last workflow task that failed', cause: first.unanswered });
  }
  let polls = await whoPolls(handle);
  if (polls.workers > 0) {
    // Of one worker alone it is enough to have asked twice: there is no other to be met.
    const answer = await firstAnswer(Array.from({ length: polls.workers === 1 ? 1 : others }, async () => await ask(othersMs)));
    if (answer) return answer.answer;
    polls = await whoPolls(handle);
  }
  const cause = first.unanswered;
  const hint = polls.workers > 0 ? 'kill a worker that hangs and start it again, or start one that is gone: holdfast worker; what is under way goes on then' : 'holdfast worker; what is under way goes on once one runs';
  throw new HoldfastError('TimedOut', `no worker answered for ${handle.workflowId} within ${Math.round((Date.now() - startedMs) / 1000)} s${polls.text}`, { hint, cause });
}

/** Temporal says so without asking a worker, once a run's task has failed or timed out a few times. */
function isTaskUndone(unansweredBy: unknown): boolean {
  const said = unansweredBy instanceof ServiceError ? unansweredBy.cause : unansweredBy;
  return isGrpcServiceError(said) && /workflow task in failed state/i.test(said.details);
}

/** Undefined: its last one did not fail, but was not done in its time, as by a worker that hangs; or its history, which is only an explanation, was not answered. */
async function whyTaskFails({ client, workflowId }: WorkflowHandle): Promise<string | undefined> {
  const read = async () => await client.workflowService.getWorkflowExecutionHistoryReverse({ namespace: client.options.namespace, execution: { workflowId }, maximumPageSize: 50 });
  const { history } = await client.withDeadline(Date.now() + othersMs, read).catch(() => ({ history: undefined }));
  const last = history?.events?.find(({ workflowTaskFailedEventAttributes: failed, workflowTaskTimedOutEventAttributes: timedOut }) => failed ?? timedOut);
  return last?.workflowTaskFailedEventAttributes?.failure?.message ?? undefined;
}

/** Undefined: none was answered. @throws what one says that is no silence. */
async function firstAnswer<T>(asks: readonly Promise<{ answer: T } | { unanswered: unknown }>[]): Promise<{ answer: T } | undefined> {
  return await new Promise((resolve, reject) => {
    let left = asks.length;
    for (const one of asks) {
      one.then((said) => {
        left -= 1;
        if ('answer' in said) resolve(said);
        else if (left === 0) resolve(undefined);
      }, reject);
    }
  });
}

async function whoPolls(handle: WorkflowHandle): Promise<{ text: string; workers: number }> {
  const { taskQueue } = await handle.describe();
  const nowMs = Date.now();
  const agoMs = (await lastPolls(handle.client, taskQueue, 1)).map((atMs) => nowMs - atMs).filter((ms) => ms < pollsWithinMs);
  if (agoMs.length === 0) return { workers: 0, text: `: none polls its queue ${taskQueue}` };
  return { workers: agoMs.length, text: `; the workers of its queue ${taskQueue} were last heard of ${agoMs.map((ms) => `${Math.max(0, Math.round(ms / 1000))} s`).join(', ')} ago` };
}
