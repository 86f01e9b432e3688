import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { runJob, type RunJobOptions } from '../../../activities/data-plane/run-job.ts';
import { startTimeOf, within } from '../../../activities/tool/process-group.ts';
import type { JobReading } from '../../../activities/context.ts';
import { until } from '../../harness/until.ts';

const program = join(import.meta.dirname, 'toy-main.ts');
const options = (over: Partial<RunJobOptions> = {}): RunJobOptions => ({
  signal: new AbortController().signal,
  progress: () => undefined,
  program,
  ...over,
});
const isGone = async (pid: unknown): Promise<boolean> => await within(10_000, () => startTimeOf(Number(pid)) === undefined);

test('a job gives its result and tells the memory that it took', async () => {
  let peak = 0;
  const result = await runJob('add', { a: '2', b: '3' }, options({ onPeakRss: (bytes) => (peak = bytes) }));
  assert.equal(result, 5);
  assert.ok(peak > 20 * 1024 ** 2 && peak < 512 * 1024 ** 2, `peak ${peak}`);
});

test('the newest progress is never dropped, and not every one is sent', async () => {
  const seen: JobReading[] = [];
  await runJob('count', { to: '5000' }, options({ progress: (progress) => seen.push(progress) }));
  assert.equal(seen.at(-1)?.done, 5000);
  assert.ok(seen.length < 50, `${seen.length} sent`);
});

test('an error of ours crosses over with type, message, hint and details', async () => {
  await assert.rejects(runJob('refuse', {}, options()), (error) => {
    assert.ok(error instanceof HoldfastError);
    assert.equal(error.type, 'LogGap');
    assert.equal(error.message, 'log ends at 7 HINT: take a base');
    assert.deepEqual(error.details, { at: 7 });
    return true;
  });
});

test('an unknown error keeps its name', async () => {
  await assert.rejects(runJob('stumble', {}, options()), { name: 'TypeError', message: 'not this time' });
});

test('no secret crosses over, neither in an error nor in last words', async () => {
  await assert.rejects(runJob('tell', { secret: 'hunter2-hunter2' }, options()), (error) => {
    assert.ok(error instanceof HoldfastError);
    assert.equal(error.message, 'cannot reach mongodb://[credentials]@127.0.0.1/ with [secret]');
    assert.deepEqual(error.details, { with: '[secret]' });
    return true;
  });
  await assert.rejects(runJob('crash', { secret: 'hunter2-hunter2' }, options()), (error) => {
    assert.ok(error instanceof HoldfastError);
    assert.equal(error.type, 'DataPlaneLost');
    assert.match(error.message, /fell over \[secret\]/);
    return true;
  });
});

test('a child that is killed is a lost data plane, which another try can mend', async () => {
  await assert.rejects(runJob('vanish', {}, options()), (error) => {
    assert.ok(error instanceof HoldfastError);
    assert.equal(error.type, 'DataPlaneLost');
    assert.ok(error.retryable);
    assert.match(error.message, /SIGKILL/);
    return true;
  });
});

test('a child that takes too much memory is a lost data plane that says why', async () => {
  await assert.rejects(runJob('hoard', {}, options({ heapMib: 48 })), (error) => {
    assert.ok(error instanceof HoldfastError);
    assert.equal(error.type, 'DataPlaneLost');
    assert.match(error.message, /heap/i);
    return true;
  });
});

test('a child whose event loop stands still is killed', async () => {
  let pid = 0;
  await assert.rejects(runJob('hang', {}, options({ silentForMs: 2_500, graceMs: 60_000, onStart: (of) => (pid = of) })), {
    message: /said nothing for 2.5 s and was killed/,
  });
  assert.ok(await isGone(pid));
});

test('an abort ends the child and its own children, then throws the reason', async () => {
  const controller = new AbortController();
  const reason = new Error('cancelled by a person');
  const seen: JobReading[] = [];
  const progress = (of: JobReading): void => {
    seen.push(of);
    controller.abort(reason);
  };
  await assert.rejects(runJob('work', {}, options({ signal: controller.signal, progress })), (error) => error === reason);
  assert.equal(startTimeOf(Number(seen[0]?.['pid'])), undefined);
  assert.ok(await isGone(seen[0]?.['grandchild']));
});

test('a child that does not hear TERM is killed', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  let pid: unknown;
  const progress = (of: JobReading): void => {
    pid = of['pid'];
    controller.abort(reason);
  };
  await assert.rejects(runJob('deaf', {}, options({ signal: controller.signal, progress, graceMs: 300 })), (error) => error === reason);
  assert.equal(startTimeOf(Number(pid)), undefined);
});

/** Runs a job and tells which process did it. */
async function pidOf(job: string, input: object, over: Partial<RunJobOptions> = {}): Promise<{ pid: number; failed: boolean }> {
  let pid = 0;
  const failed = await runJob(job, input, options({ ...over, onStart: (of) => (pid = of) })).then(() => false, () => true);
  return { pid, failed };
}

const childrenOf = async (pid: number): Promise<number[]> => (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean).map(Number);

