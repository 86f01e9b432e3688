const headerBytes = 5;
const copyData = 'd'.charCodeAt(0);
/** What may stand between: the answer's beginning, CopyDone, a notice, a setting, a notification. */
const passedOver = new Set([...'HcNSA'].map((code) => code.charCodeAt(0)));

/**
 * Takes the rows of a COPY out of the messages that they travel in, wherever the network cuts those.
 * @source PostgreSQL manual, Message Formats: a letter, the length of what follows with these four bytes, what follows.
 */
export class RowFrames {
  readonly #header = Buffer.alloc(headerBytes);
  #headerLength = 0;
  /** of the message that has begun */
  #left = 0;
  #isRow = false;

  /**
   * @param chunk - its memory is written over: rows move together in it.
   * @returns bytes - of rows, in `chunk`. rest - from a message on that is none of the COPY: its end, or what kept it from it.
   */
  take(chunk: Buffer): { bytes: Buffer; rest?: Buffer } {
    let [at, kept] = [0, 0];
    while (at < chunk.length) {
      if (this.#left === 0) {
        const used = Math.min(headerBytes - this.#headerLength, chunk.length - at);
        for (let n = 0; n < used; n += 1) this.#header[this.#headerLength + n] = chunk[at + n]!;
        at += used;
        this.#headerLength += used;
        if (this.#headerLength < headerBytes) break;
        this.#headerLength = 0;
        const code = this.#header[0]!;
        if (code !== copyData && !passedOver.has(code)) return { bytes: chunk.subarray(0, kept), rest: Buffer.concat([this.#header, chunk.subarray(at)]) };
        this.#isRow = code === copyData;
        this.#left = this.#header.readUInt32BE(1) - 4;
        continue;
      }
      const taken = Math.min(this.#left, chunk.length - at);
      if (this.#isRow) {
        chunk.copyWithin(kept, at, at + taken);
        kept += taken;
      }
      at += taken;
      this.#left -= taken;
    }
    return { bytes: chunk.subarray(0, kept) };
  }
}
