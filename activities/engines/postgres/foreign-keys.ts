import type pg from 'pg';
import type { ArchiveEntry, SectionScript } from './archive-entries.ts';
import { withoutValues } from './connect.ts';
import { isRefusal, type NotMade } from './make-section.ts';

/**
 * A foreign key between two plain tables. It is made without a look at the rows, and they are looked at later: to make one locks both its tables, so that of many that name one table each
 * waits for the one before, while rows are looked at side by side.
 */
export interface ForeignKey {
  entry: ArchiveEntry;
  /** as SQL writes them */
  table: string;
  name: string;
  refersTo: string;
  /** what makes it, and has no row looked at */
  unchecked: string;
}

const word = '(?:"(?:[^"]|"")*"|[a-z_][a-z0-9_]*)';
const words = `${word}(?:, ${word})*`;
const between = '(?:\\s|SET default_\\w+ = [^\\n]*;)*';
const statement = new RegExp(`^${between}(ALTER TABLE ONLY (${word}\\.${word})\\s+ADD CONSTRAINT (${word}) FOREIGN KEY \\(${words}\\) REFERENCES (${word}\\.${word})\\(${words}\\)[^;]*?)( NOT VALID)?;${between}$`);

/** Undefined: it is of a partitioned table, was not checked at the source either, or is written in another way than is known; it is made as it is written. */
export function foreignKeyOf(entry: ArchiveEntry, sql: string): ForeignKey | undefined {
  const [, makes, table, name, refersTo, unchecked] = statement.exec(sql) ?? [];
  if (makes === undefined || unchecked !== undefined) return undefined;
  return { entry, table: table!, name: name!, refersTo: refersTo!, unchecked: `\n${makes} NOT VALID;\n` };
}

/** The section with its foreign keys made unchecked, and which those are. */
export async function withUncheckedKeys(client: pg.Client, script: SectionScript): Promise<{ script: SectionScript; keys: ForeignKey[] }> {
  const found: ForeignKey[] = [];
  script.change?.((entry, sql) => {
    const key = entry.name.startsWith('FK CONSTRAINT ') ? foreignKeyOf(entry, sql) : undefined;
    if (key) found.push(key);
    return sql;
  });
  const { rows } = await client.query<{ name: string }>(`SELECT DISTINCT s.name FROM unnest($1::text[]) AS s (name) JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(s.name) WHERE c.relkind = 'r'`, [found.flatMap(({ table, refersTo }) => [table, refersTo])]);
  const plain = new Set(rows.map(({ name }) => name));
  const keys = new Map(found.filter(({ table, refersTo }) => plain.has(table) && plain.has(refersTo)).map((key) => [key.entry.id, key]));
  return { script: script.change?.(({ id }, sql) => keys.get(id)?.unchecked ?? sql) ?? script, keys: [...keys.values()] };
}

/** Keys that the server has and has not looked at, by the oids of their tables. One that is not there any more is made again: the rows did not hold to it, and somebody asks again. */
export async function findUnchecked(client: pg.Client, keys: readonly ForeignKey[]): Promise<{ unchecked: Map<string, ForeignKey[]>; notMade: NotMade[] }> {
  const found = await lookUp(client, keys);
  const notMade: NotMade[] = [];
  for (const [at, key] of keys.entries()) if (!found.has(at)) notMade.push(...(await orNot(key, async () => void (await client.query(key.unchecked)))));
  const unchecked = new Map<string, ForeignKey[]>();
  for (const [at, { table, checked }] of found.size < keys.length ? await lookUp(client, keys) : found) if (!checked) unchecked.set(table, [...(unchecked.get(table) ?? []), keys[at]!]);
  return { unchecked, notMade };
}

async function lookUp(client: pg.Client, keys: readonly ForeignKey[]): Promise<Map<number, { table: string; checked: boolean }>> {
  const { rows } = await client.query<{ at: string; table: string; checked: boolean }>(`
    SELECT s.at::text, k.conrelid::text AS table, k.convalidated AS checked FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS s (child, name, at)
    JOIN pg_catalog.pg_constraint k ON k.conrelid = pg_catalog.to_regclass(s.child) AND k.conname = s.name`, [keys.map(({ table }) => table), keys.map(({ name }) => plainName(name))]);
  return new Map(rows.map(({ at, ...row }) => [Number(at) - 1, row]));
}

const plainName = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);

/** Looks at all rows of its table. @returns itself, and why, where they do not hold to it: it would be there by name, and say nothing. */
export const checkKey = async (client: pg.Client, key: ForeignKey): Promise<NotMade[]> => await orNot(key, async () => void (await client.query(`ALTER TABLE ONLY ${key.table} VALIDATE CONSTRAINT ${key.name}`)));

export const dropKey = async (client: pg.Client, { table, name }: ForeignKey): Promise<void> => void (await client.query(`ALTER TABLE ONLY ${table} DROP CONSTRAINT ${name}`));

async function orNot({ entry, refersTo }: ForeignKey, work: () => Promise<void>): Promise<NotMade[]> {
  try {
    await work();
    return [];
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return [{ entry: entry.name, why: withoutValues(error), refersTo }];
  }
}
