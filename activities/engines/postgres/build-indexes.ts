import type pg from 'pg';
import type { TargetRef } from '../../../workflows/contract.ts';
import type { Unit } from '../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { listNeeds, readSection, type Archive } from './archive-entries.ts';
import { openBase } from './base-contents.ts';
import { targetPlace, withClient, type Place } from './connect.ts';
import { claimOf, requireClaim } from './control.ts';
import { wantedContents, wantedUnits } from './contents.ts';
import { dealIndexes } from './deal-indexes.ts';
import { finishTables } from './finish-tables.ts';
import { withUncheckedKeys, type ForeignKey } from './foreign-keys.ts';
import { globalsOf, type GlobalOf } from './globals.ts';
import { inSessions } from './in-sessions.ts';
import { brokenKeys } from './into-tables.ts';
import { finishLargeObjects } from './large-objects.ts';
import { finishDatabase } from './make-database.ts';
import { makeInOrder, makeTogether, type Making, type NotMade } from './make-section.ts';
import { readServerFacts } from './server-facts.ts';
import { TargetDisk } from './target-disk.ts';

export interface BuiltIndexes {
  indexes: number;
  failed: { ns: string; index: string; why: string }[];
}

/**
 * Makes what rows have to be there for: sequences go on where the source's were, indexes, constraints, triggers, rules and policies are made, foreign keys
 * looked at, fresh statistics gathered, and materialized views filled, in the order in which they read each other; then what belongs to the database as a whole. What concerns one table
 * alone is done in several sessions side by side.
 *
 * Safe to repeat: each is committed with its note, or finds itself done. What the data does not obey is named and passed over; asked again, it is tried again.
 */
export async function buildIndexes(context: SourceContext, { target, point }: { target: TargetRef; point: RecoveryPoint }): Promise<BuiltIndexes> {
  const { manifest, definitions, globals } = await openBase(context, point);
  const place = await targetPlace(context, target);
  return await withClient(context, place, async (client) => {
    const contents = wantedContents(context);
    await requireClaim(client, claimOf(target, point, contents));
    const { major } = await readServerFacts(client);
    await client.query(sortsInMemory);
    const units = wantedUnits(context, manifest, point);
    if (contents !== 'definitions') await setSequences(client, globalsOf(globals, 'sequence'));
    const disk = await TargetDisk.find(client, place);
    const { made, notMade, keys } = contents === 'rows' ? { made: 0, notMade: await brokenKeys(client, units), keys: [] } : await makePostData(context, { bytes: definitions, major }, { client, place, disk }, units);
    notMade.push(...(await finishTables(context, client, place, keys)));
    const chosen = new Set(units.map(({ name }) => name));
    // In a part of the tables the rows that others name may be missing on purpose: then nothing can be checked, and nothing holds.
    const broken = notMade.filter(({ refersTo }) => refersTo === undefined || !point.only || chosen.has(refersTo));
    for (const { entry, refersTo } of notMade) if (refersTo !== undefined && point.only && !chosen.has(refersTo)) context.log?.('warn', `${entry}: left out, since ${refersTo} was not restored`);
    const failed = broken.map(({ entry, why }) => ({ ns: place.address.database, index: entry, why }));
    if (contents !== 'definitions') failed.push(...(await fillViews(context, client, globalsOf(globals, 'view'), { again: contents === 'rows' })).map(({ sql, why }) => ({ ns: place.address.database, index: `MATERIALIZED VIEW ${sql}`, why })));
    // Into tables that were there: whose roles are the source's is not known.
    if (!point.only && contents === 'all') await finishLargeObjects(client, globals);
    if (contents !== 'rows') await finishDatabase(client, place.address.database, globals);
    return { indexes: Math.max(0, made - notMade.length), failed };
  });
}

/** What one build may sort in, at the least: a server's own default is for a server with many users. */
const sortsInMemory = `SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', false) WHERE pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < pg_catalog.pg_size_bytes('256MB')`;

