import { describeSpent, type Spent } from './processor-time.ts';

/**
 * Contenders side by side in one run: each round has every contender once, on fresh data, and the order turns from round to
 * round, so that a slow moment of the machine does not always meet the same one.
 */
export interface Contender {
  name: string;
  /** Prepares fresh data, does the work, and answers with the time of the work alone. */
  run(round: number): Promise<Taken>;
}

export interface Taken {
  ms: number;
  /** of all its processes together, servers not counted; null where it was not looked at */
  peakRssBytes: number | null;
  spent?: Spent;
  /** processor time of everything that it took part in, servers included; left out: not looked at */
  processorMs?: number;
}

export interface Result {
  medianMs: number;
  leastMs: number;
  mostMs: number;
  peakRssBytes: number | null;
  rounds: number[];
  /** who took how much processor time, of the round in the middle; left out: not looked at */
  spent?: string;
  /** left out: not looked at */
  processorMs?: number;
}

/** @param say - told each time as it is taken. */
export async function race(contenders: readonly Contender[], rounds: number, say: (line: string) => void): Promise<Result[]> {
  const taken: Taken[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    const order = contenders.map((_, index) => index);
    if (round % 2 === 1) order.reverse();
    for (const index of order) {
      const one = await contenders[index]!.run(round);
      taken[index]!.push(one);
      say(`  round ${round + 1}  ${contenders[index]!.name}  ${(one.ms / 1000).toFixed(2)} s${one.processorMs === undefined ? '' : `, ${(one.processorMs / 1000).toFixed(2)} s of processor time`}`);
    }
  }
  return taken.map((rounds, index) => summarize(contenders[index]!.name, rounds));
}

export function summarize(name: string, taken: readonly Taken[]): Result {
  const rounds = taken.map(({ ms }) => ms);
  const sorted = [...rounds].sort((a, b) => a - b);
  const peaks = taken.flatMap(({ peakRssBytes }) => peakRssBytes ?? []);
  const looked = taken.flatMap(({ ms, spent }) => (spent ? [{ ms, spent }] : []));
  const processor = taken.flatMap(({ processorMs }) => processorMs ?? []).sort((a, b) => a - b);
  const middle = looked.sort((a, b) => a.ms - b.ms)[looked.length >> 1];
  return {
    medianMs: percentile(sorted, 0.5),
    leastMs: sorted[0]!,
    mostMs: sorted.at(-1)!,
    peakRssBytes: peaks.length > 0 ? Math.max(...peaks) : null,
    rounds,
    ...(processor.length > 0 ? { processorMs: percentile(processor, 0.5) } : {}),
    ...(middle ? { spent: describeSpent(name, middle) } : {}),
  };
}

/** @param sorted - rising; between two of them the value is interpolated. */
export function percentile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  return sorted[low]! + (sorted[Math.ceil(at)]! - sorted[low]!) * (at - low);
}
