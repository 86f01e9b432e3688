import pg from 'pg';
import type { SourceContext } from '../../context.ts';
import { entriesAsSql, listEntries, type Archive, type ArchiveEntry, type Section } from './archive-entries.ts';
import { isDone, once } from './control.ts';
import { withoutValues } from './connect.ts';
import { canonicalSession } from './session.ts';

/** Made in one transaction: each takes locks until it is over, of which a server has some thousands. */
const madeTogether = 200;

export interface NotMade {
  entry: string;
  why: string;
  /** a foreign key: the table that it names, as SQL writes it */
  refersTo?: string | undefined;
}

/**
 * Makes what an archive holds of a section, in its order, some hundred entries to a transaction, each committed with its note. Safe to repeat: goes
 * on behind what is noted.
 * @param tolerate - an entry that the data does not obey (a unique index, a foreign key) is named and passed over; left out: it fails.
 */
export async function makeSection(context: SourceContext, client: pg.Client, archive: Archive, section: Section, { tolerate = false } = {}): Promise<{ made: ArchiveEntry[]; notMade: NotMade[] }> {
  const entries = await listEntries(context, archive, section);
  const notMade: NotMade[] = [];
  for (let at = 0; at < entries.length; at += madeTogether) {
    context.signal.throwIfAborted();
    context.progress({ phase: section === 'pre-data' ? 'make tables' : 'build indexes', done: at, of: entries.length, unit: 'objects' });
    const batch = entries.slice(at, at + madeTogether);
    if (await isDone(client, noteOf(section, at))) continue;
    const refused = await makeBatch(client, await entriesAsSql(context, archive, batch), noteOf(section, at));
    if (!refused) continue;
    if (!tolerate) throw refused;
    notMade.push(...(await makeOneByOne(context, client, archive, batch, noteOf(section, at))));
  }
  return { made: entries, notMade };
}

const noteOf = (section: Section, at: number): string => `${section} ${at}`;

/** @returns what the server refused; nothing of the batch is there then. */
async function makeBatch(client: pg.Client, sql: string, note: string): Promise<pg.DatabaseError | undefined> {
  try {
    await once(client, note, async () => void (await client.query(sql)));
    return undefined;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await client.query('ROLLBACK');
    return error;
  } finally {
    // What an archive sets stays set.
    await client.query(canonicalSession).catch(() => undefined);
  }
}

/** One that is refused costs only itself. It has no note: whoever asks again tries it again. */
async function makeOneByOne(context: SourceContext, client: pg.Client, archive: Archive, batch: readonly ArchiveEntry[], note: string): Promise<NotMade[]> {
  const notMade: NotMade[] = [];
  for (const [at, entry] of batch.entries()) {
    const own = `${note}.${at}`;
    if (await isDone(client, own)) continue;
    const sql = await entriesAsSql(context, archive, [entry]);
    const refused = await makeBatch(client, sql, own);
    if (refused) notMade.push({ entry: entry.name, why: withoutValues(refused), refersTo: / REFERENCES ((?:"(?:[^"]|"")*"|[^\s("])+)\(/.exec(sql)?.[1] });
  }
  return notMade;
}

/** The server answered and said no of what was asked; anything else is for another try. */
const isRefusal = (error: unknown): error is pg.DatabaseError => error instanceof pg.DatabaseError && /^(0A|22|23|2F|38|39|3F|42|55000|P0)/.test(error.code ?? '');
