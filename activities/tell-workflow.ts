import type { Context } from '@temporalio/activity';
import type { ArchiveActivities } from '../workflows/contract.ts';
import { progressSignal, type ToldProgress } from '../workflows/domain/messages.ts';
import { seconds } from '../workflows/domain/units.ts';
import type { Heartbeat } from './heartbeat.ts';

/**
 * Queries do not see heartbeats, so a workflow that shows how far it is has to be told: by one signal for all of its
 * activities in this process, at most every 15 s and, in long work, once for every twentieth part of the time that it has taken. A day
 * of work is some 140 signals, an hour 70; work of less than 15 s sends none.
 *
 * Each signal says everything anew, so one that is lost costs nothing; killed here, the next attempt begins to tell.
 */
const tellEveryMs = seconds(15);
const tellPerElapsed = 20;
/** Work without an end would tell for ever: its heartbeat is enough. */
const endless: readonly string[] = ['archiveLog', 'holdSnapshot'] satisfies (keyof ArchiveActivities)[];
/** What nobody has worked for is forgotten: the workflow has ended, or its activities run elsewhere. */
const forgetAfterMs = seconds(600);

interface Board {
  sinceMs: number;
  toldAtMs: number;
  touchedAtMs: number;
  activities: Map<string, ToldProgress['activities'][number]>;
}

const boards = new Map<string, Board>();

export interface Teller {
  tell(newest: Heartbeat): void;
  /** The attempt has ended. */
  end(): void;
}

/** @param now - for tests. */
export function openTeller(context: Context, now: () => number = () => performance.now()): Teller {
  const { activityId, activityType, workflowExecution } = context.info;
  if (!workflowExecution) return { tell: () => undefined, end: () => undefined };
  const board = boardOf(`${workflowExecution.workflowId} ${workflowExecution.runId}`, now());
  return {
    tell: ({ phase, done, of, unit, percent, perSecond, leftMs, log, whole, source }) => {
      // A pause, or a question that is asked, says nothing of how far the work is: what was told before it stands.
      if (endless.includes(activityType) || (percent === null && done === 0)) return;
      const nowMs = now();
      board.touchedAtMs = nowMs;
      board.activities.set(activityId, { activity: activityType, phase, done, of, unit, percent, perSecond, leftMs, log, ...(whole ? { whole } : {}), ...(typeof source === 'string' ? { source } : {}) });
      if (nowMs - board.toldAtMs < Math.max(tellEveryMs, (nowMs - board.sinceMs) / tellPerElapsed)) return;
      board.toldAtMs = nowMs;
      const told: ToldProgress = { at: new Date().toISOString(), activities: [...board.activities.values()] };
      // Its loss is not the work's: the heartbeat says the same, and the next signal says it anew.
      void send(context, told).catch(() => undefined);
    },
    end: () => void board.activities.delete(activityId),
  };
}

async function send({ client, info }: Context, told: ToldProgress): Promise<void> {
  const { workflowId, runId } = info.workflowExecution!;
  await client.workflow.getHandle(workflowId, runId).signal(progressSignal.name, told);
}

function boardOf(key: string, nowMs: number): Board {
  for (const [other, { touchedAtMs, activities }] of boards) if (activities.size === 0 && nowMs - touchedAtMs > forgetAfterMs) boards.delete(other);
  const board = boards.get(key) ?? { sinceMs: nowMs, toldAtMs: nowMs, touchedAtMs: nowMs, activities: new Map() };
  boards.set(key, board);
  return board;
}
