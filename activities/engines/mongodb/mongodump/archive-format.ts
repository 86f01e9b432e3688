import { BSON, Int32, Long, type Document } from 'mongodb';
import { kib, mib } from '../../../../workflows/domain/units.ts';

/**
 * The archive that mongodump writes, version 0.1: magic, header, one document for each namespace, terminator; then
 * blocks of `namespace header, documents, terminator`, where a namespace may have many blocks between those of others and
 * ends with an empty block that says so and holds the CRC of all its documents.
 */
export const magic = Buffer.from([0x6d, 0xe2, 0x99, 0x81]);
export const terminator = Buffer.from([0xff, 0xff, 0xff, 0xff]);
export const archiveVersion = '0.1';
/** The largest document that a server stores, and what an entry of the log may add to it. */
export const maxDocumentBytes = mib(16) + kib(16);

export interface Namespace {
  db: string;
  collection: string;
}

/** One namespace as the prelude of an archive names it; `metadata` is the text of metadata.json, empty for the log. */
export interface PreludeEntry extends Namespace {
  metadata: string;
  size: number;
  type: string;
}

export interface Prelude {
  concurrentCollections: number;
  serverVersion: string;
  toolVersion: string;
  entries: PreludeEntry[];
}

export const nameOf = ({ db, collection }: Namespace): string => (db === '' ? collection : `${db}.${collection}`);

export function encodePrelude(prelude: Prelude): Buffer {
  const header = {
    concurrent_collections: new Int32(prelude.concurrentCollections),
    version: archiveVersion,
    server_version: prelude.serverVersion,
    tool_version: prelude.toolVersion,
  };
  const entries = prelude.entries.map(({ db, collection, metadata, size, type }) => BSON.serialize({ db, collection, metadata, size: new Int32(size), type }));
  return Buffer.concat([magic, BSON.serialize(header), ...entries, terminator]);
}

export const encodeBlockStart = ({ db, collection }: Namespace): Buffer => encodeHeader({ db, collection }, false, 0n);
export const encodeNamespaceEnd = (of: Namespace, crc: bigint): Buffer => Buffer.concat([encodeHeader(of, true, crc), terminator]);

const encodeHeader = ({ db, collection }: Namespace, end: boolean, crc: bigint): Buffer =>
  Buffer.from(BSON.serialize({ db, collection, EOF: end, CRC: Long.fromBigInt(crc) }));

export interface BlockHeader extends Namespace {
  end: boolean;
  crc: bigint;
}

/** @returns undefined when the document is no header of a block. */
export function decodeHeader(raw: Buffer): BlockHeader | undefined {
  const { db, collection, EOF, CRC } = decodePlain(raw);
  if (typeof db !== 'string' || typeof collection !== 'string' || typeof EOF !== 'boolean' || typeof CRC !== 'bigint') return undefined;
  return { db, collection, end: EOF, crc: CRC };
}

export function decodePlain(raw: Buffer): Document {
  try {
    return BSON.deserialize(raw, { useBigInt64: true });
  } catch {
    return {};
  }
}
