import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { WrappedKey } from '../../workflows/domain/keys/records.ts';
import type { Store } from '../store/store.ts';

/** A 256-bit key that encrypts the parts of one backup, or an hour of slices. Never leaves the process, never logged. */
export interface DataKey {
  id: string;
  bytes: Uint8Array;
}

/**
 * Wraps data keys for one recipient. Each kind keeps the promises of test/conformance/key-wrapper.ts.
 *
 * The context is bound to the key: by the cipher where it authenticates further words (aes256, kms), inside the ciphertext where it does not (gpg, age). Whoever has a public key can wrap
 * what he likes for it, so no key object is believed for opening alone: see `Keys.open`.
 */
export interface KeyWrapper {
  readonly recipient: { kind: string; id: string };
  /** false: it has the public half alone, and wraps only */
  readonly opens: boolean;
  /** what it wraps was wrapped by somebody who could open it; false: by anybody who knows a public key */
  readonly authenticates: boolean;
  /** Which public half this is (age: itself; gpg: its fingerprint), so that what was wrapped for another under the same name is told from what is for this one; left out: only opening tells. */
  of?(): Promise<string>;
  /** @throws KeyUnavailable - retryable: what wraps does not answer. KeyRefused - it is expired, disabled or denied. ToolMissing. */
  wrap(key: DataKey, context: Record<string, string>): Promise<WrappedKey>;
  /** @throws WrongKey - this recipient's key does not open it, or the context differs. KeyUnavailable, KeyRefused, ToolMissing - as `wrap`. */
  unwrap(wrapped: WrappedKey, context: Record<string, string>): Promise<DataKey>;
}

export interface Signer {
  sign(body: Uint8Array): { algorithm: 'ed25519'; keyId: string; value: string };
  /** @throws Tampered - no known key verifies it; names the object's key. */
  verify(body: Uint8Array, signature: { keyId: string; value: string }, where: string): void;
}

/** A key object as it was read. */
export interface KeyObject {
  key: string;
  bytes: Uint8Array;
}

/** The key material of one system, resolved from its secret references. */
export interface Keys {
  /** for whom every new key is wrapped, the cheapest to open first */
  wrappers: KeyWrapper[];
  /** these open what was wrapped for them, and wrap nothing any more */
  retiring: KeyWrapper[];
  signer: Signer;
  newDataKey(): DataKey;
  /** Puts one signed key object per recipient; the key exists once these are written. */
  store(key: DataKey, context: Record<string, string>, to: { store: Store; keyOf: (recipient: string) => string }): Promise<ObjectRef[]>;
  /**
   * Opens the first key object that a wrapper of ours opens, and that is believed: made by somebody who could open it, or signed by the system.
   * @param keyId - which key it has to be; left out: any. @throws WrongKey - none does. KeyUnavailable - none does, and one of them could not be asked.
   */
  open(objects: readonly KeyObject[], context: Record<string, string>, keyId?: string): Promise<DataKey>;
}
