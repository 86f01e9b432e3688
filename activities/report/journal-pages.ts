import type { JournalLine, JournalOf } from '../../workflows/domain/journal.ts';
import { journalPageLines } from '../../workflows/domain/journal.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { scrubValue } from '../secrets.ts';
import type { ObjectVersion, Store } from '../store/store.ts';

interface Place {
  store: Store;
  signal: AbortSignal;
}

/** A page of a journal: to the store, under its lock, where it has one; not signed, like the report that takes it in. Twice: adds a version, which says the same. */
export async function writeJournalPage({ store, signal }: Place, { system, of, page, lines }: { system: string; of: JournalOf; page: number; lines: readonly JournalLine[] }): Promise<void> {
  // What a program said may hold an address with a password.
  await store.put(layout.journalPage(system, of, page), Buffer.from(`${JSON.stringify(scrubValue({ format: 1, page, lines }), null, 2)}\n`), { signal });
}

/**
 * The lines of a journal's pages, in order; of versions of one page the oldest, which nobody could write over.
 * @param range - which of them, from 1, both ends with them; left out: all that are there
 * @returns `missing`: which of them are not there, or cannot be read; none of it stops a report.
 */
export async function readJournalPages({ store, signal }: Place, system: string, of: JournalOf, range: { from?: number; to?: number } = {}): Promise<{ lines: JournalLine[]; missing: number[] }> {
  const oldest = new Map<string, ObjectVersion>();
  for await (const version of store.list(layout.journal(system, of), { signal })) {
    const known = oldest.get(version.key);
    if (!version.isDeleteMarker && (!known || version.modifiedAt < known.modifiedAt)) oldest.set(version.key, version);
  }
  const lines: JournalLine[] = [];
  const missing: number[] = [];
  for (let page = range.from ?? 1; page <= (range.to ?? oldest.size); page += 1) {
    const version = oldest.get(layout.journalPage(system, of, page));
    const read = version && parse(await store.getVersion(version, { signal }));
    if (read) lines.push(...read);
    else missing.push(page);
  }
  return { lines, missing };
}

function parse(bytes: Buffer): JournalLine[] | undefined {
  try {
    const { format, lines } = JSON.parse(bytes.toString('utf8')) as { format: number; lines: JournalLine[] };
    return format === 1 && Array.isArray(lines) && lines.every(({ at, what }) => typeof at === 'string' && typeof what === 'string') ? lines : undefined;
  } catch {
    return undefined;
  }
}

/** What a state lacks that has given pages to the store: the same state with its whole journal, and with a warning for what could not be read. */
export async function withWholeJournal<S extends { system: string; journal: JournalLine[]; journalPages?: number | undefined; warnings: string[] }>(place: Place, of: JournalOf, state: S): Promise<S> {
  const { journalPages = 0, ...rest } = state;
  if (journalPages === 0) return state;
  const { lines, missing } = await readJournalPages(place, state.system, of, { to: journalPages }).catch(() => ({ lines: [], missing: Array.from({ length: journalPages }, (_, index) => index + 1) }));
  const lost = missing.map((page) => `lines ${(page - 1) * journalPageLines + 1} to ${page * journalPageLines} of the journal could not be read from the store (${layout.journalPage(state.system, of, page)})`);
  return { ...rest, journal: [...lines, ...state.journal], warnings: [...state.warnings, ...lost] } as unknown as S;
}
