import type { MongoClient, Timestamp } from 'mongodb';
import type { GroupIndex, Part } from '../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../context.ts';
import { withoutValues } from './connect.ts';
import { PartCutter, type PlainPart } from './cut-parts.ts';
import { HashSum } from './hash.ts';
import { InFlight } from './in-flight.ts';
import { splitNamespace } from './namespaces.ts';
import { decodeDetail, type Bounds, type PlanRange, type PlanUnit } from './plan.ts';
import { readFailureOf, readRange } from './read-range.ts';
import { adoptParts, nextPartName, putPart, type PartName, type PartStore } from './stored-parts.ts';
import type { Throttle } from './throttle.ts';

export type DumpedRange = GroupIndex['ranges'][number];

/** What dumping the ranges of one group has in common. */
export interface DumpJob {
  context: SourceContext;
  client: MongoClient;
  parts: PartStore;
  throttle: Throttle;
  cutter: PartCutter;
  uploads: InFlight;
  readAt: Timestamp;
  /** called with plain bytes as they are read or adopted */
  advance(bytes: number): void;
}

/** What was read of a range. `parts` are complete once the job's uploads have settled. */
export interface WrittenRange {
  readonly parts: readonly Part[];
  summary(): DumpedRange;
}

/** The range that holds what was read behind the snapshot's end: its parts say of themselves that they are not of one instant. */
export const fuzzyRangeOf = (range: string): string => `${range}f`;

/** A collection that changes faster than it can be read is given up after this many beginnings. */
const beginnings = 5;

/**
 * Dumps one range: first at the plan's instant, and from where that is no longer possible, as the majority has it then.
 * Adopts what earlier attempts left; after a kill, only the parts that were in flight are read again.
 */
export async function dumpRange(job: DumpJob, unit: PlanUnit, range: PlanRange, bounds: Bounds): Promise<WrittenRange[]> {
  const begin = (name: string, fuzzy: string | null): RangeWriter => new RangeWriter(job, unit, name, fuzzy);
  const natural = unit.capped || !hasIdIndex(unit);
  if (unit.fuzzy !== null || natural) {
    const writer = begin(fuzzyRangeOf(range.range), unit.fuzzy ?? 'a collection without an index on _id cannot be read at an instant');
    if (!natural) await writer.adopt(undefined);
    await readOn(writer, { bounds, natural });
    return [writer];
  }
  const exact = begin(range.range, null);
  await exact.adopt(undefined);
  const stopped = await readOn(exact, { bounds, natural, at: job.readAt });
  if (!stopped) return [exact];

  const fuzzy = begin(fuzzyRangeOf(range.range), stopped);
  await fuzzy.adopt(exact);
  await readOn(fuzzy, { bounds, natural });
  return [exact, fuzzy];
}

/**
 * Reads a range to its end, and again from the last document when a cursor dies of a rename, a kill or a time-out.
 * @returns why the snapshot could not be read any further; undefined at the end.
 */
async function readOn(writer: RangeWriter, from: { bounds: Bounds; natural: boolean; at?: Timestamp }): Promise<string | undefined> {
  const { job, unit } = writer;
  const { database } = splitNamespace(unit.name);
  for (let beginning = 1; ; beginning += 1) {
    const documentsBefore = writer.documents;
    try {
      const readPreference = job.context.source.limits.readPreference;
      const batches = readRange(job.client, { database, uuid: unit.id, ...from, at: from.at, notBefore: job.readAt, after: writer.last, readPreference });
      for await (const batch of batches) {
        job.context.signal.throwIfAborted();
        await job.throttle.spent(await writer.write(batch));
      }
      await writer.flush();
      return undefined;
    } catch (error) {
      const failure = readFailureOf(error);
      const moved = writer.documents > documentsBefore;
      if (failure === 'gone') {
        await writer.flush();
        writer.gone = true;
        return undefined;
      }
      if (failure === 'too-old' && from.at) {
        await writer.flush();
        return `the instant could not be read any more: ${withoutValues((error as Error).message)}`;
      }
      if (failure !== 'again' || (beginning >= beginnings && !moved)) throw error;
      if (from.natural) writer.startOver();
    }
  }
}

