import { openContext } from '../../activities/open-context.ts';
import type { JobContext, SourceContext } from '../../activities/context.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { abilitiesOf, lackOf, requireAbility } from '../../workflows/domain/engines.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';

/** A job that nobody cancels but the end of this process, and that reports to nobody. */
export const withoutTemporal = (): JobContext => ({ signal: new AbortController().signal, progress: () => undefined });

/** What the commands that need no Temporal work with: one source, its store and keys opened from the system file alone. */
export async function openSources(system: string, source?: string): Promise<SourceContext[]> {
  const known = await sourceNames(system, source);
  return await Promise.all(known.map(async (name) => await openContext({ system, source: name, epoch: 0 }, withoutTemporal())));
}

/**
 * The sources whose log can be archived. One that is named and has none, or a system of such sources alone, is refused; others are passed over.
 * @throws Unsupported - says why. BadInput - no such source.
 */
export async function sourcesWithLog(system: string, source?: string): Promise<{ logged: string[]; passedOver: string[] }> {
  const names = await sourceNames(system, source);
  const { sources } = (await loadSystemFile(system)).system;
  const logged = names.filter((name) => abilitiesOf(sources[name]!.engine).log);
  const passedOver = names.filter((name) => !logged.includes(name));
  if (logged.length === 0) requireAbility({ system, source: passedOver[0]!, engine: sources[passedOver[0]!]!.engine }, 'log');
  return { logged, passedOver: passedOver.map((name) => lackOf({ system, source: name, engine: sources[name]!.engine }, 'log')) };
}

/** @throws BadInput - the system has no such source; names those it has. */
export async function sourceNames(system: string, source?: string): Promise<string[]> {
  const known = Object.keys((await loadSystemFile(system)).system.sources);
  if (source === undefined) return known;
  if (!known.includes(source)) throw new HoldfastError('BadInput', `system "${system}" has no source "${source}"; known: ${known.join(', ')}`);
  return [source];
}
