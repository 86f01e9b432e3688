import { z } from 'zod';

/**
 * Namespaces that a person chooses for a partial restore: `database.collection`, where `*` in either half stands for any run of
 * characters. The first dot ends the database, as in MongoDB: `shop.*` is every collection of `shop`, dots in their names or not.
 */
const pattern = z
  .string('a namespace such as "shop.orders" or "shop.*"')
  .max(300, 'at most 300 characters')
  .regex(/^[^.]+\.[^\0]+$/, 'a namespace such as "shop.orders" or "shop.*": the database, a dot, the collection');

export const onlySchema = z.array(pattern, 'a list of namespaces, such as ["shop.orders", "shop.*"]').min(1, 'at least one namespace').max(100, 'at most 100 namespaces');

/** What a partial restore brings back. The collections themselves are named where they are restored: a history has no room for them. */
export interface ChosenNamespaces {
  /** as typed */
  patterns: string[];
  /** that match at the recovery point, with what belongs to them (the buckets of a time series, the views of its database) */
  collections: number;
  /** of the base: what the log adds is not known yet */
  documents: number;
  plainBytes: number;
  /** what they are called, where they are to be copied into the living source; left out: they are not */
  copies?: string[];
}

const literal = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
const half = (text: string): string => text.split('*').map(literal).join('.*');

/** Whether a pattern stands for a namespace. A time-series collection is chosen by its own name, not by that of its buckets. */
export function matchesNamespace(typed: string, ns: string): boolean {
  const split = (text: string): [string, string] => [text.slice(0, text.indexOf('.')), text.slice(text.indexOf('.') + 1)];
  const [database, collection] = split(typed);
  const [inDatabase, name] = split(ns);
  const wanted = new RegExp(`^${half(collection)}$`, 's');
  return new RegExp(`^${half(database)}$`, 's').test(inDatabase) && (wanted.test(name) || wanted.test(name.replace(/^system\.buckets\./, '')));
}

/** `partial: only shop.orders, shop.items*`: said wherever such a run, its plan or its report is shown. */
export const describePartial = (patterns: readonly string[]): string =>
  `partial: only ${patterns.slice(0, 5).join(', ')}${patterns.length > 5 ? ` and ${patterns.length - 5} more` : ''}`;

/** Known names that a misspelt one may have meant, the nearest first. */
export function nearNames(typed: string, known: Iterable<string>, atMost = 5): string[] {
  const farthest = Math.max(3, Math.ceil(typed.length / 2));
  return [...new Set(known)]
    .map((name) => ({ name, distance: distance(typed.toLowerCase(), name.toLowerCase()) }))
    .filter((one) => one.distance <= farthest)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, atMost)
    .map(({ name }) => name);
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
