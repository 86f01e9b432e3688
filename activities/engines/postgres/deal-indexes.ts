import { mib } from '../../../workflows/domain/units.ts';
import type { ArchiveEntry, listNeeds } from './archive-entries.ts';
import type { Batch } from './make-section.ts';

/** Fewer at once than where one session makes all: each holds locks, of which the server has some thousands, and sessions go side by side. */
const madeTogether = 100;
/** Small tables share a transaction up to here. */
const togetherBytes = mib(64);

/**
 * Deals indexes and keys by their tables, for several sessions side by side: what one makes locks out the others from its table. The largest tables come
 * first. Only those are dealt that need nothing but one table, and that there before the rows; all others stay in `rest`, in their order, for afterwards:
 * foreign keys lock two tables, an index of a partitioned one needs those of its partitions.
 *
 * The same entries make the same batches, so that their notes say the same to whoever goes on.
 */
export function dealIndexes(entries: readonly ArchiveEntry[], needed: Awaited<ReturnType<typeof listNeeds>>, bytesOf: (table: string) => number): { batches: Batch[]; rest: ArchiveEntry[] } {
  const later = new Set(entries.map(({ id }) => id));
  const byTable = new Map<string, ArchiveEntry[]>();
  const rest: ArchiveEntry[] = [];
  for (const entry of entries) {
    const needs = needed.get(entry.id)?.needs ?? [];
    const tables = [...new Set(needs)].flatMap((id) => needed.get(id)?.entry ?? []).filter(isTable);
    if (!isIndexOrKey(entry) || tables.length !== 1 || needs.some((id) => later.has(id))) rest.push(entry);
    else byTable.set(tables[0]!.oid, [...(byTable.get(tables[0]!.oid) ?? []), entry]);
  }
  const batches: { entries: ArchiveEntry[]; note: string; bytes: number }[] = [];
  for (const [table, own] of [...byTable].sort(([a], [b]) => bytesOf(b) - bytesOf(a) || Number(a) - Number(b))) {
    const bytes = bytesOf(table);
    const open = batches.at(-1);
    if (open && open.bytes + bytes <= togetherBytes && open.entries.length + own.length <= madeTogether) {
      open.entries.push(...own);
      open.bytes += bytes;
    } else {
      batches.push({ entries: [...own], note: `indexes of ${table}`, bytes });
    }
  }
  return { batches, rest };
}

/** A schema may be called as the second word of a kind is: then it is made later, with the rest. */
const isIndexOrKey = ({ name }: ArchiveEntry): boolean => /^(INDEX|CONSTRAINT) (?!ATTACH )/.test(name);
const isTable = ({ name }: ArchiveEntry): boolean => /^TABLE (?!DATA |ATTACH )/.test(name);
