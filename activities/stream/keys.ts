import type { ObjectRef, WrappedKey } from '../../workflows/domain/manifest.ts';
import type { Store } from '../store/store.ts';

// Interface only: the implementation is written in this room (stream/).

/** A 256-bit key that encrypts the parts of one backup, or an hour of slices. Never leaves the process, never logged. */
export interface DataKey {
  id: string;
  bytes: Uint8Array;
}

/** Wraps data keys for one recipient. AES-256 now; KMS, GPG and an offline recipient plug in here. */
export interface KeyWrapper {
  readonly recipient: { kind: string; id: string };
  wrap(key: DataKey, context: Record<string, string>): Promise<WrappedKey>;
  /** @throws WrongKey - this recipient's key does not open it, or the context differs. */
  unwrap(wrapped: WrappedKey, context: Record<string, string>): Promise<DataKey>;
}

export interface Signer {
  sign(body: Uint8Array): { algorithm: 'ed25519'; keyId: string; value: string };
  /** @throws Tampered - no known key verifies it; names the object's key. */
  verify(body: Uint8Array, signature: { keyId: string; value: string }, where: string): void;
}

/** The key material of one system, resolved from its secret references. */
export interface Keys {
  wrappers: KeyWrapper[];
  signer: Signer;
  newDataKey(): DataKey;
  /** Puts one key object per recipient; the key exists once these are written. */
  store(key: DataKey, context: Record<string, string>, to: { store: Store; keyOf: (recipient: string) => string }): Promise<ObjectRef[]>;
  /** Opens the first key object that a wrapper of ours opens. @throws WrongKey - none does. */
  open(objects: { bytes: Uint8Array; key: string }[], context: Record<string, string>): Promise<DataKey>;
}
