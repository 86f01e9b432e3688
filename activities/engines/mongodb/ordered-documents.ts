import { BSON, type Document, type MongoClient, type ReadPreferenceLike, type RunCursorCommandOptions } from 'mongodb';
import { bsonType, ElementCursor, makeDocument, makeElement } from './oplog/raw-elements.ts';
import { decode } from './raw-documents.ts';

/**
 * Specifications and `_id`s as JavaScript objects that keep the order of their fields.
 *
 * An object of JavaScript puts names that are numbers first, whatever order they were given in, so an index on
 * `{a: 1, "2024": 1}` would come back as another one. Here such names carry a mark while they are in an object;
 * whoever sends one to a server takes the mark off by `sendable`.
 */
const mark = '\u0001';
const needsMark = (name: string): boolean => /^\u0001*\d+$/.test(name);

/** Raw BSON as an object in its own order, every type as it is on the server. */
export const decodeOrdered = (raw: Buffer): Document => decode(renamed(raw, (name) => (needsMark(name) ? `${mark}${name}` : name)));

/** What `decodeOrdered` made, for a command or a document: maps keep their order, and carry no marks. */
export function sendable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sendable);
  if (!isPlain(value)) return value;
  return new Map(Object.entries(value).map(([name, inner]) => [isMarked(name) ? name.slice(1) : name, sendable(inner)]));
}

/** Canonical Extended JSON whose fields stand in their order: numbers keep their types, and keys what they sort by. */
export const stringifyOrdered = (value: Document): string =>
  BSON.EJSON.stringify(value, { relaxed: false }).replace(/([{,]")\\u0001((?:\\u0001)*\d+":)/g, '$1$2');

/** The other way. Every quote inside a JSON string is escaped, so a bare one behind a brace or comma begins a name. */
export const parseOrdered = (text: string): Document =>
  BSON.EJSON.parse(text.replace(/([{,]")((?:\\u0001)*\d+":)/g, '$1\\u0001$2'), { relaxed: false }) as Document;

/** All answers of a command with a cursor, as `decodeOrdered` gives them. */
export async function readOrdered(client: MongoClient, database: string, command: Document, options: { readPreference?: ReadPreferenceLike } = {}): Promise<Document[]> {
  const cursor = client.db(database).runCursorCommand(command, { ...options, raw: true } as RunCursorCommandOptions);
  const documents: Document[] = [];
  for await (const raw of cursor) documents.push(decodeOrdered(bufferOf(raw)));
  return documents;
}

/** With `raw`, the driver gives bytes where its types say document. */
export function bufferOf(document: unknown): Buffer {
  const bytes = document as Uint8Array;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const isMarked = (name: string): boolean => name.startsWith(mark) && needsMark(name);

const isPlain = (value: unknown): value is Document =>
  typeof value === 'object' && value !== null && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null);

function renamed(raw: Buffer, rename: (name: string) => string, inArray = false): Buffer {
  const elements: Buffer[] = [];
  for (const cursor = new ElementCursor(raw); cursor.next(); ) {
    const isArray = cursor.type === bsonType.array;
    const value = isArray || cursor.type === bsonType.document ? renamed(cursor.value, rename, isArray) : cursor.value;
    elements.push(makeElement(cursor.type, inArray ? cursor.name : rename(cursor.name), value));
  }
  return makeDocument(elements);
}
