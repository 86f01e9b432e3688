import type { Part } from '../../../workflows/domain/manifest.ts';
import { InFlight } from '../base/in-flight.ts';
import type { StoredProgress } from '../base/stored-progress.ts';
import { nextPartName, putPart, type PartName, type PartStore, type PlainPart } from '../base/stored-parts.ts';
import { StreamCutter } from './cut-stream.ts';
import type { ProgramContext, ProgramSpec } from './program-spec.ts';
import { runLending, unlessQuiet } from './run-program.ts';

/** Parts being compressed, encrypted and uploaded while the next one is read. */
const uploadsAtOnce = 2;

/**
 * Runs a program, and cuts what it writes into parts, to its end. While its parts cannot be stored as fast, the program waits: nothing is kept but what is in flight. What it writes is read right
 * into the memory of its parts, which is used again.
 *
 * @param see - is shown everything, in order, before it is stored; the memory is not its own.
 * @throws ToolFailed - it ended badly, or hangs. @throws what `see` throws.
 */
export async function storeOutput(context: ProgramContext, spec: ProgramSpec, { to, of, progress, see }: { to: PartStore; of: { unit: string; range: string }; progress: StoredProgress; see?: (chunk: Buffer) => void }): Promise<{ parts: Part[]; exitedAt: string }> {
  const cutter = new StreamCutter();
  const uploads = new InFlight(uploadsAtOnce);
  const parts: Part[] = [];
  let name: PartName | undefined;
  let full: PlainPart | undefined;
  let heard = (): void => undefined;
  const upload = async (plain: PlainPart): Promise<void> => {
    const own = (name = nextPartName(name));
    await uploads.add(async () => {
      parts[own.index] = await putPart(to, of, own, plain);
      const { length } = plain.bytes;
      cutter.release(plain);
      progress.stored(length);
    });
  };
  const took = (chunk: Buffer): boolean => {
    heard();
    progress.read(chunk.length);
    see?.(chunk);
    full = cutter.took(chunk.length);
    return full === undefined;
  };
  return await runLending(context, spec, { room: () => cutter.room(), took }, async (running, output) => {
    // One that asks something would wait for ever.
    running.stdin.end();
    try {
      while (await unlessQuiet(spec, 'has written nothing', output.read(), (hear) => (heard = hear))) await upload(full!);
      for (const plain of cutter.flush()) await upload(plain);
      await uploads.settle();
    } finally {
      await uploads.abandon();
    }
    await unlessQuiet(spec, 'has closed its output, and has not ended', Promise.race([running.exitedAt, running.done]));
    return { parts, exitedAt: await running.exitedAt };
  });
}
