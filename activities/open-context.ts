import { HoldfastError } from '../workflows/domain/errors.ts';
import { drillSystem, inPlaceSystem, turnSystem } from '../workflows/domain/homeward.ts';
import type { JobContext, SourceContext } from './context.ts';
import { resolveAddress, resolveSecret } from './secrets.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import type { Keys } from './stream/keys.ts';
import { openKeys, openVerifyingKeys } from './stream/open-keys.ts';
import { loadGivenFile } from './file-of-run.ts';
import { fileGiven } from './going-by.ts';
import { loadSystemFile, type LoadedSystem } from './system-files.ts';

export interface SystemContext {
  loaded: LoadedSystem;
  store: Store;
  keys: Keys;
  secret(ref: string): Promise<string>;
  address(text: string): string;
}

/** Store clients and keys are opened once a process, and again when the file has changed; of the file that a run goes by beside those of the file as it is. */
const opened = new Map<string, { digest: string; context: Promise<SystemContext> }>();

/**
 * What belongs to a whole system: its file (of a run, the one that it goes by), primary store and keys.
 * @throws UnknownSystem, BadSystemFile - also when a secret reference resolves to nothing.
 */
export async function openSystem(system: string): Promise<SystemContext> {
  const loaded = await loadGivenFile(system);
  const name = fileGiven(system) ? `${system} of a run` : system;
  const cached = opened.get(name);
  if (cached?.digest === loaded.digest) return await cached.context;
  const context = openParts(loaded);
  opened.set(name, { digest: loaded.digest, context });
  // What failed once, such as a secret that was not mounted yet, is tried again.
  context.catch(() => opened.delete(name));
  return await context;
}

/** Whoever opens a system next resolves its secrets anew. Of a process that does nothing else meanwhile: the stores are closed. */
export function forgetOpened(): void {
  for (const { context } of opened.values()) context.then(({ store }) => store.close(), () => undefined);
  opened.clear();
}

async function openParts(loaded: LoadedSystem): Promise<SystemContext> {
  const secret = async (ref: string): Promise<string> => await resolveSecret(ref, loaded.directory);
  const address = resolveAddress;
  const store = await openStore(loaded.system.stores[0]!, { secret, address });
  const keys = await openKeys(loaded.system.key, secret);
  return { loaded, store, keys, secret, address };
}

/**
 * What whoever only verifies works with: the bucket, and public keys. Neither the signing nor the data key is asked for.
 * @throws UnknownSystem, BadSystemFile.
 */
export async function openVerifier(system: string): Promise<{ loaded: LoadedSystem; store: Store; keys: Keys }> {
  const loaded = await loadSystemFile(system);
  const secret = async (ref: string): Promise<string> => await resolveSecret(ref, loaded.directory);
  const store = await openStore(loaded.system.stores[0]!, { secret, address: resolveAddress });
  return { loaded, store, keys: await openVerifyingKeys(loaded.system.key, secret) };
}

/**
 * What a job of one source works with.
 * @param epoch - 0 for work that writes nothing to the store.
 * @param inPlace - it is restored where it lives.
 * @param towards - where a run brings the source: its home turns the system round, a drill has a place of its own; left out: its standby.
 * @throws BadInput - the system has no such source; names those it has. Or no way home.
 */
export async function openContext(of: { system: string; source: string; epoch: number; towards?: string | undefined; inPlace?: boolean | undefined }, job: JobContext): Promise<SourceContext> {
  const { loaded, store, keys, secret, address } = await openSystem(of.system);
  const inPlace = of.inPlace === true;
  const homeward = !inPlace && of.towards !== undefined && of.towards === loaded.system.sources[of.source]?.environment;
  if ((homeward || inPlace) && !loaded.system.failback) throw new HoldfastError('BadInput', `system "${of.system}" declares no failback, so nothing brings "${of.source}" to ${of.towards}`);
  const system = inPlace ? inPlaceSystem(loaded.system) : homeward ? turnSystem(loaded.system) : of.towards === loaded.system.drill?.environment ? drillSystem(loaded.system) : loaded.system;
  const source = system.sources[of.source];
  if (!source) {
    throw new HoldfastError('BadInput', `system "${of.system}" has no source "${of.source}"; known: ${Object.keys(system.sources).join(', ')}`);
  }
  return { ...job, system, sourceName: of.source, ...(homeward ? { homeward } : {}), ...(inPlace ? { inPlace } : {}), source, store, keys, epoch: of.epoch, secret, address };
}
