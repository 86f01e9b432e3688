import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import type { Cli } from '../cli.ts';
import { makeRoom, stopDemoStack, writeMark } from '../demo/demo-stack.ts';
import { formatDemo, type DemoResult } from '../demo/result.ts';
import { runDemo } from '../demo/run-demo.ts';
import { toNamedError } from '../errors.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Printer } from '../output/printer.ts';
import { stackDirectory } from '../stack-address.ts';
import { wipeStack } from '../stack/stack.ts';
import { readStackFile } from '../stack/stack-file.ts';

const settlesWithinMs = 3_000;

interface DemoCommandOptions {
  yes: boolean;
  json?: string;
  keep: boolean;
  rate: string;
}

/** `holdfast demo`: a MongoDB system is lost and recovered, on this machine, in about two minutes. */
export function demo(cli: Cli): void {
  cli.add<[], DemoCommandOptions>(
    'demo',
    'lose a MongoDB system under load and recover it, on this machine',
    (command) =>
      command
        .option('--yes', 'give the approval after a few seconds; so also off a terminal', false)
        .option('--json <file>', 'write the result as JSON to this file, too')
        .option('--keep', 'leave stack, worker and UI up at the end', false)
        .option('--rate <n>', 'writes a second to aim for', '650'),
    async (_printer, options) => {
      // `--json FILE` is for programs; the terminal still gets the text.
      const printer = cli.printer(false);
      const rate = Number(options.rate);
      if (!Number.isFinite(rate) || rate < 1 || rate > 100_000) throw new HoldfastError('BadInput', `--rate ${options.rate}: expected a number from 1 to 100000`);
      if (await makeRoom()) printer.note('cleaned     what an earlier demo had left');
      return await runToTheEnd(printer, { ...options, rate });
    },
  );
}

async function runToTheEnd(printer: Printer, options: Omit<DemoCommandOptions, 'rate'> & { rate: number }): Promise<number> {
  const stopping = new AbortController();
  // A second ctrl-C changes nothing: what is being stopped must be stopped to its end.
  const interrupted = new Error('interrupted');
  const interrupt = (): void => stopping.abort(interrupted);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupt);
  process.stdout.on('error', interrupt);
  // What still waits for a server that was just stopped throws from its timers; it must not cut the stopping short.
  process.on('uncaughtException', (error) => stopping.abort(error));
  process.on('unhandledRejection', (error) => stopping.abort(error));
  let result: DemoResult | undefined;
  let run: Promise<DemoResult> | undefined;
  try {
    const ask = !options.yes && process.stdin.isTTY === true && process.stdout.isTTY === true;
    run = runDemo(printer, { rate: options.rate, keep: options.keep, ask, signal: stopping.signal });
    result = await Promise.race([run, rejectWhenAborted(stopping.signal)]);
    if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
    printer.result(result, formatDemo);
    return result.ok ? exitCodes.ok : errorTable.RunFailed.exitCode;
  } catch (error) {
    if (options.json && stopping.signal.reason !== interrupted) writeFileSync(options.json, `${JSON.stringify({ ok: false, failures: [(toNamedError(error) as Error).message] }, null, 2)}\n`);
    if (stopping.signal.reason !== interrupted) throw error;
    printer.note('interrupted: stopping everything');
    // What is being started now would otherwise be started behind the back of whoever stops it.
    await Promise.race([run?.catch(() => undefined), sleep(settlesWithinMs)]);
    return exitCodes.interrupted;
  } finally {
    const isInterrupted = stopping.signal.reason === interrupted;
    await conclude(printer, options.keep && !isInterrupted, result?.ok === true || isInterrupted);
  }
}

const rejectWhenAborted = async (signal: AbortSignal): Promise<never> =>
  await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));

/** A demo that went well, or was not wanted any more, leaves only its report; one that failed leaves its logs, too. */
async function conclude(printer: Printer, keep: boolean, clean: boolean): Promise<void> {
  if (keep) {
    writeMark(true);
    printer.note(`stack       is still up, Temporal UI ${readStackFile()?.temporal.uiUrl ?? 'unknown'}; stop it with: holdfast down`);
    return;
  }
  await stopDemoStack();
  if (clean) await wipeStack();
  else printer.note(`logs        ${stackDirectory()}`);
}
