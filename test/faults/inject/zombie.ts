import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { givenAway } from '../../../activities/attempt.ts';
import { pidFileOf } from '../../../scripts/stack/stack-file.ts';
import { pidOf } from '../bench.ts';
import { short, type Strike } from '../cell.ts';
import { readsStatus } from '../read-status.ts';
import { until } from '../../harness/until.ts';

/**
 * The first worker hangs until the server has given it up and a second one has taken the activity over; then it wakes and goes on,
 * with its data plane, which never hung. Both act, and the first one's try is refused by name; what it left is judged at the end.
 */
export const zombie: Strike = async (bench, middle) => {
  const { stack } = bench;
  const log = join(stack.home, 'worker', 'worker.log');
  const from = readFileSync(log).length;
  const first = pidOf(pidFileOf(stack.file, 'worker'));
  // At once: a health watch of two seconds is held by nothing else.
  process.kill(first, 'SIGSTOP');
  try {
    const second = await bench.startSecondWorker();
    // The server may give tries to the one that hangs, as long as its polls wait there: a minute; each is given up after ten seconds.
    const taken = await until(`the second worker to take over ${middle.activity}`, async () => {
      const { raw } = await stack.handle(middle.workflowId).describe();
      return raw.pendingActivities?.find(({ activityType, lastWorkerIdentity }) => activityType?.name === middle.activity && lastWorkerIdentity?.includes(`:${second.pid}/`));
    }, 300_000);
    const tries = middle.before?.tries.get(taken.activityId ?? '') ?? 0;
    assert.ok((taken.attempt ?? 1) > tries, 'as another try');
    await readsStatus(bench, middle, [/[Hh]eartbeat timeout/], { healed: true });
    middle.release();
    process.kill(first, 'SIGCONT');
    // It acts: it says that its try lives, and whatever its try comes to is no longer taken.
    const refused = await until('the first worker to be refused', () => linesOf(log, from).find((line) =>
      line.msg === givenAway && line.workflowId === middle.workflowId && line.activityType === middle.activity && Number(line.attempt) < taken.attempt!));
    const end = await middle.finish();
    return { seen: `${middle.activity}, try ${taken.attempt}: ${short(taken.lastFailure?.cause?.message ?? taken.lastFailure?.message ?? '')}; another worker has it; the first one wakes, and its try ${refused.attempt} is refused`, end };
  } finally {
    process.kill(first, 'SIGCONT');
    await bench.stopSecondWorker();
  }
};

interface LogLine {
  msg?: string;
  workflowId?: string;
  activityType?: string;
  attempt?: number;
}

/** What a worker has said behind a place in its log. */
const linesOf = (path: string, from: number): LogLine[] =>
  readFileSync(path).subarray(from).toString('utf8').split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
