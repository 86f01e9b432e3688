import pg from 'pg';
import type { SourceContext } from '../../context.ts';
import type { ArchiveEntry, SectionScript } from './archive-entries.ts';
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

/** Where entries are made, and out of what. */
export interface Making {
  context: SourceContext;
  script: SectionScript;
  /** an entry that the data does not obey (a unique index, a foreign key) is named and passed over; false: it fails */
  tolerate: boolean;
}

/** What is made in one transaction, and noted in it. */
export interface Batch {
  entries: readonly ArchiveEntry[];
  note: string;
}

/**
 * Makes entries in their order, some hundred to a transaction, each committed with its note. Safe to repeat: goes on behind what is noted.
 * @param onMade - told how many of them are there.
 */
export async function makeInOrder(making: Making, client: pg.Client, { entries, note }: Batch, onMade: (entries: number) => void): Promise<NotMade[]> {
  const notMade: NotMade[] = [];
  for (let at = 0; at < entries.length; at += madeTogether) {
    onMade(at);
    notMade.push(...(await makeTogether(making, client, { entries: entries.slice(at, at + madeTogether), note: `${note} ${at}` })));
  }
  return notMade;
}

/** Makes a batch, or nothing of it; where it is to tolerate that, one by one. Safe to repeat. */
export async function makeTogether(making: Making, client: pg.Client, batch: Batch): Promise<NotMade[]> {
  const { context, script, tolerate } = making;
  context.signal.throwIfAborted();
  if (await isDone(client, batch.note)) return [];
  const refused = await makeBatch(client, await script.sqlOf(batch.entries), batch.note);
  if (!refused) return [];
  if (!tolerate) throw refused;
  return await makeOneByOne(client, script, batch);
}

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
async function makeOneByOne(client: pg.Client, script: SectionScript, { entries, note }: Batch): Promise<NotMade[]> {
  const notMade: NotMade[] = [];
  for (const [at, entry] of entries.entries()) {
    const own = `${note}.${at}`;
    if (await isDone(client, own)) continue;
    const sql = await script.sqlOf([entry]);
    const refused = await makeBatch(client, sql, own);
    if (refused) notMade.push({ entry: entry.name, why: withoutValues(refused), refersTo: / REFERENCES ((?:"(?:[^"]|"")*"|[^\s("])+)\(/.exec(sql)?.[1] });
  }
  return notMade;
}

/** The server answered and said no of what was asked; anything else is for another try. */
export const isRefusal = (error: unknown): error is pg.DatabaseError => error instanceof pg.DatabaseError && /^(0A|22|23|2F|38|39|3F|42|55000|P0)/.test(error.code ?? '');
