import { createHash } from 'node:crypto';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { formatBytes, mib } from '../../workflows/domain/units.ts';

/**
 * Writers cut at 16 MiB; a single entry of a log may be as large as that and not compress, and what wraps it comes on
 * top. Above this an object is refused on the way in and out, because it is held whole in memory.
 */
export const maxObjectBytes = mib(32);

export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** @throws BadInput - too large, or a key that not every kind of store can hold. */
export function checkPut(key: string, body: Uint8Array): void {
  if (body.byteLength > maxObjectBytes) {
    throw new HoldfastError('BadInput', `${key}: ${formatBytes(body.byteLength)}; an object is at most ${formatBytes(maxObjectBytes)}`);
  }
  const badSegment = key.split('/').some((segment) => segment === '' || segment === '.' || segment === '..');
  if (badSegment || Buffer.byteLength(key) > 900 || /[\u0000-\u001f\u007f]/.test(key)) {
    throw new HoldfastError('BadInput', `not a key: ${JSON.stringify(key.slice(0, 100))} (empty or dot segments, control characters or over 900 bytes)`);
  }
}

/** @throws Tampered - the bytes are not the ones that the reference names. */
export function checkRead(ref: ObjectRef, bytes: Buffer): Buffer {
  if (bytes.length !== ref.bytes) {
    throw new HoldfastError('Tampered', `${ref.key} version ${ref.versionId}: ${bytes.length} bytes, expected ${ref.bytes}`, { details: { key: ref.key } });
  }
  const found = sha256Hex(bytes);
  if (found !== ref.sha256) {
    throw new HoldfastError('Tampered', `${ref.key} version ${ref.versionId}: SHA-256 ${found}, expected ${ref.sha256}`, { details: { key: ref.key } });
  }
  return bytes;
}
