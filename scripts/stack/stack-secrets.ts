import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { secretsDirectory } from './stack-file.ts';

/** Files under `secrets/`, each readable by its owner only; `systems/demo.yaml` names some of them. */
export const secretNames = [
  'mongodb-key-file',
  'root-password',
  'holdfast-password',
  'app-password',
  's3-access-key-id',
  's3-secret-access-key',
  'key-aes256',
  'signing-private.pem',
  'signing-public.pem',
] as const;
export type SecretName = (typeof secretNames)[number];

/** Makes what is missing, all of it random. What is there is never made again: data encrypted with it would be lost. */
export function ensureSecrets(stack: { directory: string }): void {
  const directory = secretsDirectory(stack);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const put = (name: SecretName, make: () => string): void => {
    const path = join(directory, name);
    if (existsSync(path)) return;
    writeFileSync(`${path}.new`, make(), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };
  put('mongodb-key-file', () => randomBytes(96).toString('base64'));
  for (const name of ['root-password', 'holdfast-password', 'app-password', 's3-secret-access-key'] as const) put(name, () => randomBytes(18).toString('hex'));
  put('s3-access-key-id', () => `holdfast${randomBytes(6).toString('hex')}`);
  put('key-aes256', () => randomBytes(32).toString('hex'));
  const pair = generateKeyPairSync('ed25519');
  // The public key first: a private key without it would never be made whole again.
  if (!existsSync(join(directory, 'signing-private.pem'))) {
    writeFileSync(join(directory, 'signing-public.pem'), pair.publicKey.export({ type: 'spki', format: 'pem' }), { mode: 0o600 });
    put('signing-private.pem', () => pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  }
}

export const readSecret = (stack: { directory: string }, name: SecretName): string => readFileSync(join(secretsDirectory(stack), name), 'utf8').trim();
