import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { rememberSecret, resolveSecret } from '../../../activities/secrets.ts';
import { loadSystemFile } from '../../../activities/system-files.ts';
import { serveJobs } from '../../../activities/data-plane/serve-jobs.ts';
import { startTool } from '../../../activities/tool/run-tool.ts';
import type { JobContext } from '../../../activities/context.ts';

/** Of all its threads. */
const priorities = (): number[] => readdirSync('/proc/self/task').map((thread) => getPriority(Number(thread)));

/** A data plane with toy jobs: what jobs can do to their worker, and nothing of theirs. */
type Input = Record<string, string>;
let held: Buffer | undefined;
const jobs: Record<string, (input: Input, context: JobContext) => Promise<unknown>> = {
  add: async ({ a, b }) => await Promise.resolve(Number(a) + Number(b)),
  count: async ({ to }, { progress }) => {
    for (let done = 0; done <= Number(to); done += 1) progress({ phase: 'count', done, of: Number(to), unit: 'documents' });
    return await Promise.resolve(to);
  },
  /** works until it is told to stop, with a grandchild of its own */
  work: async (_, { progress, signal }) => {
    const grandchild = startTool({ path: '/bin/sleep' }, ['1000']);
    progress({ phase: 'work', done: 1, of: 4, unit: 'bytes', grandchild: grandchild.pid, pid: process.pid });
    await Promise.race([once(signal, 'abort'), grandchild.done]);
    throw signal.reason;
  },
  deaf: async (_, { progress }) => {
    process.removeAllListeners('SIGTERM');
    process.on('SIGTERM', () => undefined);
    progress({ phase: 'deaf', done: 0, of: 0, unit: 'bytes', pid: process.pid });
    return await new Promise(() => setInterval(() => undefined, 1000));
  },
  /** named as a job that is in the background */
  dumpGroup: async () => await Promise.resolve(priorities()),
  /** named as a job that comes before groups */
  prepareRestore: async (_, { groupsFollow }) => await Promise.resolve(groupsFollow!()),
  restoreGroup: async () => await Promise.resolve(priorities()),
  refuse: async () => await Promise.reject(new HoldfastError('LogGap', 'log ends at 7', { hint: 'take a base', details: { at: 7 } })),
  stumble: async () => await Promise.reject(new TypeError('not this time')),
  tell: async ({ secret }) => {
    rememberSecret(secret!);
    throw new HoldfastError('SourceUnavailable', `cannot reach mongodb://app:${secret}@127.0.0.1/ with ${secret}`, { details: { with: secret } });
  },
  /** as a real job does: secrets by reference, resolved here; and then everything that can be said of one is said */
  leak: async (_, { progress }) => {
    const { system, directory } = await loadSystemFile('shop');
    const secret = await resolveSecret(system.key.aes256!, directory);
    progress({ phase: `with ${secret}`, done: 0, of: 0, unit: 'bytes', secret });
    await startTool('node', ['-e', 'setTimeout(() => {}, 300)'], { env: { TOY_SECRET: secret }, input: secret }).done;
    process.stderr.write('last words\n');
    throw new HoldfastError('LogGap', `mongodb://app:${secret}@127.0.0.1/ said ${secret}`, { details: { secret } });
  },
  crash: async ({ secret }) => {
    rememberSecret(secret!);
    setImmediate(() => {
      throw new Error(`fell over ${secret}`);
    });
    return await new Promise(() => undefined);
  },
  vanish: async () => await Promise.resolve(process.kill(process.pid, 'SIGKILL')),
  hang: async () => {
    while (process.pid > 0);
    return await Promise.resolve(0);
  },
  /** keeps so much outside the heap, and ends well */
  fill: async ({ mib }) => {
    held = Buffer.alloc(Number(mib) * 1024 ** 2, 1);
    return await Promise.resolve(held.length);
  },
  hoard: async () => {
    const kept: unknown[] = [];
    while (process.pid > 0) kept.push(Array.from({ length: 10_000 }, (_, at) => ({ at })));
    return await Promise.resolve(kept.length);
  },
};

serveJobs(async () => await Promise.resolve({ findJob: (job: string) => async (input: unknown, context: JobContext) => await jobs[job]!(input as Input, context) }));
