import { HoldfastError } from '../../workflows/domain/errors.ts';
import { parseRecordKey } from '../../workflows/domain/layout.ts';
import type { Keys } from '../stream/keys.ts';
import type { z } from 'zod';
import { findSigned, putSigned, type Found, type SignedBody } from './signed-object.ts';
import type { ReadOptions, Store } from './store.ts';

/**
 * Records that are only ever added, numbered without a hole from 1, each holding the SHA-256 of the one before it: one that is gone, altered or
 * slipped in breaks the chain where it stood. What it cannot see: records at the end that are gone with all their versions.
 */
export interface Chain<B extends ChainedBody> {
  schema: z.ZodType<B>;
  /** below this the records lie */
  prefix: string;
  key(number: number): string;
}

export interface ChainedBody extends SignedBody {
  number: number;
  previous: string | null;
}

export interface ChainRoom {
  store: Store;
  keys: Keys;
  signal?: AbortSignal;
}

/**
 * Adds one record to the end. Records are put only where none is, so of two writers one gets the number and the other looks again: there is one
 * chain, whoever writes it.
 *
 * Killed before the put: nothing is written. Killed after it: the next try finds its own record at the end; where another came in between it
 * writes a second one, which whoever reads tells by `isSame`.
 *
 * @throws StoreUnavailable - retryable: the store's listing is older than what it holds.
 */
export async function appendRecord<B extends ChainedBody>(room: ChainRoom, chain: Chain<B>, isSame: (last: B) => boolean, make: (place: { number: number; previous: string | null }, last: B | undefined) => B | Promise<B>): Promise<B> {
  const options: ReadOptions = room.signal ? { signal: room.signal } : {};
  let taken = 0;
  for (;;) {
    const number = await findLastNumber(room.store, chain, options);
    // Asked for ever, a listing that stays as it is would be answered the same.
    if (number < taken) throw staleListing(room.store, chain.key(taken));
    const last = number === 0 ? undefined : (await findSigned(room.store, room.keys, chain.schema, chain.key(number), options)).found;
    if (last && isSame(last.body)) return last.body;
    const record = await make({ number: number + 1, previous: last?.ref.sha256 ?? null }, last?.body);
    try {
      await putSigned(room.store, room.keys, chain.key(record.number), record, { ifAbsent: true, ...options });
      return record;
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
      taken = record.number;
    }
  }
}

export const staleListing = (store: Store, key: string): HoldfastError => new HoldfastError('StoreUnavailable', `store ${store.name}: ${describeUnlisted(key)}`, {
  hint: 'have the store list what it holds (a cache or a gateway before it, an index that is rebuilt), or recover to a moment that you name',
  details: { key },
});

export const describeUnlisted = (key: string): string => `${key} is there and is not listed: the listing is older than what the store holds, and the newest bases and log may be missing from it`;

/**
 * The record behind the last that is listed, where it is there by its name: then the store's listing is older than what it holds.
 * @returns its key; undefined: there is none.
 */
export async function findUnlisted<B extends ChainedBody>(store: Store, chain: Chain<B>, options: ReadOptions): Promise<string | undefined> {
  const number = await findLastNumber(store, chain, options);
  const next = chain.key(number + 1);
  if (!(await store.has(next, options))) return undefined;
  // What somebody put in between is listed by now.
  return (await findLastNumber(store, chain, options)) === number ? next : undefined;
}

/** A place in a chain: what was found there, or why nothing that is there is believed. */
export interface ChainPlace<B> {
  number: number;
  key: string;
  body: B | undefined;
  /** what is wrong here, a sentence each */
  problems: string[];
}

/** The records from the newest on, one read at a time, so that whoever has found what they look for reads no further. */
export async function* newestFirst<B extends ChainedBody>(room: ChainRoom, chain: Chain<B>): AsyncGenerator<ChainPlace<B>> {
  const options: ReadOptions = room.signal ? { signal: room.signal } : {};
  const last = await findLastNumber(room.store, chain, options);
  let next: { found: Found<B> | undefined; problems: string[] } | undefined;
  for (let number = last; number > 0; number -= 1) {
    const here = next ?? (await readPlace(room, chain, number, options));
    next = number > 1 ? await readPlace(room, chain, number - 1, options) : { found: undefined, problems: [] };
    const follows = here.found?.body.previous === (next.found?.ref.sha256 ?? null);
    // A record that is not believed is named at its own place; what follows it cannot be held against it.
    const broken = here.found && next.problems.length === 0 && !follows ? [`does not follow the record before it: that has SHA-256 ${next.found?.ref.sha256 ?? '(none)'}, and this names ${here.found.body.previous ?? '(none)'}`] : [];
    yield { number, key: chain.key(number), body: here.found?.body, problems: [...here.problems, ...broken] };
  }
}

async function readPlace<B extends ChainedBody>({ store, keys }: ChainRoom, chain: Chain<B>, number: number, options: ReadOptions): Promise<{ found: Found<B> | undefined; problems: string[] }> {
  const { found, rejected } = await findSigned(store, keys, chain.schema, chain.key(number), options);
  const problems = rejected.map(({ why }) => why);
  return { found, problems: found || problems.length > 0 ? problems : ['is missing'] };
}

/**
 * The highest number that any version has, a hidden one too. Asks for what lies behind a number, in steps that double and are then halved: as many
 * short listings as a thousand thousand records have binary digits, twice.
 */
export async function findLastNumber<B extends ChainedBody>(store: Store, { prefix, key: keyOf }: Chain<B>, options: ReadOptions): Promise<number> {
  const someBehind = async (number: number): Promise<boolean> => {
    for await (const { key } of store.list(prefix, { ...options, ...(number > 0 ? { startAfter: keyOf(number) } : {}) })) {
      if (parseRecordKey(key) !== undefined) return true;
    }
    return false;
  };
  if (!(await someBehind(0))) return 0;
  let low = 1;
  while (await someBehind(low * 2)) low *= 2;
  let high = low * 2;
  // Nothing lies behind `high`.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await someBehind(middle)) low = middle + 1;
    else high = middle;
  }
  return high;
}
