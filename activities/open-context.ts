import { HoldfastError } from '../workflows/domain/errors.ts';
import type { JobContext, SourceContext } from './context.ts';
import { resolveAddress, resolveSecret } from './secrets.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import type { Keys } from './stream/keys.ts';
import { openKeys } from './stream/open-keys.ts';
import { loadSystemFile, type LoadedSystem } from './system-files.ts';

export interface SystemContext {
  loaded: LoadedSystem;
  store: Store;
  keys: Keys;
  secret(ref: string): Promise<string>;
  address(text: string): string;
}

/** Store clients and keys are opened once a process, and again when the file has changed. */
const opened = new Map<string, { digest: string; context: Promise<SystemContext> }>();

/**
 * What belongs to a whole system: its file, primary store and keys.
 * @throws UnknownSystem, BadSystemFile - also when a secret reference resolves to nothing.
 */
export async function openSystem(system: string): Promise<SystemContext> {
  const loaded = await loadSystemFile(system);
  const cached = opened.get(system);
  if (cached?.digest === loaded.digest) return await cached.context;
  const context = openParts(loaded);
  opened.set(system, { digest: loaded.digest, context });
  // What failed once, such as a secret that was not mounted yet, is tried again.
  context.catch(() => opened.delete(system));
  return await context;
}

async function openParts(loaded: LoadedSystem): Promise<SystemContext> {
  const secret = async (ref: string): Promise<string> => await resolveSecret(ref, loaded.directory);
  const address = resolveAddress;
  const store = await openStore(loaded.system.stores[0]!, { secret, address });
  const keys = await openKeys(loaded.system.key, secret);
  return { loaded, store, keys, secret, address };
}

/**
 * What a job of one source works with.
 * @param epoch - 0 for work that writes nothing to the store.
 * @throws BadInput - the system has no such source; names those it has.
 */
export async function openContext(of: { system: string; source: string; epoch: number }, job: JobContext): Promise<SourceContext> {
  const { loaded, store, keys, secret, address } = await openSystem(of.system);
  const { system } = loaded;
  const source = system.sources[of.source];
  if (!source) {
    throw new HoldfastError('BadInput', `system "${of.system}" has no source "${of.source}"; known: ${Object.keys(system.sources).join(', ')}`);
  }
  return { ...job, system, sourceName: of.source, source, store, keys, epoch: of.epoch, secret, address };
}
