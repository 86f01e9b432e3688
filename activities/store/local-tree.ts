import { chmod, lstat, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';

/** What a directory store is on disk: how much it takes, and whether it is its owner's alone. */

export interface Exposed {
  path: string;
  /** as `ls` would have it in figures: 0644 */
  mode: string;
  wanted: '0700' | '0600';
}

interface Entry {
  path: string;
  isDirectory: boolean;
  mode: number;
  bytes: number;
}

/** Everything below a directory, and itself first; a link to it is followed, those in it are not, and have no mode of their own. What goes meanwhile is left out. */
async function* entriesOf(path: string): AsyncGenerator<Entry> {
  const home = await realpath(path).catch(unlessGone);
  if (home !== undefined) yield* entriesBelow(home);
}

async function* entriesBelow(path: string): AsyncGenerator<Entry> {
  const found = await lstat(path).catch(unlessGone);
  if (!found || found.isSymbolicLink()) return;
  yield { path, isDirectory: found.isDirectory(), mode: found.mode & 0o777, bytes: found.isFile() ? found.size : 0 };
  if (!found.isDirectory()) return;
  for (const name of (await readdir(path).catch(unlessGone)) ?? []) yield* entriesBelow(join(path, name));
}

function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** Bytes of all files, whoever's they are. */
export async function bytesUnder(path: string, signal?: AbortSignal): Promise<number> {
  let bytes = 0;
  for await (const entry of entriesOf(path)) {
    signal?.throwIfAborted();
    bytes += entry.bytes;
  }
  return bytes;
}

/** What others than its owner may read, change or enter. */
export async function exposedUnder(path: string, signal?: AbortSignal): Promise<Exposed[]> {
  const exposed: Exposed[] = [];
  for await (const { path: where, isDirectory, mode } of entriesOf(path)) {
    signal?.throwIfAborted();
    if ((mode & 0o077) !== 0) exposed.push({ path: where, mode: `0${mode.toString(8).padStart(3, '0')}`, wanted: isDirectory ? '0700' : '0600' });
  }
  return exposed;
}

export async function closeUnder(path: string): Promise<void> {
  for (const { path: where, wanted } of await exposedUnder(path)) await chmod(where, Number.parseInt(wanted, 8));
}

export const describeExposed = ({ path, mode, wanted }: Exposed): string => `${path} is open to others than its owner: mode ${mode}, and ${wanted} is wanted`;
