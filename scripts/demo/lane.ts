import type { Change, LedgerLine } from './ledger.ts';

/** A document that a lane wrote and may write again. */
interface Live {
  key: string;
  rev: number;
}

export interface Operation {
  seq: number;
  lane: number;
  changes: LedgerLine['changes'];
}

const mostLanes = 96;
const perLaneAndSecond = 7;

/**
 * How many lanes write `rate` operations a second together. What became of a deleted key only the lane's next writes can say: of a lane that seldom writes,
 * what is there would count as lost for seconds.
 */
export const lanesFor = (rate: number): number => Math.min(mostLanes, Math.ceil(rate / perLaneAndSecond));

const keepAtLeast = 5;
const keepAtMost = 100;

/**
 * Invents the operations of one lane, one at a time, so that the ledger's rules hold by construction: see `ledger.ts`.
 * `next` may be called again only after `settle`.
 */
export class Lane {
  readonly #lane: number;
  readonly #prefix: string;
  readonly #random: () => number;
  #seq = 0;
  #generation = 0;
  #made = 0;
  #live: Live[] = [];

  /** @param prefix - makes keys unique among writers that ever wrote to the same database. */
  constructor(lane: number, prefix: string, random: () => number = Math.random) {
    this.#lane = lane;
    this.#prefix = prefix;
    this.#random = random;
  }

  next(): Operation {
    this.#seq += 1;
    return { seq: this.#seq, lane: this.#lane, changes: this.#invent() };
  }

  /**
   * An insert to end with. A lane whose last acts are the insert and the delete of one key would leave nothing to show
   * that they were done, and both would have to count as lost.
   */
  last(): Operation {
    this.#seq += 1;
    return { seq: this.#seq, lane: this.#lane, changes: [this.#insert()] };
  }

  /** Only an acknowledgement lets the lane write to its documents again. After anything else it leaves all of them for ever. */
  settle(operation: Operation, acknowledged: boolean): void {
    if (!acknowledged) {
      this.#live = [];
      this.#generation += 1;
      return;
    }
    for (const { change, key, rev } of operation.changes) {
      this.#live = this.#live.filter((live) => live.key !== key);
      if (change !== 'delete') this.#live.push({ key, rev });
    }
  }

  #invent(): Operation['changes'] {
    if (this.#live.length < keepAtLeast) return [this.#insert()];
    const dice = this.#random();
    if (this.#live.length > keepAtMost || dice < 0.15) return [this.#change('delete', this.#pick())];
    if (dice < 0.6) return [this.#change('update', this.#pick())];
    if (dice < 0.95) return [this.#insert()];
    const [first, second] = [this.#live[0]!, this.#pick(1)];
    return [this.#change('update', first), this.#change('delete', second), this.#insert()];
  }

  #pick(from = 0): Live {
    return this.#live[from + Math.floor(this.#random() * (this.#live.length - from))]!;
  }

  #insert(): Operation['changes'][number] {
    this.#made += 1;
    return { change: 'insert', key: `${this.#prefix}-${this.#lane}-${this.#generation}-${this.#made}`, rev: 1 };
  }

  #change(change: Change, { key, rev }: Live): Operation['changes'][number] {
    return { change, key, rev: rev + 1 };
  }
}
