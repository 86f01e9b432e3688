import { realpathSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { locateEach, waysToGet, type FoundTool, type ToolName } from './find-tool.ts';
import { runTool } from './run-tool.ts';

export interface PostgresProgram {
  path: string;
  /** 17 */
  major: number;
  /** 17.10 */
  version: string;
}

/** What a program is for: `same` serves or writes data files, and must be of the server's version; `client` speaks to a server, or reads what it wrote down of itself, and may be newer, never older. */
export type Fit = 'same' | 'client';

/**
 * A PostgreSQL program that fits a server of this major version, out of all that stand on this machine. Of several clients the oldest that fits: what a newer
 * pg_dump writes, the server that it came from may not understand.
 *
 * @throws ToolMissing - there is none, or only others; names their versions and the ways to get one.
 */
export async function findPostgresProgram(name: ToolName, major: number, fit: Fit = 'client'): Promise<PostgresProgram> {
  const found = await postgresPrograms(name);
  const fitting = found.filter((one) => (fit === 'same' ? one.major === major : one.major >= major)).sort((one, other) => one.major - other.major);
  if (fitting[0]) return fitting[0];
  const wanted = fit === 'same' ? `PostgreSQL ${major}` : `PostgreSQL ${major} or newer`;
  if (found.length === 0) throw new HoldfastError('ToolMissing', `${name} is missing, of ${wanted}.`, { hint: ways(name, major, fit) });
  const there = found.map(({ path, version }) => `${path} is ${version}`).join(', ');
  throw new HoldfastError('ToolMissing', `${name} of ${wanted} is missing: the server is ${major}, and ${there}. ${fit === 'same' ? 'Data files are only for programs of their own version.' : 'A client older than its server is refused: it does not know all that the server holds.'}`, { hint: ways(name, major, fit) });
}

/** All of a program that stand on this machine, as `findTool` would look for it; the one that its variable names, alone. */
export async function postgresPrograms(name: ToolName): Promise<PostgresProgram[]> {
  const paths = new Set<string>();
  for (const found of locateEach(name)) {
    if (isProgramItself(found)) paths.add(found.path);
  }
  const programs = await Promise.all([...paths].map(versionOf));
  return programs.filter((program) => program !== undefined);
}

/** Debian's /usr/bin/pg_dump is a script that chooses a version by rules of its own; the programs behind it are found where they are. */
const isProgramItself = ({ path, from }: FoundTool): boolean => from === 'env' || basename(realpathSync(path)) !== 'pg_wrapper';

/** What each said, for as long as its file is the same: a restore asks a dozen times, and each time is a program to start. */
const asked = new Map<string, Promise<PostgresProgram | undefined>>();

async function versionOf(path: string): Promise<PostgresProgram | undefined> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  const name = [path, found.ino, found.mtimeMs, found.size].join(' ');
  const known = asked.get(name) ?? askVersion(path);
  asked.set(name, known);
  // What did not answer may answer the next time.
  if ((await known) === undefined) asked.delete(name);
  return await known;
}

/** `pg_dump (PostgreSQL) 17.10`; undefined for a program that does not run or says no such thing. */
async function askVersion(path: string): Promise<PostgresProgram | undefined> {
  const said = await runTool({ path }, ['--version'], { timeoutMs: 15_000 }).then(({ stdout }) => stdout, () => '');
  const [, version, major] = /\(PostgreSQL\) ((\d+)[\w.]*)/.exec(said) ?? [];
  return version === undefined ? undefined : { path, version, major: Number(major) };
}

/** Set-up brings 17: no server of another version, and no client of a later one. */
function ways(name: ToolName, major: number, fit: Fit): string {
  const [bySetUp, ...others] = waysToGet(name);
  return [...(major === 17 || (fit === 'client' && major < 17) ? [bySetUp] : []), `install PostgreSQL ${major} (Debian: postgresql-${major})`, ...others].join('; or ');
}
