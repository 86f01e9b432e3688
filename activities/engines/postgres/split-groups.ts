import { kib, mib } from '../../../workflows/domain/units.ts';
import type { TableListed } from './catalogue.ts';
import { ownUnits, rangeName, type Plan } from './plan.ts';

type Range = Plan['groups'][number]['ranges'][number];

/** A group is an activity: at most a few hundred of them, so that the history stays small, and none too small to pay. */
const groupBytesAtLeast = mib(64);
const groupsAtMost = 200;
/** What opening a table costs, in bytes of reading: keeps thousands of empty ones from falling into one group. */
const tableCostBytes = kib(64);

/** The first group: what is no table, all of it small. */
export const ownGroup = 'own';

/**
 * Splits tables into groups: a large one into ranges of its pages, each about a group's size, small ones packed together. Rows do not move from page
 * to page while the snapshot is held, and what comes after it is invisible, so that ranges hold every row once.
 * @source PostgreSQL 14 release notes: a range of ctid is read without the pages around it (TID Range Scan)
 */
export function splitGroups(tables: readonly TableListed[], ownIds: readonly string[] = Object.values(ownUnits)): Plan['groups'] {
  const totalBytes = tables.reduce((sum, { bytes }) => sum + bytes + tableCostBytes, 0);
  const groupBytes = Math.max(groupBytesAtLeast, Math.ceil(totalBytes / groupsAtMost));
  const large: Range[][] = [];
  const packed: Range[][] = [];
  let packedBytes = Infinity;
  for (const table of tables) {
    const pieces = Math.min(table.pages, Math.round(table.bytes / groupBytes));
    if (table.bytes > 1.5 * groupBytes && table.heap && table.condition === null && pieces > 1) {
      large.push(...splitTable(table, pieces).map((range) => [range]));
      continue;
    }
    const cost = table.bytes + tableCostBytes;
    if (packedBytes + cost > groupBytes) {
      packed.push([]);
      packedBytes = 0;
    }
    packed.at(-1)!.push({ unit: table.oid, range: rangeName(undefined), estimatedBytes: table.bytes });
    packedBytes += cost;
  }
  const own = ownIds.map((unit) => ({ unit, range: rangeName(undefined), estimatedBytes: 0 }));
  // The large ones first: begun last, one of them would be all that is left running at the end.
  return [{ group: ownGroup, ranges: own }, ...[...large, ...packed].map((ranges, index) => ({ group: `g${String(index).padStart(4, '0')}`, ranges }))].map(({ group, ranges }) => ({
    group,
    estimatedBytes: ranges.reduce((sum, { estimatedBytes }) => sum + estimatedBytes, 0),
    ranges,
  }));
}

function splitTable({ oid, pages, bytes }: TableListed, pieces: number): Range[] {
  const cut = (piece: number): number => Math.floor((pages * piece) / pieces);
  return Array.from({ length: pieces }, (_, piece) => ({
    unit: oid,
    // The last has no end: pages that were added since hold nothing that the snapshot sees, and none may be passed over.
    range: rangeName({ from: cut(piece), to: piece + 1 === pieces ? undefined : cut(piece + 1) }),
    estimatedBytes: Math.round(bytes / pieces),
  }));
}
