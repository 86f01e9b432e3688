import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatVersion } from '../../workflows/domain/manifest.ts';
import { dataKeyId, dataKeyOf } from './data-key.ts';
import type { KeyWrapper } from './keys.ts';
import { decryptMessage, encryptMessage } from './message.ts';

/**
 * Wraps data keys with the system's own AES-256 key.
 *
 * @param id - the key's name in the system file.
 * @param hex - 64 hex digits.
 * @param where - field and reference, for the error: the secret itself is never printed.
 * @throws BadSystemFile - `hex` is something else.
 */
export function aesWrapper(id: string, hex: string, where: string): KeyWrapper {
  const digits = hex.trim();
  if (!/^[0-9a-fA-F]{64}$/.test(digits)) {
    const found = digits.length === 64 ? '64 characters that are not all hex digits' : `${digits.length} characters`;
    throw new HoldfastError('BadSystemFile', `${where}: expected 32 bytes as 64 hex digits, found ${found}`, {
      hint: 'make one with: openssl rand -hex 32',
    });
  }
  const recipient = { kind: 'aes256', id };
  const key = { name: id, bytes: Buffer.from(digits, 'hex') };
  return {
    recipient,

    async wrap(dataKey, context) {
      const wrapped = await encryptMessage(key, dataKey.bytes, context);
      return { format: formatVersion, kind: 'wrapped-key', key: dataKey.id, recipient, context, wrapped: wrapped.toString('base64') };
    },

    async unwrap(wrapped, context) {
      const opened = await decryptMessage(key, Buffer.from(wrapped.wrapped, 'base64')).catch((cause: unknown) => {
        throw new HoldfastError('WrongKey', `the aes256 key ${id} does not open key ${wrapped.key}`, { cause });
      });
      const names = new Set([...Object.keys(opened.context), ...Object.keys(context)]);
      const different = [...names].filter((name) => opened.context[name] !== context[name]);
      if (different.length > 0) {
        throw new HoldfastError('WrongKey', `key ${wrapped.key} was wrapped for something else: ${different.join(', ')} differ`);
      }
      if (dataKeyId(opened.plain) !== wrapped.key) {
        throw new HoldfastError('WrongKey', `the object of key ${wrapped.key} holds another key`);
      }
      return dataKeyOf(opened.plain);
    },
  };
}
