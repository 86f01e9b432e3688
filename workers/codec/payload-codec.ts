import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { payloadKeysVariable, type PayloadKey } from './payload-keys.ts';

const { Payload: PayloadMessage } = proto.temporal.api.common.v1;
const encoding = 'binary/encrypted';
const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
const text = (bytes: Uint8Array | null | undefined): string | undefined => (bytes ? Buffer.from(bytes).toString() : undefined);

/**
 * Encrypts whatever Temporal is given to keep: inputs, results, signals, heartbeats, details, failures. What it still sees is ids, types, task queues,
 * times and search attributes.
 *
 * The form is that of Temporal's own samples, so that codecs in other languages open it: a payload's protobuf message under AES-256-GCM, as
 * nonce (12 bytes, random), ciphertext, tag (16 bytes); the metadata names `binary/encrypted` and the key's id.
 *
 * Without keys it encrypts nothing, and still says by name what it cannot open. What came in plain is passed on as it is: histories from before the
 * setting go on.
 */
export class AesPayloadCodec implements PayloadCodec {
  readonly #keys: readonly PayloadKey[];

  constructor(keys: readonly PayloadKey[]) {
    this.#keys = keys;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    const [newest] = this.#keys;
    return await Promise.resolve(newest ? payloads.map((payload) => encrypt(payload, newest)) : payloads);
  }

  /** @throws WrongKey - no key of that id is here, or the bytes are not what was encrypted under it. */
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return await Promise.resolve(payloads.map((payload) => (text(payload.metadata?.['encoding']) === encoding ? this.#decrypt(payload) : payload)));
  }

  #decrypt(payload: Payload): Payload {
    const id = text(payload.metadata?.['encryption-key-id']) ?? '';
    const known = this.#keys.find((key) => key.id === id);
    if (!known) {
      const have = this.#keys.length === 0 ? `${payloadKeysVariable} is not set` : `known here: ${this.#keys.map((key) => key.id).join(', ')}`;
      throw new HoldfastError('WrongKey', `What Temporal keeps of this workflow is encrypted under the payload key "${id}"; ${have}.`, {
        hint: `set ${payloadKeysVariable} to the key file that the workers have`,
      });
    }
    return decrypt(payload.data ?? new Uint8Array(), known);
  }
}

function encrypt(payload: Payload, { id, key }: PayloadKey): Payload {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce);
  const sealed = [nonce, cipher.update(PayloadMessage.encode(payload).finish()), cipher.final(), cipher.getAuthTag()];
  return { metadata: { encoding: Buffer.from(encoding), 'encryption-key-id': Buffer.from(id) }, data: Buffer.concat(sealed) };
}

function decrypt(data: Uint8Array, { id, key }: PayloadKey): Payload {
  try {
    const decipher = createDecipheriv(algorithm, key, data.subarray(0, nonceBytes), { authTagLength: tagBytes });
    decipher.setAuthTag(data.subarray(-tagBytes));
    return PayloadMessage.decode(Buffer.concat([decipher.update(data.subarray(nonceBytes, -tagBytes)), decipher.final()]));
  } catch (cause) {
    throw new HoldfastError('WrongKey', `A payload says that it is encrypted under the key "${id}", and does not open with it.`, {
      hint: 'either the key of that id is another one here, or what Temporal keeps was changed',
      cause,
    });
  }
}
