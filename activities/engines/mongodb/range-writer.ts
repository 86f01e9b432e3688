import type { GroupIndex, Part } from '../../../workflows/domain/manifest.ts';
import type { WrittenRange } from '../base/put-index.ts';
import type { StoredProgress } from '../base/stored-progress.ts';
import { nextPartName, putPart, type PartName, type PartStore, type PlainPart } from '../base/stored-parts.ts';
import { adoptParts } from './adopt-parts.ts';
import type { PartCutter } from './cut-parts.ts';
import { HashSum } from '../base/hash-sum.ts';
import { shareOfPlace, type InFlight } from '../base/in-flight.ts';
import { rangeName, type PlanUnit } from './plan.ts';

export type DumpedRange = GroupIndex['ranges'][number];

/** What writing a range needs of whoever reads it. */
export interface RangeJob {
  parts: PartStore;
  cutter: PartCutter;
  uploads: InFlight;
  /** how many ranges there are in all; left out: few */
  ranges?: number | undefined;
  /** ranges of which an earlier attempt left parts, as `rangeName` names them; left out: each is looked for by itself */
  begun?: ReadonlySet<string> | undefined;
  progress: Pick<StoredProgress, 'read' | 'stored' | 'adopted'>;
}

/** Hashes, cuts and uploads the documents of one range, in the order that they are given. */
export class RangeWriter<U extends Pick<PlanUnit, 'id'> = PlanUnit> implements WrittenRange {
  readonly job: RangeJob;
  readonly unit: U;
  parts: Part[] = [];
  /** the last document written or adopted */
  last: Buffer | undefined;
  documents = 0;
  gone = false;
  readonly #range: string;
  readonly #fuzzy: string | null;
  #bytes = 0;
  /** of the parts that this attempt stored */
  #storedBytes = 0;
  #sum = new HashSum();
  #name: PartName | undefined;
  /** the part that this range's first one was read behind, when that is a part of another range */
  #behind: string | undefined;

  constructor(job: RangeJob, unit: U, range: string, fuzzy: string | null) {
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
    if (this.job.begun?.has(rangeName(of)) === false) return;
    for await (const { part, name, documents } of adoptParts(this.job.parts, of, this.#behind)) {
      this.#name = name;
      this.parts.push(part);
      for (const document of documents) this.#count(document);
      this.job.progress.adopted(part.plainBytes);
    }
  }

  /** @returns how many bytes that were. */
  async write(batch: readonly Buffer[]): Promise<number> {
    const bytes = batch.reduce((sum, { length }) => sum + length, 0);
    this.job.progress.read(bytes);
    for (const document of batch) {
      this.#count(document);
      for (const part of this.job.cutter.add(document)) await this.#upload(part);
    }
    return bytes;
  }

  async flush(): Promise<void> {
    for (const part of this.job.cutter.flush()) await this.#upload(part);
  }

  /** Forgets what was written: for a stream that cannot be read on from where it broke. */
  startOver(): void {
    for (const part of this.job.cutter.flush()) this.job.cutter.release(part);
    this.job.progress.read(-this.#bytes);
    this.job.progress.stored(-this.#storedBytes);
    this.#storedBytes = 0;
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
      const { length } = plain.bytes;
      cutter.release(plain);
      if (parts !== this.parts) return;
      this.#storedBytes += length;
      this.job.progress.stored(length);
    }, shareOfPlace(plain.bytes.length, this.job.ranges ?? 1));
  }
}
