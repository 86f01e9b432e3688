import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import type { KMSClient } from '@aws-sdk/client-kms';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { seconds } from '../../workflows/domain/units.ts';
import type { WeakerTls } from '../../workflows/domain/weaker-tls.ts';
import { asWeakTransport, requireTls } from '../transport/require-tls.ts';
import type { KeyWrapper } from './keys.ts';
import { cipherOf, requireContext, requireName, wrappedKey } from './wrapped-key.ts';

export interface KmsSettings {
  /** ARN or id of the key, or alias/NAME */
  keyId: string;
  region: string;
  endpoint?: string | undefined;
  /** encryption context beside ours, such as `purpose: backup` */
  context: Record<string, string>;
  /** left out: as the SDK finds them */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  caFile?: string | undefined;
  weakerTls?: WeakerTls;
}

/**
 * Wraps data keys by a key that never leaves AWS KMS: its Encrypt and Decrypt, with our words and the system file's as encryption context, which KMS binds to the ciphertext and refuses to open under another.
 * The object repeats all of it, so that what differs is named before KMS is asked; what it is asked with is what we expect, never what the object says.
 *
 * @throws WeakTransport - the endpoint is off this machine and not spoken to by TLS.
 * @source AWS KMS developer guide, encryption context; API reference, Encrypt and Decrypt.
 */
export async function kmsWrapper(id: string, settings: KmsSettings, where: string): Promise<KeyWrapper> {
  const { DecryptCommand, EncryptCommand, KMSClient } = await import('@aws-sdk/client-kms');
  const { keyId, context: further } = settings;
  const recipient = { kind: 'kms', id };
  const client = await openClient(KMSClient, settings, `${where} (KMS)`);
  const wholeOf = (context: Record<string, string>): Record<string, string> => ({ ...further, ...context });
  const ask = async <T>(key: string, work: () => Promise<T>): Promise<T> => await work().catch((error: unknown) => {
    throw readKmsError(error, { id, keyId, key, where, weakerTls: settings.weakerTls });
  });
  return {
    recipient,
    opens: true,
    authenticates: true,

    async wrap(dataKey, context) {
      const EncryptionContext = wholeOf(context);
      const { CiphertextBlob } = await ask(dataKey.id, async () => await client.send(new EncryptCommand({ KeyId: keyId, Plaintext: Buffer.from(dataKey.bytes), EncryptionContext })));
      return wrappedKey(recipient, dataKey, EncryptionContext, CiphertextBlob!);
    },

    async unwrap(wrapped, context) {
      const EncryptionContext = wholeOf(context);
      requireContext(wrapped, wrapped.context, EncryptionContext);
      const { Plaintext } = await ask(wrapped.key, async () => await client.send(new DecryptCommand({ KeyId: keyId, CiphertextBlob: cipherOf(wrapped), EncryptionContext })));
      return requireName(wrapped, Plaintext!);
    },
  };
}

async function openClient(Client: typeof KMSClient, { region, endpoint, credentials, caFile, weakerTls }: KmsSettings, name: string): Promise<KMSClient> {
  const connector = { name, weakerTls };
  const url = endpoint === undefined ? undefined : new URL(endpoint);
  const { minVersion } = requireTls({ ...connector, hosts: url ? [url.hostname] : [], tls: url === undefined || url.protocol === 'https:' });
  const ca = caFile === undefined ? {} : { ca: [...rootCertificates, await readFile(caFile, 'utf8')] };
  return new Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials ? { credentials } : {}),
    maxAttempts: 3,
    requestHandler: { connectionTimeout: seconds(3), socketTimeout: seconds(10), requestTimeout: seconds(20), throwOnRequestTimeout: true, httpsAgent: { keepAlive: true, minVersion, ...ca } },
  });
}

const wrongKey = new Set(['InvalidCiphertextException', 'IncorrectKeyException']);
const denied = new Set(['AccessDeniedException', 'UnrecognizedClientException', 'InvalidClientTokenId', 'InvalidSignatureException', 'ExpiredTokenException', 'MissingAuthenticationTokenException', 'NotAuthorizedException', 'CredentialsProviderError']);
const out: Readonly<Record<string, string>> = {
  DisabledException: 'is disabled: enable it again in KMS',
  KMSInvalidStateException: 'cannot be used as it is now (scheduled for deletion?): cancel that in KMS before it is gone for ever',
  NotFoundException: 'is not there: look at keyId and region',
  InvalidKeyUsageException: 'is not one that encrypts: it has to be symmetric, for ENCRYPT_DECRYPT',
  InvalidArnException: 'is no key as KMS calls one: look at keyId',
};

/** What an error of KMS means here. Its messages hold names of keys and of roles, and nothing that is secret. */
export function readKmsError(error: unknown, { id, keyId, key, where, weakerTls }: { id: string; keyId: string; key: string; where: string; weakerTls?: WeakerTls }): unknown {
  if (!(error instanceof Error) || error instanceof HoldfastError || error instanceof TypeError) return error;
  const { name, message, code, $metadata } = error as Error & { code?: string; $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  const said = `${name}${code ? ` ${code}` : ''}${message && message !== name && message !== 'UnknownError' ? `: ${message}` : ''}`;
  const make = (type: ConstructorParameters<typeof HoldfastError>[0], text: string, hint?: string): HoldfastError => new HoldfastError(type, text, { ...(hint ? { hint } : {}), cause: error });
  if (wrongKey.has(name)) return make('WrongKey', `the kms key ${id} (${keyId}) does not open key ${key}: it was wrapped by another key, or with another encryption context (${name})`, `look at keyId and context under ${where}`);
  if (denied.has(name)) return make('KeyRefused', `the kms key ${id} (${keyId}) is refused to us for key ${key}: ${said}`, 'let the worker’s role do kms:Encrypt and kms:Decrypt with this key, under this encryption context; another recipient of the backup opens it meanwhile');
  const state = out[name];
  if (state !== undefined) return make('KeyRefused', `the kms key ${id} (${keyId}) ${state} (${said})`, 'another recipient of the backup opens it meanwhile');
  const weak = status === undefined ? asWeakTransport(error, { name: where, weakerTls }) : undefined;
  if (weak) return weak;
  if (status !== undefined && status < 500 && status !== 429 && !/Throttl|Limit|Timeout|Unavailable/.test(name)) return make('KeyRefused', `the kms key ${id} (${keyId}), asked about key ${key}: ${said}`);
  return make('KeyUnavailable', `KMS does not answer for the key ${id} (${keyId}): ${said}`, 'another recipient of the backup opens it meanwhile');
}
