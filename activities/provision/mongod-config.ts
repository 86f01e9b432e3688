import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { replaceFile } from '../replace-file.ts';

/** The part of mongod's configuration that we write or look at. */
export interface MongodConfig {
  net?: { port?: number; bindIp?: string; tls?: { mode?: string; certificateKeyFile?: string; CAFile?: string; allowConnectionsWithoutCertificates?: boolean }; unixDomainSocket?: { enabled?: boolean; pathPrefix?: string } };
  storage?: { dbPath?: string; wiredTiger?: { engineConfig?: { cacheSizeGB?: number; configString?: string } } };
  operationProfiling?: { slowOpThresholdMs?: number };
  replication?: { replSetName?: string };
  security?: { keyFile?: string; authorization?: 'enabled' };
  setParameter?: Record<string, string | number | boolean>;
  [section: string]: unknown;
}

/** The parsed file, or undefined when there is none. */
export async function readMongodConfig(path: string): Promise<MongodConfig | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : ((parse(text) as MongodConfig | null) ?? {});
}

export async function writeMongodConfig(path: string, config: MongodConfig, comment: string): Promise<void> {
  await replaceFile(path, `# ${comment}\n${stringify(config)}`);
}
