import { partBytes, type PlainPart } from '../base/stored-parts.ts';
import { hasIdFirst, holdsZeroTimestamp, mayHoldZeroTimestamp, splitDocuments } from './raw-documents.ts';

/**
 * Cuts a stream of documents into parts: whole documents, as many as fit. A document larger than a part has parts of
 * its own, all but the last of them `continues`.
 *
 * A part's memory is lent: give it back by `release` once it is stored. Left to the garbage collector, a fast reader
 * would have many parts of memory waiting to be collected.
 */
export class PartCutter {
  readonly #free: Buffer[] = [];
  readonly #lent = new Map<PlainPart, Buffer>();
  #buffer: Buffer = Buffer.allocUnsafe(partBytes);
  #used = 0;
  #documents = 0;
  #idNotFirst = false;

  /** Parts that this document completes: usually none. */
  *add(document: Buffer): Generator<PlainPart> {
    if (document.length > partBytes) {
      yield* this.flush();
      yield* large(document);
      return;
    }
    if (this.#used + document.length > partBytes) yield* this.flush();
    document.copy(this.#buffer, this.#used);
    this.#used += document.length;
    this.#documents += 1;
    this.#idNotFirst ||= !hasIdFirst(document);
  }

  /** What is left, as a part; nothing when nothing is. */
  *flush(): Generator<PlainPart> {
    if (this.#documents === 0) return;
    const used = this.#buffer.subarray(0, this.#used);
    // The part is being sealed while the next one is filled, so it keeps its memory; a small one is copied out of it.
    const small = used.length < partBytes / 4;
    const bytes = small ? Buffer.from(used) : used;
    const documents = this.#documents;
    const exact = this.#idNotFirst || holdsZeroTimestamps(bytes);
    const part: PlainPart = { bytes, documents, continues: false, exact };
    if (!small) {
      this.#lent.set(part, this.#buffer);
      this.#buffer = this.#free.pop() ?? Buffer.allocUnsafe(partBytes);
    }
    this.#used = 0;
    this.#documents = 0;
    this.#idNotFirst = false;
    yield part;
  }

  /** A small part's or a large document's memory is its own: nothing to give back. */
  release(part: PlainPart): void {
    const buffer = this.#lent.get(part);
    if (buffer && this.#lent.delete(part)) this.#free.push(buffer);
  }
}

function* large(document: Buffer): Generator<PlainPart> {
  const exact = !hasIdFirst(document) || holdsZeroTimestamp(document);
  for (let at = 0; at < document.length; at += partBytes) {
    const bytes = document.subarray(at, at + partBytes);
    const continues = at + partBytes < document.length;
    yield { bytes, documents: continues ? 0 : 1, continues, exact };
  }
}

function holdsZeroTimestamps(bytes: Buffer): boolean {
  if (!mayHoldZeroTimestamp(bytes)) return false;
  for (const document of splitDocuments(bytes)) if (holdsZeroTimestamp(document)) return true;
  return false;
}