/** Indexes and keys table by table, side by side; then the rest, in its order. */
async function makePostData(context: SourceContext, archive: Archive, { client, place, disk }: { client: pg.Client; place: Place; disk: TargetDisk | undefined }, units: readonly Unit[]): Promise<{ made: number; notMade: NotMade[]; keys: ForeignKey[] }> {
  const [section, needs] = await Promise.all([readSection(context, archive, 'post-data'), listNeeds(context, archive)]);
  const { script, keys } = await withUncheckedKeys(client, section);
  const { entries } = script;
  const making: Making = { context, script, tolerate: true };
  const bytes = new Map(units.map(({ id, plainBytes }) => [id, plainBytes]));
  const { batches, rest } = dealIndexes(entries, needs, (table) => bytes.get(table) ?? 0);
  const notMade: NotMade[] = [];
  let done = 0;
  const say = (more: number): void => context.progress({ phase: 'build indexes', done: done + more, of: entries.length, unit: 'objects' });
  say(0);
  await inSessions(context, place, batches, async (session, batch) => {
    await disk?.requireNext(0);
    await session.query(sortsInMemory);
    notMade.push(...(await makeTogether(making, session, batch)));
    done += batch.entries.length;
    say(0);
  });
  notMade.push(...(await makeInOrder(making, client, { entries: rest, note: 'post-data' }, say)));
  const refused = new Set(notMade.map(({ entry }) => entry));
  return { made: entries.length, notMade, keys: keys.filter(({ entry }) => !refused.has(entry.name)) };
}

const setTogether = 500;

/** One that is missing is passed over here, and named by whoever compares. */
async function setSequences(client: pg.Client, sequences: readonly GlobalOf<'sequence'>[]): Promise<void> {
  for (let at = 0; at < sequences.length; at += setTogether) {
    const some = sequences.slice(at, at + setTogether);
    await client.query('SELECT setval(s.sql::regclass, s.value::int8, s.called) FROM unnest($1::text[], $2::text[], $3::bool[]) AS s (sql, value, called) WHERE to_regclass(s.sql) IS NOT NULL', [some.map(({ sql }) => sql), some.map(({ lastValue }) => lastValue), some.map(({ isCalled }) => isCalled)]);
  }
}

/** Views that the source had filled, those first that others read, by what the target itself knows of who reads whom. @param again - those too that are filled: of tables that were empty then. */
async function fillViews(context: SourceContext, client: pg.Client, views: readonly GlobalOf<'view'>[], { again }: { again: boolean }): Promise<{ sql: string; why: string }[]> {
  const wanted = new Set(views.filter(({ filled }) => filled).map(({ sql }) => sql));
  if (wanted.size === 0) return [];
  const { rows } = await client.query<{ sql: string; filled: boolean }>(`
    WITH RECURSIVE reads (view, relation) AS (
      SELECT w.ev_class, d.refobjid FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
    ), behind (view, relation) AS (
      SELECT c.oid, r.relation FROM pg_class c JOIN reads r ON r.view = c.oid WHERE c.relkind = 'm'
      UNION SELECT b.view, r.relation FROM behind b JOIN reads r ON r.view = b.relation
    )
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS sql, c.relispopulated AS filled
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'm' ORDER BY (SELECT count(*) FROM behind b JOIN pg_class m ON m.oid = b.relation AND m.relkind = 'm' WHERE b.view = c.oid), c.oid`);
  const failed: { sql: string; why: string }[] = [];
  for (const [done, { sql, filled }] of rows.entries()) {
    context.progress({ phase: 'fill materialized views', done, of: rows.length, unit: 'objects' });
    if (!wanted.has(sql)) continue;
    try {
      if (!filled || again) await client.query(`REFRESH MATERIALIZED VIEW ${sql}`);
      // How others that read it are filled goes by its statistics.
      await client.query(`ANALYZE ${sql}`);
    } catch (error) {
      const { code = '', message } = error as { code?: string; message: string };
      // The server is there and says no: its owner may lack a right, or its definition no longer holds.
      if (!/^(0A|22|23|38|39|3F|42|55)/.test(code)) throw error;
      failed.push({ sql, why: /^2[23]/.test(code) ? message.replace(/:.*$/s, ': …') : message });
    }
  }
  return failed;
}
