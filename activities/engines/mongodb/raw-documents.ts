import { BSON, type Document } from 'mongodb';

/** Keeps every type as it is on the server: no number is widened, no regular expression is rebuilt. */
const faithful = { promoteValues: false, promoteBuffers: false, bsonRegExp: true } as const;

export const decode = (raw: Uint8Array): Document => BSON.deserialize(raw, faithful);

/** Documents that lie one after another, as they do in a part. */
export function* splitDocuments(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const end = endOfDocument(bytes, at);
    yield bytes.subarray(at, end);
    at = end;
  }
}

/** Neighbouring documents as one piece of their buffer. */
export interface Rows {
  bytes: Buffer;
  documents: number;
}

/** As `splitDocuments`, in pieces of at most so many documents: for whoever passes them on and looks into none. */
export function cutRows(bytes: Buffer, documentsAtMost: number): Rows[] {
  const rows: Rows[] = [];
  for (let start = 0; start < bytes.length; ) {
    let at = start;
    let documents = 0;
    for (; at < bytes.length && documents < documentsAtMost; documents += 1) at = endOfDocument(bytes, at);
    rows.push({ bytes: bytes.subarray(start, at), documents });
    start = at;
  }
  return rows;
}

function endOfDocument(bytes: Buffer, at: number): number {
  const size = at + 4 <= bytes.length ? bytes.readInt32LE(at) : 0;
  if (size < 5 || at + size > bytes.length) throw new RangeError(`no whole document at byte ${at} of ${bytes.length}`);
  return at + size;
}

/** `_id` as the first element: type byte at 4, then the name "_id\0" read as one little-endian number. */
const idFirst = 0x0064695f;

export const hasIdFirst = (document: Buffer): boolean => document.length >= 9 && document.readUInt32LE(5) === idFirst;

/** The end of a name and eight bytes of zero: every Timestamp(0,0) is one, and few other things are. */
const nameEndAndZero = Buffer.alloc(9);

/** False means: certainly no Timestamp(0,0) in any of these documents. One native scan for a whole part. */
export const mayHoldZeroTimestamp = (documents: Buffer): boolean => documents.includes(nameEndAndZero);

const timestampType = 0x11;

/** Whether a top-level field is Timestamp(0,0), which the server replaces by its own time on insert. */
export function holdsZeroTimestamp(document: Buffer): boolean {
  // Every document of a part may come by here: no name is decoded and nothing is allocated.
  for (let at = 4; document[at] !== 0;) {
    const type = document[at]!;
    const valueAt = nameEndOf(document, at) + 1;
    if (type === timestampType && document.readUInt32LE(valueAt) === 0 && document.readUInt32LE(valueAt + 4) === 0) return true;
    at = valueAt + valueSize(document, type, valueAt);
  }
  return false;
}

function nameEndOf(document: Buffer, elementAt: number): number {
  let at = elementAt + 1;
  while (document[at] !== 0) at += 1;
  return at;
}

export interface Element {
  type: number;
  name: string;
  valueAt: number;
  end: number;
}

/** The top-level elements of one document, without decoding their values. */
export function* elements(document: Buffer): Generator<Element> {
  let at = 4;
  while (document[at] !== 0) {
    const type = document[at]!;
    const nameEnd = nameEndOf(document, at);
    const valueAt = nameEnd + 1;
    const end = valueAt + valueSize(document, type, valueAt);
    yield { type, name: document.toString('utf8', at + 1, nameEnd), valueAt, end };
    at = end;
  }
}

/** One field as a document of its own, its value untouched: `{<name>: value}`. */
export function pickField(document: Buffer, field: string): Buffer {
  for (const element of elements(document)) {
    if (element.name !== field) continue;
    const name = Buffer.from(`${field}\0`);
    const picked = Buffer.alloc(4 + 1 + name.length + (element.end - element.valueAt) + 1);
    picked.writeInt32LE(picked.length, 0);
    picked[4] = element.type;
    name.copy(picked, 5);
    document.copy(picked, 5 + name.length, element.valueAt, element.end);
    return picked;
  }
  throw new RangeError(`document without ${field}`);
}

/** @source bsonspec.org, version 1.1 */
function valueSize(document: Buffer, type: number, at: number): number {
  switch (type) {
    case 0x01: case 0x09: case 0x11: case 0x12: return 8;
    case 0x02: case 0x0d: case 0x0e: return 4 + document.readInt32LE(at);
    case 0x03: case 0x04: case 0x0f: return document.readInt32LE(at);
    case 0x05: return 5 + document.readInt32LE(at);
    case 0x06: case 0x0a: case 0x7f: case 0xff: return 0;
    case 0x07: return 12;
    case 0x08: return 1;
    case 0x0b: {
      const patternEnd = document.indexOf(0, at);
      return document.indexOf(0, patternEnd + 1) + 1 - at;
    }
    case 0x0c: return 4 + document.readInt32LE(at) + 12;
    case 0x10: return 4;
    case 0x13: return 16;
    default: throw new RangeError(`BSON type 0x${type.toString(16)} at byte ${at}`);
  }
}
