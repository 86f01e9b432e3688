import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTool } from '../../activities/tool/find-tool.ts';
import { readLogTail, readPidFile, startServer, stopByPidFile, type ServerProcess } from '../../activities/tool/start-server.ts';
import { directoryOf, pidFileOf, stackEnvironment, type StackFile } from './stack-file.ts';

/** One worker process with all roles, in the background; it polls when this returns. Safe to repeat. */
export async function startWorker(stack: StackFile, options: { tiedToUs?: boolean; env?: Record<string, string> } = {}): Promise<ServerProcess> {
  const directory = directoryOf(stack, 'worker');
  mkdirSync(directory, { recursive: true });
  const logFile = join(directory, 'worker.log');
  // One that runs already was waited for when it was started.
  const running = readPidFile(pidFileOf(stack, 'worker'));
  if (running) return running;
  const pollsBefore = countPolls(logFile);
  return await startServer({
    name: 'worker',
    program: findTool('node'),
    args: [fileURLToPath(new URL('../../workers/main.ts', import.meta.url))],
    env: { ...stackEnvironment(stack), TEMPORAL_UI_URL: stack.temporal.uiUrl, ...options.env },
    logFile,
    pidFile: pidFileOf(stack, 'worker'),
    // It compiles the workflows first, and shares its processors with whatever else starts.
    readyWithinMs: 180_000,
    tiedToUs: options.tiedToUs ?? false,
    ready: async () => await Promise.resolve(countPolls(logFile) > pollsBefore),
  });
}

/** Lets it end what it does in order. @param signal - KILL: as a lost machine would. */
export const stopWorker = async (stack: StackFile, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<boolean> =>
  await stopByPidFile(pidFileOf(stack, 'worker'), signal, 40_000);

const countPolls = (logFile: string): number => readLogTail(logFile, 256 * 1024 * 1024).split('"worker polls"').length - 1;
