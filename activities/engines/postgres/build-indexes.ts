import type pg from 'pg';
import type { TargetRef } from '../../../workflows/contract.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { openBase } from './base-contents.ts';
import { targetPlace, withClient } from './connect.ts';
import { claimOf, requireClaim } from './control.ts';
import { globalsOf, type GlobalOf } from './globals.ts';
import { finishLargeObjects } from './large-objects.ts';
import { finishDatabase } from './make-database.ts';
import { makeSection } from './make-section.ts';
import { chosenUnits } from './selection.ts';
import { readServerFacts } from './server-facts.ts';

export interface BuiltIndexes {
  indexes: number;
  failed: { ns: string; index: string; why: string }[];
}

/**
 * Makes what rows have to be there for: sequences go on where the source's were, indexes, constraints, triggers, rules and policies are made, materialized
 * views filled, in the order in which they read each other; then what belongs to the database as a whole, and fresh statistics.
 *
 * Safe to repeat: each is committed with its note, or finds itself done. What the data does not obey is named and passed over; asked again, it is tried again.
 */
export async function buildIndexes(context: SourceContext, { target, point }: { target: TargetRef; point: RecoveryPoint }): Promise<BuiltIndexes> {
  const { manifest, definitions, globals } = await openBase(context, point);
  const place = await targetPlace(context, target);
  return await withClient(context, place, async (client) => {
    await requireClaim(client, claimOf(target, point));
    const { major } = await readServerFacts(client);
    // What one build may sort in; the server's own default is for a server with many users.
    await client.query(`SET maintenance_work_mem = '256MB'`);
    await setSequences(client, globalsOf(globals, 'sequence'));
    const { made, notMade } = await makeSection(context, client, { bytes: definitions, major }, 'post-data', { tolerate: true });
    const chosen = new Set(chosenUnits(manifest, point).map(({ name }) => name));
    // In a part of the tables the rows that others name may be missing on purpose: then nothing can be checked, and nothing holds.
    const broken = notMade.filter(({ refersTo }) => refersTo === undefined || !point.only || chosen.has(refersTo));
    for (const { entry, refersTo } of notMade) if (refersTo !== undefined && point.only && !chosen.has(refersTo)) context.log?.('warn', `${entry}: left out, since ${refersTo} was not restored`);
    const failed = broken.map(({ entry, why }) => ({ ns: place.address.database, index: entry, why }));
    failed.push(...(await fillViews(context, client, globalsOf(globals, 'view'))).map(({ sql, why }) => ({ ns: place.address.database, index: `MATERIALIZED VIEW ${sql}`, why })));
    if (!point.only) await finishLargeObjects(client, globals);
    await finishDatabase(client, place.address.database, globals);
    context.progress({ phase: 'gather statistics', done: 0, of: 0, unit: 'objects' });
    await client.query('ANALYZE');
    return { indexes: made.length - notMade.length, failed };
  });
}

const setTogether = 500;

async function setSequences(client: pg.Client, sequences: readonly GlobalOf<'sequence'>[]): Promise<void> {
  for (let at = 0; at < sequences.length; at += setTogether) {
    const some = sequences.slice(at, at + setTogether);
    await client.query('SELECT setval(s.sql::regclass, s.value::int8, s.called) FROM unnest($1::text[], $2::text[], $3::bool[]) AS s (sql, value, called)', [some.map(({ sql }) => sql), some.map(({ lastValue }) => lastValue), some.map(({ isCalled }) => isCalled)]);
  }
}

/** Views that the source had filled, those first that others read, by what the target itself knows of who reads whom. */
async function fillViews(context: SourceContext, client: pg.Client, views: readonly GlobalOf<'view'>[]): Promise<{ sql: string; why: string }[]> {
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
    if (filled || !wanted.has(sql)) continue;
    try {
      await client.query(`REFRESH MATERIALIZED VIEW ${sql}`);
    } catch (error) {
      const { code = '', message } = error as { code?: string; message: string };
      // The server is there and says no: its owner may lack a right, or its definition no longer holds.
      if (!/^(0A|22|23|38|39|3F|42|55)/.test(code)) throw error;
      failed.push({ sql, why: /^2[23]/.test(code) ? message.replace(/:.*$/s, ': …') : message });
    }
  }
  return failed;
}
