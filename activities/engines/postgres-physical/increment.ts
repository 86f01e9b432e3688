import type pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import type { Manifest, Parent } from '../../../workflows/domain/manifest.ts';
import { expiredBaseSchema } from '../../../workflows/domain/retention/records.ts';
import type { SourceContext } from '../../context.ts';
import { readBasesOf } from '../../store/read-catalog.ts';
import { findSigned } from '../../store/signed-object.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { readGroupIndex, readManifest } from '../base/read-base.ts';
import { getPart } from '../base/stored-parts.ts';
import { clusterOf } from './chain.ts';
import { parseLsn } from './segment.ts';
import type { ServerFacts } from './server.ts';

/**
 * An incremental base (PostgreSQL 17 on): the server sends of each file what changed since another base, which it knows by that one's list of files and by its own summaries of the WAL since.
 *
 * What it adds to is written into the plan, and looked at again right before the program is started: a parent that retention or a disposal has begun to take by then is none, and a full base is
 * taken instead, which is said. So is it where the server has no summaries that reach back to the parent. From the plan on the parents stay (`retention/expire.ts`).
 *
 * | killed | left behind | the next try |
 * |---|---|---|
 * | before the plan is put | nothing | chooses again |
 * | after it, pg_basebackup too | parts that nobody names; the parent's list of files, in memory, until the next sweep (`private-files.ts`) | looks again, and begins again, whole |
 * | before the seal | a backup without a manifest, whose parents stay | seals |
 */
export type Increment = { parents: Parent[]; since: bigint } | { instead: string };

/** So many are joined at most: who only ever asks for incremental ones has a full one now and then, and what is restored never hangs on ever more of them. */
const joinedAtMost = 32;

/** @throws Unsupported - the server cannot at all, or is not set up for it: what a person has to change, and no other try helps. */
export async function requireIncrements(client: pg.Client, major: number): Promise<void> {
  const problem = await whyNoIncrements(client, major);
  if (problem) throw new HoldfastError('Unsupported', problem.what, { hint: problem.hint });
}

/** Null: nothing stands against it. */
export async function whyNoIncrements(client: pg.Client, major: number): Promise<{ what: string; hint: string } | null> {
  if (major < 17) return { what: `the server is PostgreSQL ${major}: incremental bases begin with 17`, hint: 'take full ones' };
  const { rows: [row] } = await client.query<{ on: string | null }>("SELECT current_setting('summarize_wal', true) AS on");
  if (row!.on === 'on') return null;
  return { what: 'the server has summarize_wal = off: it does not know what changed since another base', hint: 'ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf(); then take a full base' };
}

/** The newest good base of this timeline, with all that it adds to. Reads only. */
export async function chooseParents(context: SourceContext, client: pg.Client, { timeline: tli }: ServerFacts, scope: TimelineScope): Promise<Increment> {
  const { bases } = await readBasesOf(context, scope);
  const newest = bases.filter(({ mark }) => !mark?.doubt).sort((a, b) => (a.end < b.end ? -1 : 1)).at(-1);
  if (!newest) return { instead: 'there is no good base on this timeline that it could add to' };
  const manifest = await readManifest(context, { ...scope, base: newest });
  const parents = [...(manifest.parents ?? []), { backup: newest.backup, manifest: newest.manifest, plainBytes: newest.plainBytes }];
  if (parents.length >= joinedAtMost) return { instead: `${parents.length} bases would have to be joined under it, and ${joinedAtMost - 1} are the most` };
  const { startLsn } = clusterOf(manifest);
  const hole = await findHole(client, tli, startLsn);
  return hole === null ? { parents, since: parseLsn(startLsn) } : { instead: hole };
}

/**
 * Whether it can still add to what its plan names: all of that is there, nobody has begun to take or doubts it, and the server's summaries reach back to it.
 * @returns the list of files of the newest one, as the server takes it.
 */
export async function openParents(context: SourceContext, client: pg.Client, { timeline: tli, scope, parents }: { timeline: number; scope: TimelineScope; parents: readonly Parent[] }): Promise<{ list: string } | { instead: string }> {
  const newest = parents.at(-1)!;
  const { bases } = await readBasesOf(context, scope);
  if (!bases.some(({ backup, mark }) => backup === newest.backup && !mark?.doubt)) return { instead: `base ${newest.backup}, which it was to add to, is not there any more, or doubted` };
  // Behind the plan, which keeps them from now on: whoever began to take one before it left a note.
  for (const { backup } of parents) {
    const { found } = await findSigned(context.store, context.keys, expiredBaseSchema, layout.expiredBase({ ...scope, backup }), { signal: context.signal });
    if (found) return { instead: `base ${backup}, which it was to add to, is being let go` };
  }
  const manifest = await readManifest(context, { ...scope, base: { ...newest, timeline: scope.timeline } });
  const hole = await findHole(client, tli, clusterOf(manifest).startLsn);
  return hole === null ? { list: await readList(context, manifest) } : { instead: hole };
}

/**
 * Where the server's summaries do not reach back to a place in its log, a sentence; null: they do, as far as they go. What is not summarized yet the server waits for by itself.
 * @source PostgreSQL 17 manual, WAL summarization information functions.
 */
async function findHole(client: pg.Client, tli: number, from: string): Promise<string | null> {
  const { rows } = await client.query<{ start: string; end: string }>('SELECT start_lsn::text AS start, end_lsn::text AS end FROM pg_available_wal_summaries() WHERE tli = $1 AND end_lsn > $2::pg_lsn ORDER BY start_lsn, end_lsn', [tli, from]);
  let reached = parseLsn(from);
  for (const { start, end } of rows) {
    if (parseLsn(start) > reached) return `the server has no summary of its WAL from ${from} up to ${start} (wal_summary_keep_time, or summarize_wal was off)`;
    if (parseLsn(end) > reached) reached = parseLsn(end);
  }
  if (rows.length > 0) return null;
  const { rows: [state] } = await client.query<{ to: string }>('SELECT summarized_lsn::text AS to FROM pg_get_wal_summarizer_state()');
  return parseLsn(state!.to) > parseLsn(from) ? `the server has let go the summaries of its WAL from ${from} on (wal_summary_keep_time)` : null;
}

/** The server's own list of a base's files, out of the end of its stream. */
async function readList(context: SourceContext, manifest: Manifest): Promise<string> {
  const { list } = clusterOf(manifest);
  const key = await openBackupKey(context.store, context.keys, manifest, manifest.key);
  const index = await readGroupIndex(context, manifest.backup, manifest.groups[0]!);
  const pieces: Buffer[] = [];
  let at = 0;
  for (const part of index.parts.filter(({ range }) => range === list.range)) {
    const [from, to] = [Math.max(0, list.at - at), Math.min(part.plainBytes, list.at + list.bytes - at)];
    if (to > from) pieces.push((await getPart({ store: context.store, key, scope: manifest, signal: context.signal }, part)).subarray(from, to));
    at += part.plainBytes;
  }
  return Buffer.concat(pieces).toString('utf8');
}
