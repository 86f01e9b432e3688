import { layout } from '../../workflows/domain/layout.ts';
import { baseListSchema, type BaseList } from '../../workflows/domain/source-records.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { readOrFault } from './findings.ts';
import { keysUnder } from './keys-under.ts';
import type { MarkRoom } from './marks.ts';
import { appendRecord, type Chain } from './record-chain.ts';
import { findSigned } from './signed-object.ts';

/**
 * Which bases there should be: a base that somebody takes whole, its manifest with all the rest, leaves no trace of itself. So a signed list of those that were sealed is put whenever one
 * comes or goes, numbered and chained as the audit's records are, each a key of its own; the newest that is believed counts.
 *
 * - A base is added behind its manifest (`noteBase`). Killed in between, or refused: the next try of the seal adds it, or else the next verification that meets it.
 * - Retention takes it off when all of it is gone, before its note (`expired/<backup>.json`) goes (`forgetBase`). So a base that is on the list and not in the store is being let go while
 *   that note is there, and otherwise somebody else took it.
 * - Whoever verifies puts the list anew where the newest is half a day old: its lock does not end while anybody looks.
 * - Two at once: of two that take the same number one looks again, and goes by what the other wrote.
 */
export type ListedBase = BaseList['bases'][number];

interface SourceName {
  system: string;
  source: string;
}

export const baseListChain = ({ system, source }: SourceName): Chain<BaseList> => ({ schema: baseListSchema, prefix: layout.baseLists(system, source), key: (number) => layout.baseList({ system, source }, number) });

/** So many that are not believed are passed over: who may put can write any number. */
const triedAtMost = 100;

/** The newest list that is believed, and what is wrong with those behind it, newer ones. Undefined: there is none. */
export async function readBaseList({ store, keys, signal }: MarkRoom, of: SourceName): Promise<{ list: BaseList | undefined; rejected: { key: string; why: string }[] }> {
  let newest: string[] = [];
  for await (const key of keysUnder(store, layout.baseLists(of.system, of.source), signal)) newest = [...newest.slice(1 - triedAtMost), key];
  const rejected: { key: string; why: string }[] = [];
  for (const key of newest.reverse()) {
    const outcome = await readOrFault(() => findSigned(store, keys, baseListSchema, key, { signal }), () => store.now({ signal }));
    if ('fault' in outcome) rejected.push({ key, why: outcome.fault.message });
    else if (outcome.value.found) return { list: outcome.value.found.body, rejected };
    else rejected.push(...outcome.value.rejected);
  }
  return { list: undefined, rejected };
}

/** A base was sealed. Twice: it is on the list. */
export async function noteBase(room: MarkRoom, of: SourceName & ListedBase): Promise<void> {
  await changeBaseList(room, of, (bases) => (has(bases, of) ? bases : [...bases, { timeline: of.timeline, backup: of.backup }]));
}

/** A base was let go. Twice, or of one that no list has: nothing. */
export async function forgetBase(room: MarkRoom, of: SourceName & ListedBase): Promise<void> {
  await changeBaseList(room, of, (bases) => (has(bases, of) ? bases.filter((one) => !isSame(one, of)) : bases));
}

/** @param change - what the list is to be, of what it is; the same array: nothing is put. Asked again where somebody else was faster. */
export async function changeBaseList(room: MarkRoom, of: SourceName, change: (bases: ListedBase[], last: BaseList | undefined) => ListedBase[] | Promise<ListedBase[]>): Promise<void> {
  const { system, source } = of;
  const before = (await readBaseList(room, of)).list;
  const listed = before?.bases ?? [];
  if ((await change(listed, before)) === listed) return;
  const make = async (place: { number: number; previous: string | null }, last: BaseList | undefined): Promise<BaseList> => {
    const counts = last ?? (await readBaseList(room, of)).list;
    const bases = await change(counts?.bases ?? [], counts);
    return { format: formatVersion, kind: 'base-list', system, source, ...place, at: (await room.store.now({ signal: room.signal })).toISOString(), bases };
  };
  await appendRecord({ store: room.store, keys: room.keys, ...(room.signal ? { signal: room.signal } : {}) }, baseListChain(of), () => false, make);
}

/** Whether a list names it: a base that is gone can be marked by who knows of it. */
export async function isListedBase(room: MarkRoom, of: SourceName, point: string): Promise<boolean> {
  return ((await readBaseList(room, of)).list?.bases ?? []).some(({ backup }) => backup === point);
}

const isSame = (one: ListedBase, other: ListedBase): boolean => one.backup === other.backup && one.timeline === other.timeline;
export const has = (bases: readonly ListedBase[], of: ListedBase): boolean => bases.some((one) => isSame(one, of));
