import { openContext } from '../../activities/open-context.ts';
import type { JobContext, SourceContext } from '../../activities/context.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';

/** A job that nobody cancels but the end of this process, and that reports to nobody. */
export const withoutTemporal = (): JobContext => ({ signal: new AbortController().signal, progress: () => undefined });

/** What the commands that need no Temporal work with: one source, its store and keys opened from the system file alone. */
export async function openSources(system: string, source?: string): Promise<SourceContext[]> {
  const known = await sourceNames(system, source);
  return await Promise.all(known.map(async (name) => await openContext({ system, source: name, epoch: 0 }, withoutTemporal())));
}

/** @throws BadInput - the system has no such source; names those it has. */
export async function sourceNames(system: string, source?: string): Promise<string[]> {
  const known = Object.keys((await loadSystemFile(system)).system.sources);
  if (source === undefined) return known;
  if (!known.includes(source)) throw new HoldfastError('BadInput', `system "${system}" has no source "${source}"; known: ${known.join(', ')}`);
  return [source];
}
