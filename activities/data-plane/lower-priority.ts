import { readdirSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

const { PRIORITY_BELOW_NORMAL } = constants.priority;

/** Everything else on the machine comes first, from now on. On Linux a priority is each thread's own, and a new thread takes its maker's. */
export function lowerPriority(): void {
  // Lower already, it may not be raised.
  if (getPriority() >= PRIORITY_BELOW_NORMAL) return;
  setPriority(PRIORITY_BELOW_NORMAL);
  if (process.platform !== 'linux') return;
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      setPriority(Number(thread), PRIORITY_BELOW_NORMAL);
    } catch (error) {
      // It has ended since it was listed.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
    }
  }
}
