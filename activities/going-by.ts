import { AsyncLocalStorage } from 'node:async_hooks';
import type { SystemFileRef } from '../workflows/contract.ts';

const given = new AsyncLocalStorage<SystemFileRef | undefined>();

/** Which text of this system's file the work that asks goes by; undefined: the file as it is. */
export function fileGiven(system: string): SystemFileRef | undefined {
  const ref = given.getStore();
  return ref?.system === system ? ref : undefined;
}

/**
 * Does what an activity or a job does, by the system file that its input names (`SystemFileRef`); the body is given the input without it. Worker and data plane come through here
 * with every input, so that no activity can forget it.
 */
export async function goingBy<I, O>(input: I, body: (input: I) => Promise<O>): Promise<O> {
  const { systemFile, ...rest } = (input ?? {}) as { systemFile?: SystemFileRef };
  return systemFile === undefined ? await body(input) : await given.run(systemFile, () => body(rest as I));
}
