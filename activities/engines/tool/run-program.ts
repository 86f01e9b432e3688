import { once } from 'node:events';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { formatDuration, mib, seconds } from '../../../workflows/domain/units.ts';
import { LentOutput, type Lender } from '../../tool/lent-output.ts';
import { makePrivateDirectory } from '../../tool/private-files.ts';
import { startStream, type RunningStream } from '../../tool/start-stream.ts';
import { withoutSecrets, type ProgramContext, type ProgramSpec } from './program-spec.ts';

/** The program does not take what it is given, or says no more: what it says of itself at its end is the reason. */
class StreamBroken extends Error {}

/** How long a program that closed its stream may take to end by itself. */
const endsWithinMs = seconds(5);

/**
 * Runs a program while `use` reads or feeds it, and returns once it has ended well. Its private files exist as long as it does.
 * It is ended with everything that it started when `use` fails, on abort, and when this process dies.
 *
 * @throws ToolFailed - it ended badly, or before it had read everything; program, code and the last lines of its stderr. @throws what `use` throws.
 */
export async function runProgram<T>(context: ProgramContext, spec: ProgramSpec, use: (running: RunningStream) => Promise<T>): Promise<T> {
  return await run(context, spec, undefined, use);
}

/** As `runProgram`; what it writes lies in memory that is lent for it. */
export async function runLending<T>(context: ProgramContext, spec: ProgramSpec, lender: Lender, use: (running: RunningStream, output: LentOutput) => Promise<T>): Promise<T> {
  return await run(context, spec, lender, async (running, output) => await use(running, output!));
}

async function run<T>(context: ProgramContext, spec: ProgramSpec, lender: Lender | undefined, use: (running: RunningStream, output: LentOutput | undefined) => Promise<T>): Promise<T> {
  const directory = await makePrivateDirectory(spec.files);
  let output: LentOutput | undefined;
  try {
    output = lender && (await LentOutput.open(directory.path, lender));
    const fill = (text: string): string => text.replace(/\{\{\s*file:([^{}]+?)\s*\}\}/g, (_, name: string) => `${directory.path}/${name}`);
    // What a secret holds is nobody's to fill in.
    const env = { ...withoutSecrets(context.system), ...Object.fromEntries(Object.entries(spec.env).map(([key, value]) => [key, fill(value)])), ...spec.secrets };
    const running = startStream(spec.path, spec.args.map(fill), { label: spec.name, env, signal: context.signal, account: spec.account, removeOnLoss: directory.path, output });
    // Heard from the beginning: it may fail while nobody waits for it yet.
    const end = running.done.then(() => undefined, (error: unknown) => error);
    await directory.noteGroup(running.pid).catch(async (error: unknown) => {
      await running.kill(0);
      await end;
      throw error;
    });
    const outcome = await use(running, output).then((value) => ({ value }), (error: unknown) => ({ error }));
    // It is to see that nobody reads any more.
    output?.destroy();
    if ('error' in outcome) await endAfter(running, end, outcome.error instanceof StreamBroken ? endsWithinMs : 0);
    const failure = await end;
    context.signal.throwIfAborted();
    if ('error' in outcome) throw outcome.error instanceof StreamBroken ? (failure ?? stoppedReading(spec)) : outcome.error;
    if (failure !== undefined) throw failure;
    return outcome.value;
  } finally {
    output?.destroy();
    await directory.remove();
  }
}

async function endAfter(running: RunningStream, end: Promise<unknown>, ms: number): Promise<void> {
  if (ms > 0) await Promise.race([end, new Promise((resolve) => setTimeout(resolve, ms).unref())]);
  await running.kill();
}

/** The kernel told us in another way than it tells whoever waits for the program. */
const stoppedReading = ({ name }: ProgramSpec): HoldfastError => new HoldfastError('ToolFailed', `${name} ended with code 0 before it had read everything that it was given`);

/** Given to a program at once: between two of them it is seen whether it still reads. */
const fedAtOnceBytes = mib(1);

/** Writes to the program's standard input, and waits while it is busy. @throws StreamBroken - it reads no more. @throws ToolFailed - it hangs. */
export async function feed(running: RunningStream, spec: ProgramSpec, bytes: Buffer, signal: AbortSignal): Promise<void> {
  for (let at = 0; at < bytes.length; at += fedAtOnceBytes) await feedSome(running, spec, bytes.subarray(at, at + fedAtOnceBytes), signal);
}

async function feedSome({ stdin }: RunningStream, spec: ProgramSpec, bytes: Buffer, signal: AbortSignal): Promise<void> {
  if (stdin.destroyed || stdin.errored || stdin.writableEnded) throw new StreamBroken('closed');
  if (stdin.write(bytes)) return;
  const gone = new AbortController();
  const closed = (): void => gone.abort();
  stdin.once('close', closed).once('error', closed);
  const drained = once(stdin, 'drain', { signal: AbortSignal.any([signal, gone.signal]) }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new StreamBroken('closed', { cause });
  });
  try {
    await unlessQuiet(spec, 'has read nothing', drained);
  } finally {
    stdin.off('close', closed).off('error', closed);
  }
}

/** What the program writes. @throws ToolFailed - it hangs. */
export async function* outputOf({ stdout }: RunningStream, spec: ProgramSpec): AsyncGenerator<Buffer> {
  const chunks = (stdout as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await unlessQuiet(spec, 'has written nothing', chunks.next());
      if (next.done) return;
      yield next.value;
    }
  } finally {
    stdout.destroy();
  }
}

/** A timer cannot wait for longer. */
const longestMs = 2 ** 31 - 1;

/** @param listen - is given what to call when the program was heard meanwhile. @throws ToolFailed - nothing came of it while the program may be quiet. */
export async function unlessQuiet<T>({ name, quietForMs }: ProgramSpec, what: string, awaited: Promise<T>, listen?: (heard: () => void) => void): Promise<T> {
  if (quietForMs === undefined) return await awaited;
  const hangs = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    hangs.reject(new HoldfastError('ToolFailed', `${name} ${what} for ${formatDuration(quietForMs)}: it hangs, and is ended`, { hint: 'if it may be quiet for longer, say so under tool.quietFor of the source' }));
  }, Math.min(quietForMs, longestMs));
  listen?.(() => void timer.refresh());
  try {
    return await Promise.race([awaited, hangs.promise]);
  } finally {
    clearTimeout(timer);
  }
}
