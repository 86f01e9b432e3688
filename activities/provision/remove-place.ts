import { rename, rm } from 'node:fs/promises';
import type { TargetRef } from '../../workflows/contract.ts';
import { readClaim } from './claim.ts';

/**
 * Stops the server of a directory that the run claimed, and moves the directory aside; `discard` deletes it then. Killed while it deletes, the directory lies under a
 * name that says whose it was, and the next try deletes the rest. Safe to repeat.
 */
export async function removePlace(directory: string, target: TargetRef, options: { discard?: boolean | undefined; stop: () => Promise<unknown> }): Promise<{ summary: string }> {
  const discarded = `${directory}.discarded-${target.run}`;
  const rest = async (): Promise<void> => await rm(discarded, { recursive: true, force: true, maxRetries: 5 });
  if (options.discard) await rest();
  const claim = await readClaim(directory);
  if (!claim) return { summary: `nothing of this run in ${directory}` };
  if (claim.run !== target.run) return { summary: `left alone: ${directory} belongs to run ${claim.run}` };
  await options.stop();
  if (options.discard) {
    await rename(directory, discarded);
    await rest();
    return { summary: `stopped, and what was restored in ${directory} deleted` };
  }
  const aside = `${directory}.removed-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  await rename(directory, aside);
  return { summary: `stopped, and moved to ${aside}` };
}
