import { partBytes, type PlainPart } from '../base/stored-parts.ts';

/**
 * Cuts a stream of bytes into parts. Their memory is its own, and used again and again: a part is lent, and given back by `release` once it is stored, by whoever stored it and only then; until then
 * nothing writes to it. What was not given back is never used again.
 */
export class StreamCutter {
  readonly #free: Buffer[] = [];
  #buffer: Buffer = Buffer.allocUnsafe(partBytes);
  #used = 0;

  /** Where the next bytes of the stream are to lie: what is left of the present part, never nothing. */
  room(): Buffer {
    return this.#buffer.subarray(this.#used);
  }

  /** So many more bytes lie in the room. @returns the part that they complete; the room is another part's then. */
  took(bytes: number): PlainPart | undefined {
    this.#used += bytes;
    return this.#used === partBytes ? this.#take(this.#free.pop() ?? Buffer.allocUnsafe(partBytes)) : undefined;
  }

  /** Parts that this chunk completes. */
  *add(chunk: Buffer): Generator<PlainPart> {
    for (let at = 0; at < chunk.length;) {
      const taken = chunk.copy(this.room(), 0, at);
      at += taken;
      const part = this.took(taken);
      if (part) yield part;
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
