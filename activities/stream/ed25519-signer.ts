import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Signer } from './keys.ts';

interface Pem {
  pem: string;
  /** field and reference, for errors */
  where: string;
}

/** First 16 hex digits of SHA-256 over the public key's SPKI bytes. */
const signingKeyId = (publicKey: KeyObject): string =>
  createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('hex').slice(0, 16);

/**
 * Signs with one Ed25519 key, and believes what any of the known public keys signed.
 *
 * @throws BadSystemFile - a key is not Ed25519 in PEM, or our own public key is not among the known ones: everything
 *   that we write would be refused when it is needed.
 */
export function ed25519Signer(privatePem: Pem, publicPems: Pem[]): Signer {
  const privateKey = readKey(privatePem, createPrivateKey);
  const known = readKnown(publicPems);
  const keyId = signingKeyId(createPublicKey(privateKey));
  if (!known.has(keyId)) {
    throw new HoldfastError('BadSystemFile', `${privatePem.where}: its public key ${keyId} is not among key.signing.publicKeys (${[...known.keys()].join(', ')})`, {
      hint: 'add it there, or every backup made with it will be refused',
    });
  }
  return {
    sign: (body) => ({ algorithm: 'ed25519', keyId, value: sign(null, body, privateKey).toString('base64') }),
    verify: verifyAgainst(known),
  };
}

/** Believes what any of the known public keys signed, and signs nothing: for whoever has no more than those. */
export const ed25519Verifier = (publicPems: Pem[]): Signer => ({
  sign() {
    throw new HoldfastError('BadSystemFile', 'nothing can be signed: only public keys were read');
  },
  verify: verifyAgainst(readKnown(publicPems)),
});

const readKnown = (publicPems: Pem[]): Map<string, KeyObject> =>
  new Map(publicPems.map((pem) => {
    const key = readKey(pem, createPublicKey);
    return [signingKeyId(key), key];
  }));

function verifyAgainst(known: ReadonlyMap<string, KeyObject>): Signer['verify'] {
  return (body, signature, where) => {
    const key = known.get(signature.keyId);
    if (!key) {
      throw new HoldfastError('Tampered', `${where}: signed by ${signature.keyId}, which is not known (${[...known.keys()].join(', ')})`, {
        hint: 'if that key was rotated out, put its public key back under key.signing.publicKeys',
      });
    }
    const value = Buffer.from(signature.value, 'base64');
    // The last letters of base64 hold bits that stand for nothing: one that rots there would be believed, and told by nobody.
    if (value.toString('base64') !== signature.value || !verify(null, body, key, value)) {
      throw new HoldfastError('Tampered', `${where}: its signature by ${signature.keyId} is wrong: it was altered after it was signed`);
    }
  };
}

function readKey({ pem, where }: Pem, read: (pem: string) => KeyObject): KeyObject {
  try {
    const key = read(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // the parser's message can quote the input, and the input is a secret
  }
  throw new HoldfastError('BadSystemFile', `${where}: not an Ed25519 key in PEM`, {
    hint: 'make one with: openssl genpkey -algorithm ed25519; its public half with: openssl pkey -pubout',
  });
}
