/**
 * Names that a run makes in the living database, beside what it leaves alone. Each carries the run, so that an undo knows its own, and stands behind
 * the collection's in a list.
 */

/** The copy of what was restored. */
export const copyName = (ns: string, run: string): string => `${ns}.restored-${run}`;
/** What was there before a swap: kept, until a person drops it. */
export const keptName = (ns: string, run: string): string => `${ns}.replaced-${run}`;
/** What somebody wrote who could not be kept waiting, while the name was nobody's: kept, as the swap needs the name. */
export const strayName = (ns: string, run: string): string => `${ns}.between-${run}`;

/** Each is named in histories and at gates. */
export const copiesAtMost = 100;

/** A collection that was copied into the living database, and proved equal to what was restored. */
export interface CopiedCollection {
  ns: string;
  as: string;
  documents: number;
  bytes: number;
  /** Σ SHA-256(document) mod 2^256, of the copy and of what was restored */
  hashSum: string;
  /** what expires documents by their age is off in a copy, or old ones would be gone within a minute; index null: the collection's own */
  expiries: { index: string | null; afterSeconds: number }[];
}

/** Two collections that change names, by their UUIDs: a name says nothing of what was done already. */
export interface SwapPair extends Pick<CopiedCollection, 'ns' | 'as' | 'expiries'> {
  kept: string;
  /** null: nothing has the name now */
  living: string | null;
  restored: string;
  /** as the server counts them; null: nothing has the name now */
  livingDocuments: number | null;
  /** the server's own estimate: to count would take too long */
  estimated?: true;
  restoredDocuments: number;
}

export const describeCopies = (copies: readonly Pick<CopiedCollection, 'as' | 'documents'>[]): string =>
  copies.map(({ as, documents }) => `${as} (${documents.toLocaleString('en-US')} documents)`).join(', ');

export const describeExpiries = (copies: readonly Pick<CopiedCollection, 'as' | 'expiries'>[]): string[] =>
  copies.flatMap(({ as, expiries }) => (expiries.length > 0 ? [`${as} expires nothing by age: ${expiries.map(({ index }) => index ?? 'the collection itself').join(', ')}`] : []));
