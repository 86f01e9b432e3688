import type pg from 'pg';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Contents } from '../../../workflows/domain/contents.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';

/**
 * The schema in which a restore notes what it has begun and finished, in the target database itself, so that a note and what it is of are committed
 * together: whatever was killed, what is noted is there once, and what is not noted is not there at all. Promotion drops it. Never backed up.
 */
export const controlSchema = 'holdfast_restore';

export interface Claim {
  run: string;
  timeline: string;
  backup: string;
  /** tables of a partial restore, as typed, as JSON, and what of them; empty: everything */
  only: string;
}

export function claimOf({ run }: Pick<TargetRef, 'run'>, { base, only }: Pick<RecoveryPoint, 'base' | 'only'>, contents: Contents): Claim {
  const parts = [...(contents === 'all' ? [] : [`${contents} alone`]), ...(only ? [JSON.stringify(only.patterns)] : [])];
  return { run, timeline: base.timeline, backup: base.backup, only: parts.join(' of ') };
}

export async function readClaim(client: pg.Client): Promise<Claim | undefined> {
  const { rows } = await client.query<{ there: boolean }>(`SELECT to_regclass('${controlSchema}.claim') IS NOT NULL AS there`);
  if (!rows[0]!.there) return undefined;
  return (await client.query<Claim>(`SELECT run, timeline, backup, only_of AS only FROM ${controlSchema}.claim`)).rows[0];
}

/** Makes an empty database this run's own, for this base. @param requireRoom - what has to be empty; left out: all of it. @throws TargetNotEmpty - another run's, or somebody's data. */
export async function claimDatabase(client: pg.Client, claim: Claim, requireRoom: (client: pg.Client) => Promise<void> = requireEmpty): Promise<void> {
  const found = await readClaim(client);
  if (found) return requireSame(found, claim);
  await requireRoom(client);
  await client.query('BEGIN');
  await client.query(`CREATE SCHEMA ${controlSchema}`);
  await client.query(`CREATE TABLE ${controlSchema}.claim (one bool PRIMARY KEY DEFAULT true CHECK (one), run text NOT NULL, timeline text NOT NULL, backup text NOT NULL, only_of text NOT NULL)`);
  await client.query(`CREATE TABLE ${controlSchema}.done (what text PRIMARY KEY)`);
  await client.query(`CREATE UNLOGGED TABLE ${controlSchema}.done_unlogged (what text PRIMARY KEY)`);
  await client.query(`INSERT INTO ${controlSchema}.claim (run, timeline, backup, only_of) VALUES ($1, $2, $3, $4)`, [claim.run, claim.timeline, claim.backup, claim.only]);
  await client.query('COMMIT');
}

/** @throws TargetNotEmpty - the database is not what `prepareRestore` made for this run and base. */
export async function requireClaim(client: pg.Client, claim: Claim): Promise<void> {
  const found = await readClaim(client);
  if (!found || !(await isDone(client, prepared))) throw new HoldfastError('TargetNotEmpty', `the target database is not prepared for run ${claim.run}`);
  requireSame(found, claim);
}

function requireSame(found: Claim, ours: Claim): void {
  const same = found.run === ours.run && found.timeline === ours.timeline && found.backup === ours.backup;
  if (same && found.only === ours.only) return;
  if (same) throw new HoldfastError('TargetNotEmpty', `the target database was claimed for ${found.only || 'everything'}, this is for ${ours.only || 'everything'}`, { hint: 'drop that database' });
  throw new HoldfastError('TargetNotEmpty', `the target database belongs to run ${found.run}, which restores backup ${found.timeline}/${found.backup}; this is run ${ours.run} with ${ours.timeline}/${ours.backup}`, {
    hint: 'drop that database, or let that run end',
  });
}

/** Noted once the empty tables are all there. */
export const prepared = 'prepared';

export const isDone = async (client: pg.Client, what: string): Promise<boolean> => (await client.query(`SELECT FROM ${controlSchema}.done WHERE what = $1`, [what])).rowCount === 1;

/** A server that crashes empties its unlogged tables: what was loaded into one is noted in one, so that both go. */
export type Notes = 'done' | 'done_unlogged';

/** In the open transaction. False: another attempt has noted it, and committed. */
const noteDone = async (client: pg.Client, what: string, notes: Notes = 'done'): Promise<boolean> => (await client.query(`INSERT INTO ${controlSchema}.${notes} (what) VALUES ($1) ON CONFLICT DO NOTHING`, [what])).rowCount === 1;

/** Does `work` and notes it, both or neither; nothing where it was done before. @returns whether it was done now. */
export async function once(client: pg.Client, what: string, work: () => Promise<void>, notes: Notes = 'done'): Promise<boolean> {
  await client.query('BEGIN');
  const ours = await noteDone(client, what, notes);
  if (ours) await work();
  await client.query(ours ? 'COMMIT' : 'ROLLBACK');
  return ours;
}

/** @throws TargetNotEmpty - there is something that no run of ours made. */
export async function requireEmpty(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ what: string }>(`
    SELECT what FROM (
      SELECT 'relation ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      UNION ALL SELECT 'function ' || quote_ident(n.nspname) || '.' || quote_ident(p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      UNION ALL SELECT 'type ' || quote_ident(n.nspname) || '.' || quote_ident(t.typname) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      UNION ALL SELECT 'schema ' || quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
      UNION ALL SELECT 'extension ' || quote_ident(extname) FROM pg_extension WHERE extname <> 'plpgsql'
      UNION ALL SELECT 'large object ' || oid FROM pg_largeobject_metadata
    ) AS s (what) LIMIT 1`);
  if (rows[0]) throw new HoldfastError('TargetNotEmpty', `the target database holds something that this run did not restore: ${rows[0].what}`, { hint: 'name a database that is not there, or an empty one' });
}
