import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startTimeOf } from '../../activities/tool/process-group.ts';
import { startServer, stopByPidFile } from '../../activities/tool/start-server.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { stackDirectory } from '../stack-address.ts';
import { stackStatus, startStack, wipeStack, type StartOptions } from '../stack/stack.ts';
import { readStackFile, stackEnvironment, type StackFile } from '../stack/stack-file.ts';

/** `<HOLDFAST_HOME>/demo.json`: this stack belongs to a demo, and which process runs it. */
interface DemoMark {
  pid: number;
  startTime: string;
  /** `--keep` was given and the demo has ended: the stack is the person's now */
  kept: boolean;
}

const markFile = (): string => join(stackDirectory(), 'demo.json');

function readMark(): DemoMark | undefined {
  try {
    return JSON.parse(readFileSync(markFile(), 'utf8')) as DemoMark;
  } catch {
    return undefined;
  }
}

/** @param kept - see DemoMark. */
export function writeMark(kept: boolean): void {
  mkdirSync(stackDirectory(), { recursive: true, mode: 0o700 });
  const mark: DemoMark = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '', kept };
  writeFileSync(markFile(), `${JSON.stringify(mark)}\n`);
}

/**
 * Makes room for a new demo. What a dead demo left is stopped and deleted; what somebody uses or keeps is not touched.
 *
 * @returns whether something was cleaned away.
 * @throws AlreadyRunning - another demo, or a stack that was kept or started by `holdfast up`; the hint says how to end it.
 */
export async function makeRoom(): Promise<boolean> {
  const mark = readMark();
  const directory = stackDirectory();
  if (mark && startTimeOf(mark.pid) === mark.startTime && mark.pid !== process.pid) {
    throw new HoldfastError('AlreadyRunning', `a demo runs already, as process ${mark.pid}`, { hint: 'wait for it, or set HOLDFAST_HOME to another directory' });
  }
  const runs = stackStatus().some(({ running }) => running);
  if (runs && (!mark || mark.kept)) {
    throw new HoldfastError('AlreadyRunning', `an embedded stack runs already in ${directory}`, { hint: 'stop it with `holdfast down`, or set HOLDFAST_HOME to another directory' });
  }
  if (!mark && existsSync(join(directory, 'stack.json'))) {
    throw new HoldfastError('AlreadyExists', `${directory} holds a stack that \`holdfast up\` made`, { hint: 'delete it with `holdfast down --wipe`, or set HOLDFAST_HOME to another directory' });
  }
  if (!mark) return false;
  await wipeStack();
  return true;
}

/** Starts a stack of the demo's own. Tied to this process unless it is to be kept: then it dies however we die. */
export async function startDemoStack(keep: boolean, onReady: StartOptions['onReady']): Promise<StackFile> {
  writeMark(false);
  const stack = await startStack({ tiedToUs: !keep, ...(onReady ? { onReady } : {}) });
  Object.assign(process.env, stackEnvironment(stack));
  return stack;
}

const writerDirectory = (stack: StackFile): string => join(stack.directory, 'writer');
const writerPidFile = (stack: StackFile): string => join(writerDirectory(stack), 'server.pid');
export const ledgerPath = (stack: StackFile): string => join(writerDirectory(stack), 'ledger.jsonl');

/** Starts the writer, its own process; returns when something stands in its ledger. */
export async function startWriter(stack: StackFile, rate: number): Promise<void> {
  mkdirSync(writerDirectory(stack), { recursive: true });
  rmSync(ledgerPath(stack), { force: true });
  await startServer({
    name: 'writer',
    program: findTool('node'),
    args: [fileURLToPath(new URL('writer.ts', import.meta.url)), '--url', stack.frontDoor.url, '--ledger', ledgerPath(stack), '--rate', String(rate)],
    cwd: writerDirectory(stack),
    logFile: join(writerDirectory(stack), 'writer.log'),
    pidFile: writerPidFile(stack),
    readyWithinMs: 20_000,
    tiedToUs: true,
    ready: async () => await Promise.resolve(existsSync(ledgerPath(stack)) && readFileSync(ledgerPath(stack)).includes('"acknowledged"')),
  });
}

/** Lets it wait for the answers that are under way, so that the ledger is whole. */
export const stopWriter = async (stack: StackFile): Promise<boolean> => await stopByPidFile(writerPidFile(stack), 'SIGTERM', 15_000);

/** Ends everything at once, as somebody who pressed ctrl-C expects. The worker first: what it started must not start more. */
export async function stopDemoStack(): Promise<void> {
  const stack = readStackFile();
  if (!stack) return;
  const { stopWorker } = await import('../stack/worker.ts');
  const { stopStack } = await import('../stack/stack.ts');
  await stopByPidFile(writerPidFile(stack), 'SIGKILL');
  await stopWorker(stack, 'SIGKILL');
  await stopStack();
}
