import { join } from 'node:path';
import { findPostgresProgram } from '../../../activities/tool/find-postgres.ts';
import type { Postgres } from '../../harness/postgres.ts';
import { runPipeline } from '../peers.ts';
import type { Taken } from '../race.ts';
import { bucket } from '../world.ts';
import { database } from './data.ts';

export const chain = 'pg_dump | gzip | openssl | S3';
export const chainBack = 'S3 | openssl | gunzip | psql';

const script = (name: string): string => join(import.meta.dirname, '..', name);

/** The handbooks' chain: one plain dump, gzipped, encrypted, uploaded as it comes. */
export async function dumpToStore({ env, major }: Postgres, key: string): Promise<Taken> {
  return await runPipeline('"$1" | gzip | openssl enc -aes-256-ctr -pbkdf2 -pass env:BENCH_KEY | "$2" "$3" "$4" "$5"', [
    (await findPostgresProgram('pg_dump', major)).path, process.execPath, script('upload-stdin.ts'), bucket, key,
  ], { ...env, PGDATABASE: database });
}

/** Its way back: downloaded, decrypted, unpacked and run as it comes. */
export async function restoreFromStore({ env, major }: Postgres, key: string): Promise<Taken> {
  return await runPipeline('"$1" "$2" "$3" "$4" | openssl enc -d -aes-256-ctr -pbkdf2 -pass env:BENCH_KEY | gzip -d | "$5" -X -q -v ON_ERROR_STOP=1 >/dev/null', [
    process.execPath, script('download-stdout.ts'), bucket, key, (await findPostgresProgram('psql', major)).path,
  ], { ...env, PGDATABASE: database });
}
