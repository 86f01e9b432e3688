import { createRequire } from 'node:module';
import { Timestamp, type Document, type MongoClient } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { withoutValues } from '../connect.ts';
import { splitNamespace } from '../namespaces.ts';
import { bufferOf, decodeOrdered, sendable } from '../ordered-documents.ts';
import { elements, holdsZeroTimestamp, mayHoldZeroTimestamp, pickField } from '../raw-documents.ts';

interface DocumentSequence {
  push(document: Document, raw: Uint8Array): number;
}

/**
 * The driver's own carrier of documents that are encoded already. It is not among the driver's public names, and is all that takes documents byte by byte over a
 * connection with login, TLS and a search for the primary; the driver's version is pinned, and a copy is proved by its bytes.
 */
const { DocumentSequence: Sequence } = createRequire(import.meta.url)('mongodb/lib/cmap/commands.js') as { DocumentSequence: new (field: string) => DocumentSequence };

/**
 * Inserts documents byte by byte as they are, whatever a validator says, and waits until a majority has them: whoever is slow sets the pace.
 *
 * An insert puts the server's time in place of Timestamp(0,0); such a field goes in as (0,1) and is set to zero afterwards.
 * @throws ReplayFailed - the server refused one; no value is named.
 */
export async function insertRaw(client: MongoClient, ns: string, documents: readonly Buffer[]): Promise<void> {
  if (documents.length === 0) return;
  const { database, collection } = splitNamespace(ns);
  const sequence = new Sequence('documents');
  const zeroed: { document: Buffer; fields: string[] }[] = [];
  for (const document of documents.map(bufferOf)) {
    const fields = zeroTimestamps(document);
    if (fields.length > 0) zeroed.push({ document, fields: fields.map(({ name }) => name) });
    sequence.push({}, fields.length > 0 ? withOnes(document, fields) : document);
  }
  const common = { bypassDocumentValidation: true, ordered: true, writeConcern: { w: 'majority' } };
  requireTaken(ns, documents.length, await client.db(database).command({ insert: collection, documents: sequence, ...common }));
  if (zeroed.length === 0) return;
  const updates = zeroed.map(({ document, fields }) => ({
    q: sendable({ _id: { $eq: decodeOrdered(pickField(document, '_id'))['_id'] as unknown } }),
    u: { $set: Object.fromEntries(fields.map((name) => [name, new Timestamp({ t: 0, i: 0 })])) },
  }));
  requireTaken(ns, updates.length, await client.db(database).command({ update: collection, updates, ...common }));
}

function requireTaken(ns: string, of: number, { n, writeErrors = [] }: Document): void {
  const [bad] = writeErrors as { errmsg?: string }[];
  if (bad || Number(n) !== of) throw new HoldfastError('ReplayFailed', `the living source took ${String(n)} of ${of} documents of ${ns}: ${withoutValues(bad?.errmsg ?? 'it does not say why')}`);
}

interface Zero {
  name: string;
  at: number;
}

function zeroTimestamps(document: Buffer): Zero[] {
  if (!mayHoldZeroTimestamp(document) || !holdsZeroTimestamp(document)) return [];
  return [...elements(document)].flatMap(({ type, name, valueAt }) => (type === 0x11 && document.readBigUInt64LE(valueAt) === 0n ? [{ name, at: valueAt }] : []));
}

function withOnes(document: Buffer, fields: readonly Zero[]): Buffer {
  const copy = Buffer.from(document);
  for (const { at } of fields) copy.writeUInt32LE(1, at);
  return copy;
}
