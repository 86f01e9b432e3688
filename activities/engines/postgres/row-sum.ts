import { createHash, type Hash } from 'node:crypto';
import { HashSum } from '../base/hash-sum.ts';

const newline = 0x0a;

/** Counts and sums the rows of a stream of COPY's text, whose rows are lines: every line end inside a value is escaped. */
export class RowSum {
  rows = 0;
  readonly #sum = new HashSum();
  /** of a row that began in an earlier chunk */
  #begun: Hash | undefined;

  /** @param onRow - told where, in the chunk, the next row would begin. */
  add(chunk: Buffer, onRow?: (next: number) => void): void {
    for (let at = 0; at < chunk.length; ) {
      const end = chunk.indexOf(newline, at);
      if (end < 0) {
        this.#begun ??= createHash('sha256');
        this.#begun.update(chunk.subarray(at));
        return;
      }
      // The row without its line end: in one go where it is whole in the chunk.
      if (this.#begun) this.#sum.addDigest(this.#begun.update(chunk.subarray(at, end)).digest('binary'));
      else this.#sum.add(chunk.subarray(at, end));
      this.#begun = undefined;
      this.rows += 1;
      at = end + 1;
      onRow?.(at);
    }
  }

  /** @throws when the stream ended inside a row. */
  end(): void {
    if (this.#begun) throw new Error('the stream of rows ended inside a row');
  }

  hex(): string {
    return this.#sum.hex();
  }
}
