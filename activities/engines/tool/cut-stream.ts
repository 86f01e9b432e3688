import { partBytes, type PlainPart } from '../base/stored-parts.ts';

/** Cuts a stream of bytes into parts. A part's memory is lent: give it back by `release` once it is stored. */
export class StreamCutter {
  readonly #free: Buffer[] = [];
  #buffer: Buffer = Buffer.allocUnsafe(partBytes);
  #used = 0;

  /** Parts that this chunk completes. */
  *add(chunk: Buffer): Generator<PlainPart> {
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(chunk.length - at, partBytes - this.#used);
      chunk.copy(this.#buffer, this.#used, at, at + taken);
      this.#used += taken;
      at += taken;
      if (this.#used === partBytes) yield this.#take(this.#free.pop() ?? Buffer.allocUnsafe(partBytes));
    }
  }

  /** What is left, as the last part; nothing when nothing is. */
  *flush(): Generator<PlainPart> {
    if (this.#used > 0) yield this.#take(Buffer.alloc(0));
  }

  release({ bytes }: PlainPart): void {
    if (bytes.length === partBytes) this.#free.push(bytes);
  }

  #take(next: Buffer): PlainPart {
    const bytes = this.#buffer.subarray(0, this.#used);
    this.#buffer = next;
    this.#used = 0;
    return { bytes, documents: 0, continues: false, exact: false };
  }
}
