import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a pusher is asked: one line of JSON; it answers with empty lines while it works, and with an `Answer` as the last. */
export interface Question {
  args: readonly string[];
  /** what paths are relative to: the server's data directory */
  cwd: string;
}

export interface Answer {
  code: number;
  out: string;
  err: string;
}

/** So often a pusher says that it works. */
export const tickEveryMs = 1_000;

/** A shell's own, which say nothing of what a command would do. */
const ofShells = new Set(['_', 'SHLVL', 'OLDPWD']);

/**
 * Where the pusher of this server listens: one for each user, data directory, environment and checkout, so that a pusher reads the same system file with the same secrets as a process of its own would.
 * @returns undefined where the directory is not this user's alone: somebody else could answer there.
 */
export function pusherSocket(): string | undefined {
  const directory = join(tmpdir(), `holdfast-wal-${process.getuid!()}`);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const found = lstatSync(directory);
    if (!found.isDirectory() || found.uid !== process.getuid!() || (found.mode & 0o077) !== 0) return undefined;
    const environment = Object.entries(process.env).filter(([name]) => !ofShells.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
    return join(directory, `${createHash('sha256').update(JSON.stringify([process.cwd(), import.meta.dirname, process.version, environment])).digest('hex').slice(0, 24)}.sock`);
  } catch {
    return undefined;
  }
}
