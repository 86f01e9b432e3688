import type { GroupIndex, Part } from '../../../workflows/domain/manifest.ts';
import { shareOfPlace, type InFlight } from '../base/in-flight.ts';
import type { WrittenRange } from '../base/put-index.ts';
import { nextPartName, partBytes, putPart, type PartName, type PartStore, type PlainPart } from '../base/stored-parts.ts';
import type { StoredProgress } from '../base/stored-progress.ts';
import { RowSum } from './row-sum.ts';

/** What writing a range needs of whoever reads it. */
export interface WriteJob {
  parts: PartStore;
  uploads: InFlight;
  buffers: PartBuffers;
  /** how many ranges there are in all */
  ranges: number;
  progress: Pick<StoredProgress, 'read' | 'stored'>;
}

/** Memory of parts that are stored, for those that come: left to the garbage collector, a fast reader would have many waiting to be collected. */
export class PartBuffers {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafe(partBytes);
  }

  giveBack(buffer: Buffer): void {
    this.#free.push(buffer);
  }
}

/**
 * Cuts rows into parts, counts and sums them, and uploads.
 *
 * A part holds whole rows; one that is larger than a part lies over several, all but its last `continues`. `documents` of a part are the rows that end in it.
 */
export class RowWriter implements WrittenRange {
  parts: Part[] = [];
  readonly #job: WriteJob;
  readonly #of: { unit: string; range: string };
  readonly #sum = new RowSum();
  #bytes = 0;
  #buffer: Buffer;
  #used = 0;
  /** where, in the buffer, the row begins that has not ended yet */
  #rowAt = 0;
  #rowsInPart = 0;
  #name: PartName | undefined;

  constructor(job: WriteJob, of: { unit: string; range: string }) {
    this.#job = job;
    this.#of = of;
    this.#buffer = job.buffers.take();
  }

  get rows(): number {
    return this.#sum.rows;
  }

  /** Any bytes of the stream, in order. */
  async write(chunk: Buffer): Promise<void> {
    this.#job.progress.read(chunk.length);
    this.#bytes += chunk.length;
    const ends: number[] = [];
    this.#sum.add(chunk, (next) => ends.push(next));
    if (this.#used + chunk.length <= partBytes) {
      chunk.copy(this.#buffer, this.#used);
      if (ends.length > 0) this.#rowAt = this.#used + ends.at(-1)!;
      this.#rowsInPart += ends.length;
      this.#used += chunk.length;
      return;
    }
    let at = 0;
    for (const end of ends) {
      await this.#keep(chunk, at, end);
      this.#rowsInPart += 1;
      this.#rowAt = this.#used;
      at = end;
    }
    await this.#keep(chunk, at, chunk.length);
  }

  /** The last part. The memory goes back with it. @throws when the stream ended inside a row. */
  async end(): Promise<void> {
    this.#sum.end();
    if (this.#used > 0) await this.#cut(this.#used, false);
    this.#job.buffers.giveBack(this.#buffer);
  }

  summary(): GroupIndex['ranges'][number] {
    return { ...this.#of, documents: this.#sum.rows, plainBytes: this.#bytes, hashSum: this.#sum.hex(), fuzzy: null, gone: false };
  }

  async #keep(chunk: Buffer, from: number, to: number): Promise<void> {
    for (let at = from; at < to; ) {
      if (this.#used === partBytes) await this.#makeRoom();
      const taken = Math.min(to - at, partBytes - this.#used);
      chunk.copy(this.#buffer, this.#used, at, at + taken);
      this.#used += taken;
      at += taken;
    }
  }

  /** Whole rows go; the row that has begun moves on to the next part, unless it fills this one alone. */
  async #makeRoom(): Promise<void> {
    const whole = this.#rowAt;
    if (whole === 0) return await this.#cut(this.#used, true);
    const rest = Buffer.from(this.#buffer.subarray(whole, this.#used));
    await this.#cut(whole, false);
    rest.copy(this.#buffer);
    this.#used = rest.length;
  }

  async #cut(length: number, continues: boolean): Promise<void> {
    const buffer = this.#buffer;
    // The part is being sealed while the next one is filled, so it keeps its memory; a small one is copied out of it.
    const small = length < partBytes / 4;
    const bytes = small ? Buffer.from(buffer.subarray(0, length)) : buffer.subarray(0, length);
    if (!small) this.#buffer = this.#job.buffers.take();
    const plain: PlainPart = { bytes, documents: this.#rowsInPart, continues, exact: false };
    this.#used = 0;
    this.#rowAt = 0;
    this.#rowsInPart = 0;
    const name = (this.#name = nextPartName(this.#name));
    await this.#job.uploads.add(async () => {
      this.parts[name.index] = await putPart(this.#job.parts, this.#of, name, plain);
      if (!small) this.#job.buffers.giveBack(buffer);
      this.#job.progress.stored(length);
    }, shareOfPlace(length, this.#job.ranges));
  }
}
