import type pg from 'pg';
import type { SourceContext } from '../../context.ts';
import { schemas } from './catalogue.ts';
import type { Place } from './connect.ts';
import { checkKey, dropKey, findUnchecked, type ForeignKey } from './foreign-keys.ts';
import { inSessions } from './in-sessions.ts';
import type { NotMade } from './make-section.ts';

/** Of so many tables each has a turn of its own, the largest first; of the others many share one. */
const [largeTables, finishedTogether] = [32, 50];

/**
 * Looks at what foreign keys promise of each table, and gathers its statistics, several sessions side by side: together what ANALYZE alone would do, but for materialized views, which are
 * filled later. A partitioned table brings its partitions. What the user may not is passed over, as it is there.
 *
 * Safe to repeat: the server knows which keys it has looked at.
 * @returns keys that the rows do not hold to; none of them is there any more.
 */
export async function finishTables(context: SourceContext, client: pg.Client, place: Place, keys: readonly ForeignKey[]): Promise<NotMade[]> {
  const { unchecked, notMade } = await findUnchecked(client, keys);
  const { rows } = await client.query<{ sql: string; oid: string }>(`
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS sql, c.oid::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE (c.relkind IN ('r', 'p') AND NOT c.relispartition OR c.oid::text = ANY ($1)) AND c.relpersistence <> 't' AND NOT c.relisshared AND (${schemas} OR n.nspname = 'pg_catalog')
    ORDER BY pg_catalog.pg_relation_size(c.oid) DESC, c.oid`, [[...unchecked.keys()]]);
  const turns = rows.slice(0, largeTables).map((row) => [row]);
  for (let at = largeTables; at < rows.length; at += finishedTogether) turns.push(rows.slice(at, at + finishedTogether));
  const broken: ForeignKey[] = [];
  let done = 0;
  await inSessions(context, place, turns, async (session, tables) => {
    context.progress({ phase: 'gather statistics', done, of: rows.length, unit: 'objects' });
    for (const key of tables.flatMap(({ oid }) => unchecked.get(oid) ?? [])) {
      const found = await checkKey(session, key);
      if (found.length > 0) broken.push(key);
      notMade.push(...found);
    }
    await session.query(`ANALYZE ${tables.map(({ sql }) => sql).join(', ')}`);
    done += tables.length;
  });
  // It locks both tables of a key: not while others look at theirs.
  for (const key of broken) await dropKey(client, key);
  return notMade;
}
