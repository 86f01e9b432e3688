import { readFile } from 'node:fs/promises';
import { rememberSecret } from '../../activities/secrets.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';

/** 32 bytes, and the name under which whatever was encrypted with them knows them. */
export interface PayloadKey {
  id: string;
  key: Buffer;
}

/** The one setting: the path of a file of keys. Not set: nothing is encrypted. */
export const payloadKeysVariable = 'HOLDFAST_PAYLOAD_KEYS';

const line = /^([a-z0-9][a-z0-9-]{0,62})\s+([0-9a-f]{64})$/i;

/**
 * Reads the file that HOLDFAST_PAYLOAD_KEYS names: a key a line, `<id> <64 hex digits>`; empty lines and lines that begin with # are passed
 * over. The first encrypts, all of them decrypt: a key is changed by a new first line, and the old one stays until no history needs it.
 *
 * @returns no keys where the variable is not set.
 * @throws BadInput - names file and line, never what stands there.
 */
export async function readPayloadKeys(env: NodeJS.ProcessEnv = process.env): Promise<PayloadKey[]> {
  const path = env[payloadKeysVariable];
  if (path === undefined || path === '') return [];
  const keys = parseKeys(await read(path), path);
  if (keys.length === 0) throw new HoldfastError('BadInput', `${payloadKeysVariable}=${path}: no key in it`, { hint });
  return keys;
}

const hint = 'make one with `holdfast codec new-key`, the same file for every worker and for whoever uses the CLI';

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new HoldfastError('BadInput', `${payloadKeysVariable}=${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`, { hint });
  }
}

function parseKeys(text: string, path: string): PayloadKey[] {
  const keys: PayloadKey[] = [];
  text.split('\n').forEach((raw, index) => {
    const said = raw.trim();
    if (said === '' || said.startsWith('#')) return;
    const [, id, hex] = line.exec(said) ?? [];
    const where = `${payloadKeysVariable}=${path}, line ${index + 1}`;
    if (id === undefined || hex === undefined) throw new HoldfastError('BadInput', `${where}: expected an id, a space and 64 hex digits`, { hint });
    if (keys.some((known) => known.id === id)) throw new HoldfastError('BadInput', `${where}: the id "${id}" stands there twice`);
    rememberSecret(hex);
    keys.push({ id, key: Buffer.from(hex, 'hex') });
  });
  return keys;
}
