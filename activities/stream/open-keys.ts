import { HoldfastError } from '../../workflows/domain/errors.ts';
import { wrappedKeySchema } from '../../workflows/domain/manifest.ts';
import type { System } from '../../workflows/domain/system.ts';
import { aesWrapper } from './aes-wrapper.ts';
import { canonicalBytes } from './canonical.ts';
import { newDataKey } from './data-key.ts';
import { ed25519Signer, ed25519Verifier } from './ed25519-signer.ts';
import type { DataKey, Keys, KeyWrapper } from './keys.ts';

/**
 * Resolves a system's key material.
 *
 * @param resolveSecret - reads `${ENV}` and `file:` references; its errors name the reference.
 * @throws BadSystemFile - a secret is not what it should be; names the field and its reference, never prints the secret.
 */
export async function openKeys(config: System['key'], resolveSecret: (ref: string) => Promise<string>): Promise<Keys> {
  const [aes256, privateKey, ...publicKeys] = await Promise.all(
    [config.aes256, config.signing.privateKey, ...config.signing.publicKeys].map(resolveSecret),
  );
  const wrappers = [aesWrapper(config.id, aes256!, `key.aes256 (${config.aes256})`)];
  const signer = ed25519Signer(
    { pem: privateKey!, where: `key.signing.privateKey (${config.signing.privateKey})` },
    publicKeys.map((pem, index) => ({ pem, where: `key.signing.publicKeys[${index}] (${config.signing.publicKeys[index]})` })),
  );
  return keysOf(wrappers, signer);
}

/** What believes a system's signatures by its public keys alone: opens and signs nothing. @throws BadSystemFile - a public key is none. */
export async function openVerifyingKeys(config: System['key'], resolveSecret: (ref: string) => Promise<string>): Promise<Keys> {
  const publicKeys = await Promise.all(config.signing.publicKeys.map(resolveSecret));
  return keysOf([], ed25519Verifier(publicKeys.map((pem, index) => ({ pem, where: `key.signing.publicKeys[${index}] (${config.signing.publicKeys[index]})` }))));
}

/** Keys from their parts: what openKeys makes of a system file, and what another kind of wrapper plugs into. */
export function keysOf(wrappers: KeyWrapper[], signer: Keys['signer']): Keys {
  return {
    wrappers,
    signer,
    newDataKey,

    // A key's name is unique, so writing its objects twice only adds equal versions.
    async store(key, context, { store, keyOf }) {
      const put = async (wrapper: KeyWrapper) => store.put(keyOf(wrapper.recipient.id), canonicalBytes(await wrapper.wrap(key, context)));
      return Promise.all(wrappers.map(put));
    },

    async open(objects, context): Promise<DataKey> {
      const tried: string[] = [];
      for (const object of objects) {
        const wrapped = wrappedKeySchema.safeParse(parseJson(object.bytes));
        if (!wrapped.success) {
          tried.push(`${object.key}: not a key object`);
          continue;
        }
        const { recipient } = wrapped.data;
        const wrapper = wrappers.find((w) => w.recipient.kind === recipient.kind && w.recipient.id === recipient.id);
        if (!wrapper) {
          tried.push(`${object.key}: for ${recipient.kind} key ${recipient.id}, which we do not have`);
          continue;
        }
        try {
          return await wrapper.unwrap(wrapped.data, context);
        } catch (error) {
          if (!(error instanceof HoldfastError)) throw error;
          tried.push(`${object.key}: ${error.message}`);
        }
      }
      const ours = wrappers.map((w) => `${w.recipient.kind} ${w.recipient.id}`).join(', ');
      throw new HoldfastError('WrongKey', `none of ${objects.length} key objects opens with ${ours}: ${tried.join('; ') || 'there is none'}`, {
        hint: 'give the key that the backup was made with (key.aes256 of the system file)',
      });
    },
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
