import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { openKeys } from '../../activities/stream/open-keys.ts';
import type { Keys } from '../../activities/stream/keys.ts';
import type { System } from '../../workflows/domain/system.ts';

export const keyConfig: System['key'] = {
  id: 'test',
  aes256: '${AES}',
  signing: { privateKey: '${PRIVATE}', publicKeys: ['${PUBLIC}'] },
};

/** Fresh key material, as a system's secrets would give it. */
export function newSecrets(): Record<string, string> {
  const pair = generateKeyPairSync('ed25519');
  return {
    '${AES}': randomBytes(32).toString('hex'),
    '${PRIVATE}': pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    '${PUBLIC}': pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

export const keysFrom = (secrets: Record<string, string>): Promise<Keys> => openKeys(keyConfig, async (ref) => secrets[ref]!);

export const newKeys = (): Promise<Keys> => keysFrom(newSecrets());
