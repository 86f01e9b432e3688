import { resolve } from 'node:path';
import type { StoreConfig } from '../../workflows/domain/system.ts';
import { readCa } from '../transport/read-ca.ts';
import { openLocalStore } from './local.ts';
import type { S3StoreOptions } from './s3.ts';
import type { Store } from './store.ts';

/** How references of a system file become values. */
export interface Resolve {
  /** reads `${ENV}` and `file:` references */
  secret(ref: string): Promise<string>;
  /** fills in `${ENV}`; left out: addresses stand as they are */
  address?(text: string): string;
}

/**
 * Opens a store of a system file. Asks the store nothing yet.
 * @throws BadSystemFile - a secret or an address resolves to nothing.
 */
export async function openStore(config: StoreConfig, { secret, address = (text) => text }: Resolve): Promise<Store> {
  if (config.kind === 'local') {
    return openLocalStore({ name: config.name, path: resolve(address(config.path)), prefix: config.prefix, lockMs: config.lock?.retain, evidenceLockMs: config.lock?.evidence, quotaBytes: config.quota });
  }
  const options = await s3Options(config, { secret, address });
  // Its client is the largest thing that a process loads, and a local store needs none of it.
  return (await import('./s3.ts')).openS3Store(options);
}

/** What a client of a bucket is made of. @throws BadSystemFile - a secret, an address or a file of certificates that is not there. */
export async function s3Options(config: Extract<StoreConfig, { kind: 's3' }>, { secret, address = (text) => text }: Resolve): Promise<S3StoreOptions> {
  const credentials = config.credentials && {
    accessKeyId: await secret(config.credentials.accessKeyId),
    secretAccessKey: await secret(config.credentials.secretAccessKey),
  };
  const ca = config.caFile === undefined ? undefined : await readCa(address(config.caFile), `store ${config.name}`);
  const endpoint = config.endpoint === undefined ? undefined : address(config.endpoint);
  return { ...config, endpoint, bucket: address(config.bucket), credentials, ca };
}
