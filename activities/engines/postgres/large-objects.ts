import { createHash } from 'node:crypto';
import pg from 'pg';
import { globalsOf, type Global } from './globals.ts';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/** Bytes of a page: a quarter of a block. */
export const pageBytes = 2048;
const madeTogether = 1_000;

/** Empty, under their own numbers: rows of the application name them by these. */
export async function makeLargeObjects(client: pg.Client, globals: readonly Global[]): Promise<void> {
  const oids = globalsOf(globals, 'large-object').map(({ oid }) => oid);
  for (let at = 0; at < oids.length; at += madeTogether) await client.query('SELECT lo_create(o) FROM unnest($1::oid[]) AS o', [oids.slice(at, at + madeTogether)]);
}

const pages = 'pg_temp.holdfast_pages';

/** The COPY that takes pages, into a table that is empty again after each commit. */
export async function pagesIn(client: pg.Client): Promise<string> {
  await client.query(`CREATE TEMP TABLE IF NOT EXISTS holdfast_pages (loid oid, pageno int4, data bytea) ON COMMIT DELETE ROWS`);
  return `COPY ${pages} (loid, pageno, data) FROM STDIN`;
}

/** Writes what was copied into the objects themselves: what is not written stays the hole that it was. */
export async function putPages(client: pg.Client): Promise<void> {
  await client.query(`SELECT count(lo_put(loid, pageno::int8 * ${pageBytes}, data)) FROM ${pages}`);
}

/** Whose they are, and who may read them; last, since the one who restores writes them first. */
export async function finishLargeObjects(client: pg.Client, globals: readonly Global[]): Promise<void> {
  const statements = globalsOf(globals, 'large-object').flatMap(({ oid, owner, comment, grants }) => [
    ...(comment === null ? [] : [`COMMENT ON LARGE OBJECT ${Number(oid)} IS ${literal(comment)}`]),
    `ALTER LARGE OBJECT ${Number(oid)} OWNER TO ${name(owner)}`,
    ...(grants ?? []).filter(({ grantee }) => grantee !== owner).map(({ grantee, privilege, grantable }) => `GRANT ${privilege} ON LARGE OBJECT ${Number(oid)} TO ${grantee === null ? 'PUBLIC' : name(grantee)}${grantable ? ' WITH GRANT OPTION' : ''}`),
  ]);
  for (let at = 0; at < statements.length; at += madeTogether) await client.query(statements.slice(at, at + madeTogether).join(';\n'));
}

/** What a program reads of a large object. */
export interface LargeObject {
  oid: string;
  bytes: string;
  hash: string;
}

const [readTogether, readAtOnceBytes] = [200, 1 << 20];

/**
 * The contents of every large object, some hundred at a time, in the order of their numbers: its size, and the SHA-256 of the SHA-256s of each MiB, by the server itself. As programs read
 * them, so that a hole counts as the zeros that it is read as: pg_restore writes those.
 * @throws NotPermitted - the user may not read one.
 */
export async function* readLargeObjects(client: pg.Client): AsyncGenerator<LargeObject[]> {
  for (let last = '0'; ; ) {
    const { rows } = await client.query<LargeObject>(`
      SELECT o.oid::text, o.bytes::text,
        pg_catalog.encode(pg_catalog.sha256(COALESCE((SELECT pg_catalog.string_agg(pg_catalog.sha256(pg_catalog.lo_get(o.oid, s.at, ${readAtOnceBytes})), ''::pg_catalog.bytea ORDER BY s.at) FROM pg_catalog.generate_series(0, o.bytes - 1, ${readAtOnceBytes}) AS s (at)), ''::pg_catalog.bytea)), 'hex') AS hash
      FROM (SELECT m.oid, pg_catalog.lo_lseek64(pg_catalog.lo_open(m.oid, ${readMode}), 0, 2) AS bytes FROM (SELECT oid FROM pg_catalog.pg_largeobject_metadata WHERE oid > $1::oid ORDER BY oid LIMIT ${readTogether}) AS m) AS o
      ORDER BY o.oid`, [last]);
    if (rows.length === 0) return;
    last = rows.at(-1)!.oid;
    yield rows;
  }
}

/** INV_READ. @source PostgreSQL manual, large objects: client interfaces */
const readMode = 0x40000;

/** One summand of a database's sum. */
export const sumOf = ({ oid, bytes, hash }: LargeObject): string => createHash('sha256').update(`large object ${oid} ${bytes} ${hash}`).digest('hex');
