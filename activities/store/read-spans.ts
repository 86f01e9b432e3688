import { coverSlices, spanBuilder, type CoverEvent } from '../../workflows/domain/chain.ts';
import type { HoldfastError } from '../../workflows/domain/errors.ts';
import type { TimelineScope } from '../../workflows/domain/layout.ts';
import type { CatalogSpan } from '../../workflows/domain/recovery-point.ts';
import { believedSlices, SliceBelief, type SliceRoom } from './believed-slices.ts';
import type { StoredSlice } from './slice-names.ts';

export interface SpansOptions {
  distrust?: ReadonlyMap<string, string> | undefined;
  reject: (key: string, why: string, spare?: true) => void;
  /** how many slices were listed so far */
  listed?: (slices: number) => void;
}

/** That many slices at the end of a span are tried. Those before them are met by whoever reads the log. */
const triedAtMost = 100;

interface Refused {
  slice: StoredSlice;
  fault: HoldfastError;
}

/**
 * The unbroken spans of a timeline's slices, by their names; memory holds the spans and not the slices.
 *
 * The last slice of each span is opened: nothing touches it from behind, so a forged or damaged one would only be found by
 * who has restored everything before it. One that does not open is rejected, and the one before it tried.
 */
export async function readSpans(room: SliceRoom, scope: TimelineScope, { distrust, reject, listed }: SpansOptions): Promise<CatalogSpan[]> {
  const ends = new SpanEnds(new SliceBelief(room, scope));
  const cover = coverSlices<StoredSlice>();
  const spans = spanBuilder(scope.timeline);
  let tail: StoredSlice[] = [];
  const take = async (events: CoverEvent<StoredSlice>[]): Promise<void> => {
    for (const event of events) {
      if ('rejected' in event) {
        reject(event.rejected.key, event.why, true);
        continue;
      }
      const closed = spans.add(event.chosen);
      if (closed) {
        await ends.add(closed, tail);
        tail = [];
      }
      tail.push(event.chosen);
      if (tail.length > triedAtMost) tail.shift();
    }
  };
  let count = 0;
  for await (const slice of believedSlices(room, scope, { distrust, reject })) {
    await take(cover.add(slice));
    listed?.((count += 1));
  }
  await take(cover.end());
  const last = spans.end();
  if (last) await ends.add(last, tail);
  return ends.result(reject);
}

class SpanEnds {
  readonly #belief: SliceBelief;
  readonly #named: CatalogSpan[] = [];
  readonly #believed: CatalogSpan[] = [];
  readonly #refused: Refused[] = [];
  #opened = false;

  constructor(belief: SliceBelief) {
    this.#belief = belief;
  }

  /** @param tail - its last slices, in order. */
  async add(span: CatalogSpan, tail: StoredSlice[]): Promise<void> {
    this.#named.push(span);
    const believed = { ...span };
    for (const slice of tail.reverse()) {
      const fault = await this.#belief.faultOf(slice, slice === tail.at(-1) ? undefined : tail.at(-1));
      this.#opened ||= fault === undefined;
      if (!fault) break;
      this.#refused.push({ slice, fault });
      believed.to = slice.from;
      believed.slices -= 1;
      believed.storedBytes -= slice.bytes;
    }
    if (believed.slices > 0) this.#believed.push(believed);
  }

  result(reject: SpansOptions['reject']): CatalogSpan[] {
    // No key fits anything here: that says nothing of the slices, and who opens the base names the key.
    if (!this.#opened && this.#refused.every(isOfKey)) return this.#named;
    for (const { slice, fault } of this.#refused) reject(slice.key, fault.message);
    return this.#believed;
  }
}

const isOfKey = ({ slice, fault }: Refused): boolean => fault.type === 'WrongKey' || (fault.type === 'ObjectMissing' && fault.details['key'] !== slice.key);
