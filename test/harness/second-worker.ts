import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startServer, stopByPidFile } from '../../activities/tool/start-server.ts';
import { directoryOf, stackEnvironment, type StackFile } from '../../scripts/stack/stack-file.ts';

const main = join(import.meta.dirname, '..', '..', 'workers', 'main.ts');
const logOf = (directory: string): string => readFileSync(join(directory, 'worker.log'), 'utf8');
const watchedAt = (directory: string): string | undefined => [...logOf(directory).matchAll(/"url":"([^"]+)","msg":"worker is watched"/g)].at(-1)?.[1];

/** Where the stack's own worker is watched, which was started with HOLDFAST_HTTP=127.0.0.1:0. */
export const firstWorkerUrl = (file: StackFile): string => watchedAt(directoryOf(file, 'worker'))!;

export interface SecondWorker {
  /** where it is watched */
  url: string;
  stop(): Promise<void>;
}

/** Another worker of a stack, as on another machine: the first one does not know of it. Stops with the stack. */
export async function startSecondWorker(file: StackFile, env: Record<string, string>): Promise<SecondWorker> {
  const directory = join(directoryOf(file, 'worker'), 'second');
  const pidFile = join(directory, 'server.pid');
  mkdirSync(directory, { recursive: true });
  await startServer({
    name: 'second worker',
    program: findTool('node'),
    args: [main],
    env: { ...stackEnvironment(file), HOLDFAST_HTTP: '127.0.0.1:0', ...env },
    logFile: join(directory, 'worker.log'),
    pidFile,
    readyWithinMs: 180_000,
    tiedToUs: true,
    ready: async () => await Promise.resolve(logOf(directory).includes('"worker polls"')),
  });
  return { url: watchedAt(directory)!, stop: async () => void (await stopByPidFile(pidFile, 'SIGTERM', 40_000)) };
}
