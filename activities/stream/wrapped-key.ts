import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { wrappedKeySchema, type WrappedKey } from '../../workflows/domain/keys/records.ts';
import { canonicalBytes } from './canonical.ts';
import { dataKeyId, dataKeyOf } from './data-key.ts';
import type { DataKey, KeyObject, KeyWrapper, Signer } from './keys.ts';

/** What the wrappers have in common: the object that they make, and what must be so before a key is given out. */

export const wrappedKey = (recipient: WrappedKey['recipient'], key: DataKey, context: Record<string, string>, wrapped: Uint8Array): WrappedKey =>
  ({ format: formatVersion, kind: 'wrapped-key', key: key.id, recipient, context, wrapped: Buffer.from(wrapped).toString('base64') });

export const cipherOf = ({ wrapped }: WrappedKey): Buffer => Buffer.from(wrapped, 'base64');

/** @throws WrongKey - names the words that differ. */
export function requireContext({ key }: Pick<WrappedKey, 'key'>, found: Record<string, string>, wanted: Record<string, string>): void {
  const different = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].filter((name) => found[name] !== wanted[name]);
  if (different.length > 0) throw new HoldfastError('WrongKey', `key ${key} was wrapped for something else: ${different.join(', ')} differ`);
}

/** @throws WrongKey - the object's name for it is another key's. */
export function requireName({ key }: Pick<WrappedKey, 'key'>, plain: Uint8Array): DataKey {
  if (plain.byteLength !== 32 || dataKeyId(plain) !== key) throw new HoldfastError('WrongKey', `the object of key ${key} holds another key`);
  return dataKeyOf(plain);
}

/** What a cipher that authenticates no further words encrypts: the key, and what it is of. */
export const envelopeOf = (key: DataKey, context: Record<string, string>): Buffer => canonicalBytes({ context, key: Buffer.from(key.bytes).toString('base64') });

/** @throws WrongKey - it holds no key, another one, or one of something else. */
export function openEnvelope(wrapped: WrappedKey, plain: Uint8Array, context: Record<string, string>): DataKey {
  const { context: found, key } = (parseJson(plain) ?? {}) as { context?: Record<string, string>; key?: string };
  if (found === null || typeof found !== 'object' || typeof key !== 'string') throw new HoldfastError('WrongKey', `the object of key ${wrapped.key} opens to something that is no key`);
  requireContext(wrapped, found, context);
  return requireName(wrapped, Buffer.from(key, 'base64'));
}

/** Signed, so that what anybody could have wrapped for a public key is told from what we did. */
export const signedKey = (signer: Signer, wrapped: WrappedKey): WrappedKey => ({ ...wrapped, signature: signer.sign(canonicalBytes(wrapped)) });

/** As it lies in the bucket: canonical JSON. */
export const signedKeyObject = (signer: Signer, wrapped: WrappedKey): Buffer => canonicalBytes(signedKey(signer, wrapped));

export interface ParsedKeyObject {
  wrapped: WrappedKey;
  signature: WrappedKey['signature'];
}

/** undefined: it is no key object. */
export function parseKeyObject(bytes: Uint8Array): ParsedKeyObject | undefined {
  const parsed = wrappedKeySchema.safeParse(parseJson(bytes));
  if (!parsed.success) return undefined;
  const { signature, ...wrapped } = parsed.data;
  return { wrapped, signature };
}

/** @throws Tampered - the system has not signed it. */
export function requireSigned(signer: Signer, { wrapped, signature }: { wrapped: WrappedKey; signature: WrappedKey['signature'] }, where: string): void {
  if (!signature) throw new HoldfastError('Tampered', `${where}: is not signed, and anybody could have wrapped it for ${wrapped.recipient.id}`);
  signer.verify(canonicalBytes(wrapped), signature, where);
}

/** As a key object that was wrapped for this recipient, as it is now, under this context; undefined: it was not, or nobody believes it. Does not open it. */
export async function isFor(signer: Signer, wrapper: KeyWrapper, { key, bytes }: KeyObject, context: Record<string, string>): Promise<ParsedKeyObject | undefined> {
  const parsed = parseKeyObject(bytes);
  if (!parsed || parsed.wrapped.recipient.kind !== wrapper.recipient.kind || parsed.wrapped.recipient.id !== wrapper.recipient.id) return undefined;
  if (Object.entries(context).some(([word, value]) => parsed.wrapped.context[word] !== value)) return undefined;
  try {
    if (!wrapper.authenticates) requireSigned(signer, parsed, key);
  } catch (error) {
    if (error instanceof HoldfastError && error.type === 'Tampered') return undefined;
    throw error;
  }
  return wrapper.of === undefined || parsed.wrapped.recipient.of === (await wrapper.of()) ? parsed : undefined;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
