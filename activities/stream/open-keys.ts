import { HoldfastError } from '../../workflows/domain/errors.ts';
import { recipientsOf, retiringOf, type NamedRecipient } from '../../workflows/domain/keys/schema.ts';
import type { System } from '../../workflows/domain/system.ts';
import { resolveAddress } from '../secrets.ts';
import { aes256Wrapper } from './aes256-wrapper.ts';
import { ageWrapper } from './age-wrapper.ts';
import { newDataKey } from './data-key.ts';
import { ed25519Signer, ed25519Verifier } from './ed25519-signer.ts';
import type { DataKey, Keys, KeyWrapper } from './keys.ts';
import { kmsWrapper } from './kms-wrapper.ts';
import { parseKeyObject, requireSigned, signedKeyObject } from './wrapped-key.ts';

type Resolve = (ref: string) => Promise<string>;

/**
 * Resolves a system's key material. No recipient is asked for anything yet.
 *
 * @param resolveSecret - reads `${ENV}` and `file:` references; its errors name the reference.
 * @throws BadSystemFile - a secret is not what it should be; names the field and its reference, never prints the secret.
 */
export async function openKeys(config: System['key'], resolveSecret: Resolve): Promise<Keys> {
  const openAll = async (recipients: NamedRecipient[]): Promise<KeyWrapper[]> => await Promise.all(recipients.map(async (one) => await openWrapper(one, resolveSecret)));
  const [wrappers, retiring, privateKey, publicKeys] = await Promise.all([
    openAll(recipientsOf(config)),
    openAll(retiringOf(config)),
    resolveSecret(config.signing.privateKey),
    Promise.all(config.signing.publicKeys.map(resolveSecret)),
  ]);
  const signer = ed25519Signer(
    { pem: privateKey, where: `key.signing.privateKey (${config.signing.privateKey})` },
    publicKeys.map((pem, index) => ({ pem, where: `key.signing.publicKeys[${index}] (${config.signing.publicKeys[index]})` })),
  );
  return keysOf(wrappers, signer, retiring);
}

/** @param where - its field in the system file. @throws BadSystemFile */
export async function openWrapper({ id, where, config }: NamedRecipient, resolveSecret: Resolve): Promise<KeyWrapper> {
  const optional = async (ref: string | undefined): Promise<string | undefined> => (ref === undefined ? undefined : await resolveSecret(ref));
  switch (config.kind) {
    case 'aes256':
      return aes256Wrapper(id, await resolveSecret(config.aes256), `${where}.aes256 (${config.aes256})`);
    case 'kms': {
      const { credentials: refs, endpoint, caFile, ...settings } = config;
      const credentials = refs && { accessKeyId: await resolveSecret(refs.accessKeyId), secretAccessKey: await resolveSecret(refs.secretAccessKey) };
      return await kmsWrapper(id, { ...settings, keyId: resolveAddress(config.keyId), credentials, endpoint: endpoint && resolveAddress(endpoint), caFile: caFile && resolveAddress(caFile) }, where);
    }
    case 'gpg':
      // It runs a program, and what runs programs is large.
      return await (await import('./gpg-wrapper.ts')).gpgWrapper(id, { recipient: config.recipient, publicKey: await resolveSecret(config.publicKey), privateKey: await optional(config.privateKey), passphrase: await optional(config.passphrase) }, where);
    case 'age':
      return await ageWrapper(id, { publicKey: config.publicKey, privateKey: await optional(config.privateKey) }, where);
  }
}

/** What believes a system's signatures by its public keys alone: opens and signs nothing. @throws BadSystemFile - a public key is none. */
export async function openVerifyingKeys(config: System['key'], resolveSecret: Resolve): Promise<Keys> {
  const publicKeys = await Promise.all(config.signing.publicKeys.map(resolveSecret));
  return keysOf([], ed25519Verifier(publicKeys.map((pem, index) => ({ pem, where: `key.signing.publicKeys[${index}] (${config.signing.publicKeys[index]})` }))));
}

/** Keys from their parts: what openKeys makes of a system file, and what another kind of wrapper plugs into. */
export function keysOf(wrappers: KeyWrapper[], signer: Keys['signer'], retiring: KeyWrapper[] = []): Keys {
  return {
    wrappers,
    retiring,
    signer,
    newDataKey,

    // A key's name is unique, so writing its objects twice only adds equal versions.
    async store(key, context, { store, keyOf }) {
      const put = async (wrapper: KeyWrapper) => store.put(keyOf(wrapper.recipient.id), signedKeyObject(signer, await wrapper.wrap(key, context)));
      return Promise.all(wrappers.map(put));
    },

    async open(objects, context, keyId): Promise<DataKey> {
      const tried: string[] = [];
      let unavailable: HoldfastError | undefined;
      for (const { object, wrapped, signature, wrapper } of inOrder(objects, [...wrappers, ...retiring], tried)) {
        try {
          if (keyId !== undefined && wrapped.key !== keyId) throw new HoldfastError('WrongKey', `it is of key ${wrapped.key}`);
          if (!wrapper.authenticates) requireSigned(signer, { wrapped, signature }, object.key);
          return await wrapper.unwrap(wrapped, context);
        } catch (error) {
          if (!(error instanceof HoldfastError)) throw error;
          if (error.retryable) unavailable ??= error;
          tried.push(`${object.key}: ${error.message}`);
        }
      }
      const ours = [...wrappers, ...retiring].map((w) => `${w.recipient.kind} ${w.recipient.id}`).join(', ');
      throw new HoldfastError(unavailable ? 'KeyUnavailable' : 'WrongKey', `none of ${objects.length} key objects opens with ${ours}: ${tried.join('; ') || 'there is none'}`, {
        hint: 'give a key that the backup was made with (key of the system file)',
        cause: unavailable,
      });
    },
  };
}

interface Candidate {
  object: Parameters<Keys['open']>[0][number];
  wrapped: NonNullable<ReturnType<typeof parseKeyObject>>['wrapped'];
  signature: NonNullable<ReturnType<typeof parseKeyObject>>['signature'];
  wrapper: KeyWrapper;
}

/** Those that a wrapper of ours is named in, the cheapest first. @param tried - is told of the others. */
function inOrder(objects: Parameters<Keys['open']>[0], wrappers: readonly KeyWrapper[], tried: string[]): Candidate[] {
  const found: Candidate[] = [];
  for (const object of objects) {
    const parsed = parseKeyObject(object.bytes);
    if (!parsed) {
      tried.push(`${object.key}: not a key object`);
      continue;
    }
    const { recipient } = parsed.wrapped;
    const wrapper = wrappers.find((w) => w.recipient.kind === recipient.kind && w.recipient.id === recipient.id);
    if (wrapper) found.push({ object, ...parsed, wrapper });
    else tried.push(`${object.key}: for ${recipient.kind} key ${recipient.id}, which we do not have`);
  }
  // A private half that is away is named only where nothing else opens.
  const rank = ({ wrapper }: Candidate): number => (wrapper.opens ? wrappers.indexOf(wrapper) : wrappers.length);
  return found.sort((a, b) => rank(a) - rank(b));
}
