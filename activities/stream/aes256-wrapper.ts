import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { KeyWrapper } from './keys.ts';
import { decryptMessage, encryptMessage } from './message.ts';
import { cipherOf, requireContext, requireName, wrappedKey } from './wrapped-key.ts';

/**
 * Wraps data keys with the system's own AES-256 key: an AWS Encryption SDK message, whose header holds the context.
 *
 * @param id - the key's name in the system file.
 * @param hex - 64 hex digits.
 * @param where - field and reference, for the error: the secret itself is never printed.
 * @throws BadSystemFile - `hex` is something else.
 */
export function aes256Wrapper(id: string, hex: string, where: string): KeyWrapper {
  const digits = hex.trim();
  if (!/^[0-9a-fA-F]{64}$/.test(digits)) {
    const found = digits.length === 64 ? '64 characters that are not all hex digits' : `${digits.length} characters`;
    throw new HoldfastError('BadSystemFile', `${where}: expected 32 bytes as 64 hex digits, found ${found}`, {
      hint: 'make one with: openssl rand -hex 32',
      details: { malformedKey: true },
    });
  }
  const recipient = { kind: 'aes256', id };
  const key = { name: id, bytes: Buffer.from(digits, 'hex') };
  return {
    recipient,
    opens: true,
    authenticates: true,

    async wrap(dataKey, context) {
      return wrappedKey(recipient, dataKey, context, await encryptMessage(key, dataKey.bytes, context));
    },

    async unwrap(wrapped, context) {
      const opened = await decryptMessage(key, cipherOf(wrapped)).catch((cause: unknown) => {
        throw new HoldfastError('WrongKey', `the aes256 key ${id} does not open key ${wrapped.key}`, { cause });
      });
      requireContext(wrapped, opened.context, context);
      return requireName(wrapped, opened.plain);
    },
  };
}