const runs = (pid: number): boolean => startTimeOf(pid) !== undefined;

test('a process that did its job well does the next one; what comes beside it has one of its own', async () => {
  const first = await pidOf('add', { a: '1', b: '1' });
  assert.deepEqual(await pidOf('add', { a: '1', b: '2' }), first);
  const both = await Promise.all([pidOf('count', { to: '9' }), pidOf('count', { to: '9' })]);
  assert.equal(new Set(both.map(({ pid }) => pid)).size, 2);
  assert.ok(both.some(({ pid }) => pid === first.pid));
});

test('while what says that groups follow is done, the process that a second group needs starts beside it, and ends where none comes', async () => {
  // Those that idle from earlier jobs are of another kind.
  const kind = { heapMib: 240 };
  const before = await childrenOf(process.pid);
  const first = await pidOf('prepareRestore', {}, kind);
  const spares = (await childrenOf(process.pid)).filter((pid) => pid !== first.pid && !before.includes(pid));
  assert.equal(spares.length, 1);
  const both = await Promise.all([pidOf('restoreGroup', {}, kind), pidOf('restoreGroup', {}, kind)]);
  assert.deepEqual(new Set(both.map(({ pid }) => pid)), new Set([first.pid, ...spares]));
  for (const { pid } of both) assert.ok(await isGone(pid));
  const alone = await pidOf('prepareRestore', {}, kind);
  const [unused] = (await childrenOf(process.pid)).filter((pid) => pid !== alone.pid && !before.includes(pid));
  assert.ok(await isGone(unused), 'nobody had a job for it');
  const silent = await pidOf('add', { a: '1', b: '1' }, kind);
  assert.deepEqual((await childrenOf(process.pid)).filter((pid) => !before.includes(pid)), [silent.pid], 'whose job says nothing has none beside it');
});

test('a process whose job failed is gone, and so is one that has waited for a moment', async () => {
  const refused = await pidOf('refuse', {});
  assert.deepEqual([refused.failed, runs(refused.pid)], [true, false]);
  const { pid } = await pidOf('add', { a: '1', b: '1' });
  assert.ok(await isGone(pid));
});

test('a process that dies while it waits costs nobody a job', async () => {
  const { pid } = await pidOf('add', { a: '1', b: '1' });
  process.kill(pid, 'SIGKILL');
  await within(5_000, () => !runs(pid));
  const next = await pidOf('add', { a: '1', b: '1' });
  assert.deepEqual([next.failed, next.pid === pid], [false, false]);
});

test('a process is not given a job that is to find another environment, or more memory', async () => {
  const { pid } = await pidOf('add', { a: '1', b: '1' });
  const large = await pidOf('add', { a: '1', b: '1' }, { heapMib: 300 });
  assert.notEqual(large.pid, pid);
  process.env['HOLDFAST_TOY'] = 'other';
  try {
    const other = await pidOf('add', { a: '1', b: '1' });
    assert.ok(![pid, large.pid].includes(other.pid));
  } finally {
    delete process.env['HOLDFAST_TOY'];
  }
});

test('what nobody waits for runs below everything else, on all its threads, and a recovery never in such a process', { skip: process.platform === 'linux' ? false : 'threads are listed on Linux only' }, async () => {
  const ours = getPriority();
  const background = (await runJob('dumpGroup', {}, options())) as number[];
  assert.ok(background.length > 4 && background.every((one) => one === Math.max(ours, 10)), background.join(', '));
  const recovery = (await runJob('restoreGroup', {}, options())) as number[];
  assert.ok(recovery.every((one) => one === ours), recovery.join(', '));
});

test('what nobody waits for gives way to other sessions too, where sessions are scheduled as groups', { skip: existsSync('/proc/self/autogroup') ? false : 'this system has no such groups' }, async () => {
  const niceOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/autogroup`, 'utf8').split(' nice ')[1]);
  let pid = 0;
  const onStart = (started: number): void => void (pid = started);
  const ours = niceOf(process.pid);
  await runJob('dumpGroup', {}, options({ onStart }));
  await until('its session is below the others', async () => await Promise.resolve(niceOf(pid) === 5));
  await runJob('restoreGroup', {}, options({ onStart }));
  assert.ok(niceOf(pid) < 5, 'a recovery is not');
  assert.equal(niceOf(process.pid), ours, 'nor who started it');
});

test('a process that a job left large is not used again', async () => {
  const first = await pidOf('fill', { mib: '400' }, { heapMib: 300 });
  assert.deepEqual([first.failed, await isGone(first.pid)], [false, true]);
});

test('a process that hangs while it waits is given no time to start: the job is lost as soon as one that hangs in mid-job', async () => {
  const { pid } = await pidOf('add', { a: '1', b: '1' });
  process.kill(pid, 'SIGSTOP');
  await assert.rejects(runJob('add', { a: '1', b: '1' }, options({ silentForMs: 1_000, alive: () => assert.fail('nobody vouches for it') })), {
    type: 'DataPlaneLost',
    message: /said nothing for 1 s and was killed/,
  });
  assert.equal(runs(pid), false);
});
