import { accessSync, constants, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { findPostgresProgram, type PostgresProgram } from '../../tool/find-postgres.ts';
import { runTool } from '../../tool/run-tool.ts';

/**
 * What pg_verifybackup, or the pg_waldump that it runs, says of files that are not what their server sent. Its exit code is the same for whatever stops it: a disk that cannot be read, too little memory.
 * @source PostgreSQL, pg_verifybackup.c, parse_manifest.c and pg_waldump.c.
 */
const damage = /is present (?:on disk but not in|in the manifest but not on)|has size \d+ on disk but|checksum mismatch|has checksum of length|should contain \d+ bytes|is not a file or directory|could not parse backup manifest|manifest system identifier is|error in WAL record|could not find a valid record|could not (?:locate|find) (?:any )?(?:WAL )?file|WAL file is from different database system/;
const lacksWaldump = /program "pg_waldump" (?:is needed by|was found by)/;
const endedByItself = 1;
const wholeOf = (major: number): string => `install the whole of PostgreSQL ${major} (Debian: postgresql-${major})`;

export interface Verifier extends PostgresProgram {
  /** it reads the WAL of a base too */
  readsLog: boolean;
}

/** A newer one compares files as well; the WAL of an older server its pg_waldump does not read. @throws ToolMissing - there is none, or no pg_waldump beside it: it looks for that nowhere else. */
export async function findVerifier(major: number): Promise<Verifier> {
  const program = await findPostgresProgram('pg_verifybackup', major);
  if (program.major !== major) return { ...program, readsLog: false };
  const waldump = join(dirname(realpathSync(program.path)), 'pg_waldump');
  try {
    accessSync(waldump, constants.X_OK);
  } catch (cause) {
    throw new HoldfastError('ToolMissing', `${program.path} reads the WAL of a base by ${waldump}, which is no program that can be run`, { hint: wholeOf(major), cause });
  }
  return { ...program, readsLog: true };
}

/**
 * Compares every file of a base with what its server said when it sent it, and reads the WAL that it needs, unless the program is newer: the server that replays that is the first who does then.
 * @throws Tampered - names the file. @throws ToolFailed - retryable: it could not be compared. @throws ToolMissing.
 */
export async function verifyFiles({ path, major, readsLog }: Verifier, { backup, signal }: { backup: string; signal?: AbortSignal }, directory: string): Promise<void> {
  try {
    await runTool({ path }, ['--quiet', '--exit-on-error', ...(readsLog ? [] : ['--no-parse-wal']), directory], { env: { LC_ALL: 'C' }, ...(signal ? { signal } : {}) });
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.details['exitCode'] !== endedByItself) throw error;
    if (lacksWaldump.test(error.message)) throw new HoldfastError('ToolMissing', `backup ${backup} cannot be checked: ${error.message}`, { hint: wholeOf(major), cause: error });
    if (damage.test(error.message)) throw new HoldfastError('Tampered', `backup ${backup} is not what its server sent: ${error.message}`, { hint: 'take another recovery point', cause: error });
    throw error;
  }
}
