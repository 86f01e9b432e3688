import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Setting } from '../../../workflows/domain/store-setup.ts';
import type { StoreConfig } from '../../../workflows/domain/system.ts';
import type { Resolve } from '../open-store.ts';
import { localSetup } from './local-setup.ts';

/**
 * What a kind of store can be made to be. Nothing here takes anything away: a bucket that holds backups already is looked at and added to.
 *
 * Safe to repeat, and to be killed at each line: each setting is read first, one that is as asked is left alone, and the next `init` goes on with what is left.
 */
export interface StoreSetup {
  /** Every setting as it is now; changes nothing. @throws StoreUnavailable, NotPermitted. */
  read(): Promise<Setting[]>;
  /** Brings about one setting that `read` said is `to-do`. @returns it as it is then: `unsupported` where the server refuses it, and what was tried was taken back. */
  apply(setting: Setting): Promise<Setting>;
  /** Puts bytes under a checksum that is not theirs; true: they were refused. Left out: this kind is not told any. */
  refusesWrongChecksum?(key: string): Promise<boolean>;
  /** Deletes a locked version with the right that passes over locks; true: it is gone. Left out: this kind has no such right. */
  bypassesLock?(version: { key: string; versionId: string }): Promise<boolean>;
  close(): void;
}

/** @param name - left out: the first, which is the one that is used. @throws BadInput - the system has no such store. */
export function chooseStore(system: string, stores: readonly StoreConfig[], name: string | undefined): StoreConfig {
  const chosen = name === undefined ? stores[0] : stores.find((store) => store.name === name);
  if (chosen) return chosen;
  throw new HoldfastError('BadInput', `system "${system}" has no store "${name}"; known: ${stores.map((store) => store.name).join(', ')}`);
}

/** @throws BadSystemFile, WeakTransport. */
export async function openSetup(config: StoreConfig, resolve: Resolve): Promise<StoreSetup> {
  return config.kind === 'local' ? localSetup(config, resolve) : await (await import('./s3-setup.ts')).s3Setup(config, resolve);
}
