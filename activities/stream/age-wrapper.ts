import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { KeyWrapper } from './keys.ts';
import { cipherOf, envelopeOf, openEnvelope, wrappedKey } from './wrapped-key.ts';

/**
 * Wraps data keys for a key pair of age (X25519), whose private half is meant to lie on paper or on a stick, away from everything that runs: a file in age's format, as `age -d` opens it.
 *
 * @param privateKey - AGE-SECRET-KEY-1…; left out: it wraps, and opens nothing. Comments, as age-keygen writes them, may stand above it.
 * @throws BadSystemFile - one of the keys is none, or they are not a pair.
 * @source age-encryption.org/v1; the typage library, by age's own author.
 */
export async function ageWrapper(id: string, { publicKey, privateKey }: { publicKey: string; privateKey?: string | undefined }, where: string): Promise<KeyWrapper> {
  const { Decrypter, Encrypter, identityToRecipient } = await import('age-encryption');
  const recipient = { kind: 'age', id };
  const encrypter = new Encrypter();
  try {
    encrypter.addRecipient(publicKey);
  } catch {
    throw new HoldfastError('BadSystemFile', `${where}.publicKey: ${publicKey} is not a public key of age`, { hint: 'age-keygen -y, or holdfast key new-recovery, prints it' });
  }
  const identity = privateKey === undefined ? undefined : /^AGE-SECRET-KEY-1\S+$/m.exec(privateKey)?.[0];
  const decrypter = new Decrypter();
  if (privateKey !== undefined) {
    // Its own error may quote what it was given.
    const pair = identity === undefined ? undefined : await identityToRecipient(identity).catch(() => undefined);
    if (pair === undefined) throw new HoldfastError('BadSystemFile', `${where}.privateKey: not a private key of age`, { hint: 'it is one line that begins with AGE-SECRET-KEY-1' });
    if (pair !== publicKey) throw new HoldfastError('BadSystemFile', `${where}.privateKey: belongs to ${pair}, and not to ${publicKey}`);
    decrypter.addIdentity(identity!);
  }
  return {
    recipient,
    opens: identity !== undefined,
    authenticates: false,
    of: () => Promise.resolve(publicKey),

    async wrap(dataKey, context) {
      return wrappedKey({ ...recipient, of: publicKey }, dataKey, context, await encrypter.encrypt(envelopeOf(dataKey, context)));
    },

    async unwrap(wrapped, context) {
      if (identity === undefined) throw new HoldfastError('WrongKey', `the private half of the age key ${id} is not here, so key ${wrapped.key} is not opened with it`, { hint: `give it as ${where}.privateKey on the machine that recovers` });
      const plain = await decrypter.decrypt(cipherOf(wrapped)).catch((cause: unknown) => {
        throw new HoldfastError('WrongKey', `the age key ${id} does not open key ${wrapped.key}`, { cause });
      });
      return openEnvelope(wrapped, plain, context);
    },
  };
}
