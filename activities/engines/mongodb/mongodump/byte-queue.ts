/** Bytes that came in pieces and are taken in others. A document that lies over many pieces is copied once, when it is whole. */
export class ByteQueue {
  #pieces: Buffer[] = [];
  #head = 0;
  length = 0;
  /** how many bytes were taken: where the next one stands in the stream */
  offset = 0;

  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.length += piece.length;
  }

  /** The next four bytes as a number, without taking them; undefined: they are not there yet. */
  peekInt32(): number | undefined {
    if (this.length < 4) return undefined;
    const head = this.#pieces[0]!;
    if (head.length - this.#head >= 4) return head.readInt32LE(this.#head);
    return Buffer.concat([head.subarray(this.#head), ...this.#pieces.slice(1, 4)]).readInt32LE(0);
  }

  /** Takes exactly so many bytes, which must be there. */
  take(bytes: number): Buffer {
    this.length -= bytes;
    this.offset += bytes;
    const head = this.#pieces[0]!;
    const end = this.#head + bytes;
    if (end <= head.length) {
      const taken = head.subarray(this.#head, end);
      this.#head = end;
      if (end === head.length) this.#drop();
      return taken;
    }
    const taken = Buffer.allocUnsafe(bytes);
    for (let at = 0; at < bytes;) {
      const piece = this.#pieces[0]!;
      const copied = piece.copy(taken, at, this.#head, Math.min(piece.length, this.#head + bytes - at));
      at += copied;
      this.#head += copied;
      if (this.#head === piece.length) this.#drop();
    }
    return taken;
  }

  #drop(): void {
    this.#pieces.shift();
    this.#head = 0;
  }
}
