import { createHash, randomBytes } from 'node:crypto';
import type { DataKey } from './keys.ts';

/**
 * The name of a key, derived from the key: whoever holds a key of this name holds the right bytes, so a message that
 * does not open under it was altered. 96 bits of a hash over 256 random bits tell nothing about the key.
 */
export const dataKeyId = (bytes: Uint8Array): string =>
  `k${createHash('sha256').update('holdfast data key').update(bytes).digest('hex').slice(0, 24)}`;

/** `bytes` is not enumerable: a key that is logged, spread or made JSON by mistake shows its name only. */
export function dataKeyOf(bytes: Uint8Array): DataKey {
  const key = { id: dataKeyId(bytes) };
  Object.defineProperty(key, 'bytes', { value: new Uint8Array(bytes), enumerable: false });
  return key as DataKey;
}

export const newDataKey = (): DataKey => dataKeyOf(randomBytes(32));
