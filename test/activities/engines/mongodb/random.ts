import { Binary, BSONRegExp, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'mongodb';

/** Seeded, so that a run that failed can be run again: HOLDFAST_SEED=<n>. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** mulberry32: 0 ≤ n < 1 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  chance(p: number): boolean {
    return this.next() < p;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Picks by weight: `[[3, a], [1, b]]`. */
  weighted<T>(items: readonly (readonly [number, T])[]): T {
    let at = this.next() * items.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, item] of items) {
      at -= weight;
      if (at < 0) return item;
    }
    return items.at(-1)![1];
  }

  text(length = 1 + this.below(12)): string {
    return Array.from({ length }, () => this.pick([...'abcdefghijklmnopqrstuvwxyzäßλ漢🙂 $.'])).join('');
  }
}

/** The seed of this process, printed by whoever uses it. */
export const processSeed = (): number => Number(process.env['HOLDFAST_SEED'] ?? Date.now() % 1_000_000);

/** Field names with a sting: numbers (which JavaScript reorders), the letters of update diffs, long and non-ASCII ones. */
export const fieldNames = ['a', 'b', 'c', 'u', 'i', 'd', 's', 'l', 'sa', '0', '1', '10', '2', 'länge', '漢', 'x y', 'aField'] as const;

/** A value of any type that a user can store. `depth` bounds how deep documents and arrays go. */
export function randomValue(random: Random, depth = 2): unknown {
  const scalars: (() => unknown)[] = [
    () => new Int32(random.below(1000) - 500),
    () => new Double(random.pick([0, -0, 1.5, -2.25, 1e300, Number.NaN, Number.POSITIVE_INFINITY, random.next()])),
    () => Long.fromBigInt(BigInt(random.below(1 << 30)) * 8_589_934_592n),
    () => Decimal128.fromString(`${random.below(1000)}.${random.below(1000)}`),
    () => random.text(),
    () => random.chance(0.5),
    () => null,
    () => new Date(1_700_000_000_000 + random.below(1e9)),
    () => new ObjectId(Array.from({ length: 12 }, () => random.below(256).toString(16).padStart(2, '0')).join('')),
    () => new Binary(Buffer.from(random.text()), random.pick([0, 5, 128])),
    () => new Timestamp({ t: random.below(1000), i: 1 + random.below(1000) }),
    () => new BSONRegExp(random.pick(['^a', 'b+c', '']), random.pick(['', 'i', 'im'])),
    () => new MinKey(),
    () => new MaxKey(),
  ];
  if (depth > 0 && random.chance(0.3)) return randomFields(random, depth - 1);
  if (depth > 0 && random.chance(0.3)) return Array.from({ length: random.below(6) }, () => randomValue(random, depth - 1));
  return random.pick(scalars)();
}

/** A map and not an object: it keeps the order of fields whose names are numbers. */
export function randomFields(random: Random, depth = 2): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  for (let n = random.below(6); n > 0; n -= 1) fields.set(random.pick(fieldNames), randomValue(random, depth));
  return fields;
}

/** The same document with its `_id` in front and the fields that the random updates aim at. */
export function randomDocument(random: Random, id: unknown): Map<string, unknown> {
  const document = new Map<string, unknown>([['_id', id]]);
  for (const [name, value] of randomFields(random)) document.set(name, value);
  if (random.chance(0.7)) document.set('n', new Int32(random.below(100)));
  if (random.chance(0.7)) document.set('list', Array.from({ length: random.below(8) }, () => new Int32(random.below(20))));
  if (random.chance(0.5)) document.set('rows', Array.from({ length: random.below(5) }, () => new Map<string, unknown>([['k', new Int32(random.below(5))], ['v', randomValue(random, 1)]])));
  if (random.chance(0.5)) document.set('sub', new Map<string, unknown>([['p', randomValue(random, 1)], ['q', new Int32(random.below(9))], ['deep', randomFields(random, 1)]]));
  return document;
}
