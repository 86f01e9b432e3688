import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { Random, readTexts } from '../data.ts';

/**
 * What the source holds: text of WordNet in rows of an application, in many tables of uneven size with keys, indexes and references. The same for the
 * same size.
 */
export const database = 'bench';

const authors = 'authors';
const articles = 48;
const rowBytes = 1_190;

/** A few are large, most are small: each has by its rank less than the one before. */
const shares = Array.from({ length: articles }, (_, rank) => 1 / (rank + 1) ** 1.2);
const all = shares.reduce((sum, share) => sum + share, 0);

const tableName = (rank: number): string => `articles_${String(rank).padStart(2, '0')}`;

/** As COPY's text: what WordNet writes has neither tab nor backslash nor line end in it. */
function* rowsOf(texts: readonly string[], random: Random, count: number): Generator<string> {
  const text = (): string => texts[random.below(texts.length)]!;
  const fill = (bytes: number): string => {
    let filled = '';
    while (filled.length < bytes) filled += `${text()} `;
    return filled.slice(0, bytes);
  };
  // What applications write again and again: with it gzip makes a third of all, as the handbooks say of theirs.
  const boilerplate = Array.from({ length: 8 }, (_, n) => texts.slice(n * 40).join(' ').slice(0, 320));
  for (let id = 1; id <= count; id += 1) {
    const tags = text().replace(/[^a-z ]/gi, '').split(' ').filter((word) => word !== '').slice(0, 5).join(',');
    yield `${id}\tarticle-${id}\t${1 + random.below(authorCount)}\t${new Date(1_700_000_000_000 + random.below(60_000_000) * 1000).toISOString()}\t{${tags}}\t${random.below(1_000) / 7}\t${fill(640)}${boilerplate[random.below(boilerplate.length)]!}\t${random.below(1_000_000)}\t{"published": ${String(id % 3 > 0)}, "revision": 1}\n`;
  }
}

const authorCount = 5_000;

/** Fills an empty database with about `bytes` of rows, then adds keys, indexes and references. Answers with what its tables and indexes take on disk. */
export async function loadData(client: pg.Client, bytes: number): Promise<{ rows: number; diskBytes: number }> {
  const texts = (await readTexts()).map((text) => text.replace(/[\t\n\\]/g, ' '));
  const random = new Random(7);
  await client.query(`CREATE TABLE ${authors} (id int PRIMARY KEY, name text NOT NULL)`);
  await client.query(`INSERT INTO ${authors} SELECT n, 'author ' || n FROM generate_series(1, ${authorCount}) AS n`);
  let rows = authorCount;
  for (const [rank, share] of shares.entries()) {
    const table = tableName(rank);
    const count = Math.max(20, Math.round((bytes * share) / all / rowBytes));
    rows += count;
    await client.query(`CREATE TABLE ${table} (id bigint NOT NULL, slug text, author int, written_at timestamptz, tags text[], rating double precision, body text, views int, state jsonb)`);
    await pipeline(Readable.from(batched(rowsOf(texts, random, count))), client.query(copyFrom(`COPY ${table} FROM STDIN`)));
    await client.query(`ALTER TABLE ${table} ADD PRIMARY KEY (id); CREATE UNIQUE INDEX ON ${table} (slug); CREATE INDEX ON ${table} (author, written_at); ALTER TABLE ${table} ADD FOREIGN KEY (author) REFERENCES ${authors}`);
  }
  await client.query('VACUUM ANALYZE');
  await client.query('CHECKPOINT');
  const { rows: [size] } = await client.query<{ bytes: string }>('SELECT pg_database_size(current_database()) AS bytes');
  return { rows, diskBytes: Number(size!.bytes) };
}

function* batched(rows: Iterable<string>): Generator<Buffer> {
  let batch: string[] = [];
  for (const row of rows) {
    if (batch.push(row) < 200) continue;
    yield Buffer.from(batch.join(''));
    batch = [];
  }
  if (batch.length > 0) yield Buffer.from(batch.join(''));
}

/** What must be equal on two servers that hold the same data: every row of every table, how many indexes, how many constraints. */
export async function hashOf(client: pg.Client): Promise<string> {
  const { rows: tables } = await client.query<{ name: string }>("SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1");
  const parts: string[] = [];
  for (const { name } of tables) {
    const { rows: [row] } = await client.query<{ text: string }>(`SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) AS text FROM ${name} AS t`);
    parts.push(`${name} ${row!.text}`);
  }
  const { rows: [made] } = await client.query<{ text: string }>("SELECT (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public') || ' indexes, ' || (SELECT count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace) || ' constraints' AS text");
  return [...parts, made!.text].join('\n');
}
