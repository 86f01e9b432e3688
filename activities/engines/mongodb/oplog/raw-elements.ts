import { HoldfastError } from '../../../../workflows/domain/errors.ts';

/**
 * Walks raw BSON without decoding it. Log and documents are copied byte for byte: decoding and encoding again would
 * reorder fields with numbers for names, and change undefined, symbols, repeated names and NaN payloads.
 *
 * Names are compared as latin1 text of their bytes, which is exact for any bytes; `utf8Name` is for people.
 */
export const bsonType = {
  double: 1, string: 2, document: 3, array: 4, binary: 5, undefined: 6, objectId: 7, boolean: 8, date: 9, null: 10, regex: 11,
  dbPointer: 12, code: 13, symbol: 14, codeWithScope: 15, int32: 16, timestamp: 17, int64: 18, decimal128: 19, maxKey: 127, minKey: 255,
} as const;

/** Bytes of a value of each fixed-size type; the others say their own size. */
const fixedBytes: Readonly<Record<number, number>> = {
  1: 8, 6: 0, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 127: 0, 255: 0,
};

/** Stands on one element after each `next()`; offsets are into `bytes`. */
export class ElementCursor {
  readonly bytes: Buffer;
  type = 0;
  /** where the element begins: its type byte */
  start = 0;
  nameStart = 0;
  nameEnd = 0;
  valueStart = 0;
  end: number;
  readonly #limit: number;

  /** @param at - where the document begins in `bytes`. @throws ReplayFailed - it is cut off. */
  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    const size = at + 4 <= bytes.length ? bytes.readInt32LE(at) : -1;
    if (size < 5 || at + size > bytes.length) throw malformed(at, `document of ${size} bytes in ${bytes.length - at}`);
    this.end = at + 4;
    this.#limit = at + size - 1;
  }

  next(): boolean {
    if (this.end >= this.#limit) return false;
    const { bytes } = this;
    this.start = this.end;
    this.type = bytes[this.start]!;
    this.nameStart = this.start + 1;
    this.nameEnd = bytes.indexOf(0, this.nameStart);
    if (this.nameEnd < 0 || this.nameEnd >= this.#limit) throw malformed(this.start, 'a name without an end');
    this.valueStart = this.nameEnd + 1;
    this.end = this.valueStart + valueBytes(bytes, this.type, this.valueStart);
    if (this.end > this.#limit) throw malformed(this.start, `type ${this.type} beyond the document's end`);
    return true;
  }

  get name(): string {
    return this.bytes.toString('latin1', this.nameStart, this.nameEnd);
  }

  get utf8Name(): string {
    return this.bytes.toString('utf8', this.nameStart, this.nameEnd);
  }

  /** The value's bytes, not copied. */
  get value(): Buffer {
    return this.bytes.subarray(this.valueStart, this.end);
  }

  /** The whole element's bytes, not copied. */
  get element(): Buffer {
    return this.bytes.subarray(this.start, this.end);
  }

  /** The text of a string value. */
  get text(): string {
    return this.bytes.toString('utf8', this.valueStart + 4, this.end - 1);
  }

  get isTrue(): boolean {
    if (this.type === bsonType.boolean) return this.bytes[this.valueStart] === 1;
    return this.type === bsonType.int32 && this.bytes.readInt32LE(this.valueStart) !== 0;
  }
}

function valueBytes(bytes: Buffer, type: number, at: number): number {
  const fixed = fixedBytes[type];
  if (fixed !== undefined) return fixed;
  switch (type) {
    case bsonType.string: case bsonType.code: case bsonType.symbol: return 4 + bytes.readInt32LE(at);
    case bsonType.document: case bsonType.array: case bsonType.codeWithScope: return bytes.readInt32LE(at);
    case bsonType.binary: return 5 + bytes.readInt32LE(at);
    case bsonType.dbPointer: return 16 + bytes.readInt32LE(at);
    case bsonType.regex: return bytes.indexOf(0, bytes.indexOf(0, at) + 1) + 1 - at;
    default: throw malformed(at, `unknown type ${type}`);
  }
}

const malformed = (at: number, what: string): HoldfastError => new HoldfastError('ReplayFailed', `malformed BSON at byte ${at}: ${what}`);

/** The first element of that name, or undefined. */
export function findElement(document: Buffer, name: string): ElementCursor | undefined {
  const cursor = new ElementCursor(document);
  while (cursor.next()) if (cursor.name === name) return cursor;
  return undefined;
}

/** A document made of whole elements. */
export function makeDocument(elements: readonly Uint8Array[]): Buffer {
  let size = 5;
  for (const element of elements) size += element.length;
  const document = Buffer.allocUnsafe(size);
  document.writeInt32LE(size, 0);
  let at = 4;
  for (const element of elements) {
    document.set(element, at);
    at += element.length;
  }
  document[at] = 0;
  return document;
}

/** One element: type, name as latin1 text of its bytes, value. */
export function makeElement(type: number, name: string, value: Uint8Array): Buffer {
  const element = Buffer.allocUnsafe(1 + name.length + 1 + value.length);
  element[0] = type;
  element.write(name, 1, 'latin1');
  element[1 + name.length] = 0;
  element.set(value, 2 + name.length);
  return element;
}

/** Splits concatenated documents; yields each one without copying. @throws ReplayFailed - the last one is cut off. */
export function* splitDocuments(bytes: Buffer): Generator<Buffer> {
  let at = 0;
  while (at < bytes.length) {
    const size = at + 4 <= bytes.length ? bytes.readInt32LE(at) : -1;
    if (size < 5 || at + size > bytes.length) throw malformed(at, `document of ${size} bytes in ${bytes.length - at}`);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
