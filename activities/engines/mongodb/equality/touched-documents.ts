import { mib } from '../../../../workflows/domain/units.ts';

/** Ten bits a document make one wrong "maybe" in a hundred; a full filter makes more of them, and no wrong "no". */
const bitsPerDocument = 10;
const probes = 5;
const mostBytes = mib(64);
const leastBytes = 1024;

/** Two independent numbers for one document. */
export interface DocumentHash {
  a: number;
  b: number;
}

/** Which documents the log may have touched: a Bloom filter, since a set of a hundred million ids has no room. */
export class TouchedDocuments {
  readonly #bits: Uint8Array;
  readonly #mask: number;

  /** @param documents - about how many; more make it less sharp, never wrong. */
  constructor(documents: number) {
    let bytes = leastBytes;
    while (bytes < mostBytes && bytes * 8 < documents * bitsPerDocument) bytes *= 2;
    this.#bits = new Uint8Array(bytes);
    this.#mask = bytes * 8 - 1;
  }

  add({ a, b }: DocumentHash): void {
    for (let probe = 0; probe < probes; probe += 1) {
      const bit = (a + Math.imul(probe, b | 1)) & this.#mask;
      this.#bits[bit >>> 3]! |= 1 << (bit & 7);
    }
  }

  /** false: certainly not. */
  mayHave({ a, b }: DocumentHash): boolean {
    for (let probe = 0; probe < probes; probe += 1) {
      const bit = (a + Math.imul(probe, b | 1)) & this.#mask;
      if ((this.#bits[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }
}
