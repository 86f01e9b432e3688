import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { scrub } from '../../secrets.ts';
import { outputOf, runProgram } from './run-program.ts';
import type { ProgramContext, ProgramSpec } from './program-spec.ts';

const keptBytes = 64 * 1024;

/**
 * Runs a program that is given nothing to its end. It is ended with everything that it started when `context.signal` aborts, and when this process
 * dies, however it dies: no second try meets what a first one left running on this machine.
 *
 * @returns the first 64 KiB of what it wrote, without secrets. @throws ToolFailed - it ended badly; code and the last lines of its stderr.
 */
export async function runToEnd(context: ProgramContext, spec: ProgramSpec): Promise<string> {
  return await runProgram(context, spec, async (running) => {
    running.stdin.end();
    const kept: Buffer[] = [];
    let size = 0;
    for await (const chunk of outputOf(running, spec)) {
      if (size < keptBytes) kept.push(chunk.subarray(0, keptBytes - size));
      size += chunk.length;
    }
    return scrub(Buffer.concat(kept).toString('utf8'));
  });
}

/** The last line that is not empty: what a script says at its end. */
export const lastLine = (said: string): string => said.trim().split('\n').at(-1)!.slice(0, 300);

/** Of `{{…}}` that the system file's schema has let pass. */
export const fromValues = (values: Readonly<Record<string, string>>) => (name: string): string => {
  const value = values[name];
  if (value === undefined) throw new HoldfastError('BadSystemFile', `{{${name}}} stands for nothing here; known: ${Object.keys(values).join(', ')}`);
  return value;
};