const hasIdIndex = (unit: PlanUnit): boolean => {
  const detail = decodeDetail(unit.detail);
  return detail.idIndex !== null || detail.options.clusteredIndex !== undefined;
};

/** Hashes, cuts and uploads the documents of one range, in the order that they are given. */
class RangeWriter implements WrittenRange {
  readonly job: DumpJob;
  readonly unit: PlanUnit;
  parts: Part[] = [];
  /** the last document written or adopted */
  last: Buffer | undefined;
  documents = 0;
  gone = false;
  readonly #range: string;
  readonly #fuzzy: string | null;
  #bytes = 0;
  #sum = new HashSum();
  #name: PartName | undefined;
  /** the part that this range's first one was read behind, when that is a part of another range */
  #behind: string | undefined;

  constructor(job: DumpJob, unit: PlanUnit, range: string, fuzzy: string | null) {
    this.job = job;
    this.unit = unit;
    this.#range = range;
    this.#fuzzy = fuzzy;
  }

  /** Takes over what earlier attempts left of this range, behind what `before` has. */
  async adopt(before: RangeWriter | undefined): Promise<void> {
    this.#behind = before?.lastName();
    this.last = before?.last;
    const of = { unit: this.unit.id, range: this.#range };
    for await (const { part, name, documents } of adoptParts(this.job.parts, of, this.#behind)) {
      this.#name = name;
      this.parts.push(part);
      for (const document of documents) this.#count(document);
      this.job.advance(part.plainBytes);
    }
  }

  /** @returns how many bytes that were. */
  async write(batch: readonly Buffer[]): Promise<number> {
    let bytes = 0;
    for (const document of batch) {
      bytes += document.length;
      this.#count(document);
      for (const part of this.job.cutter.add(document)) await this.#upload(part);
    }
    this.job.advance(bytes);
    return bytes;
  }

  async flush(): Promise<void> {
    for (const part of this.job.cutter.flush()) await this.#upload(part);
  }

  /** Forgets what was written: for a stream that cannot be read on from where it broke. */
  startOver(): void {
    for (const part of this.job.cutter.flush()) this.job.cutter.release(part);
    // A new list: uploads that still run fill in the old one.
    this.parts = [];
    this.last = undefined;
    this.documents = 0;
    this.#bytes = 0;
    this.#sum = new HashSum();
    this.#name = undefined;
  }

  /** the part that a continuation of this range is read behind */
  lastName(): string | undefined {
    return this.#name?.name;
  }

  summary(): DumpedRange {
    const fuzzy = this.#fuzzy ?? (this.gone ? 'it was dropped while it was read' : null);
    return {
      unit: this.unit.id,
      range: this.#range,
      documents: this.documents,
      plainBytes: this.#bytes,
      hashSum: fuzzy === null ? this.#sum.hex() : null,
      fuzzy,
      gone: this.gone,
    };
  }

  #count(document: Buffer): void {
    this.documents += 1;
    this.#bytes += document.length;
    if (this.#fuzzy === null) this.#sum.add(document);
    this.last = document;
  }

  async #upload(plain: PlainPart): Promise<void> {
    const { parts: store, uploads, cutter } = this.job;
    const name = this.#name ? nextPartName(this.#name) : { ...nextPartName(undefined), ...(this.#behind ? { previous: this.#behind } : {}) };
    this.#name = name;
    const { parts } = this;
    const at = parts.length;
    parts.length += 1;
    await uploads.add(async () => {
      parts[at] = await putPart(store, { unit: this.unit.id, range: this.#range }, name, plain);
      cutter.release(plain);
    });
  }
}
