import { BSON, UUID, type Document } from 'mongodb';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { mib } from '../../../workflows/domain/units.ts';
import type { Unit } from '../../../workflows/domain/manifest.ts';
import { withoutValues } from './connect.ts';
import { splitNamespace } from './namespaces.ts';
import type { Rows } from './raw-documents.ts';
import { applyOpsCommand, rawDocument, type WireConnection } from './wire.ts';

/** One command's documents; the server takes up to 100,000. */
export const insertDocuments = 10_000;

/**
 * Inserts documents byte by byte as they are, in order. A duplicate `_id` is an error: somebody else has written here.
 * Nothing waits for the disk: the journal is in order, so whoever notes that they are there, and waits for that, has waited for them.
 */
export async function insertDocumentsRaw(
  connection: WireConnection,
  unit: Pick<Unit, 'name'>,
  rows: readonly Rows[],
  options: { where: string },
): Promise<void> {
  const { database, collection } = splitNamespace(unit.name);
  for (const { bytes, documents } of rows) {
    const command = { insert: collection, ordered: true, bypassDocumentValidation: true, writeConcern: { w: 1, j: false }, $db: database };
    const reply = await connection.run(command, { field: 'documents', documents: [bytes] });
    const errors = (reply['writeErrors'] ?? []) as { index: number; code: number; errmsg?: string }[];
    const [bad] = errors;
    if (reply['ok'] !== 1 || bad) throw refused(unit.name, options.where, bad?.errmsg ?? String(reply['errmsg']), bad?.code ?? Number(reply['code']));
    if (Number(reply['n']) !== documents) {
      throw refused(unit.name, options.where, `${String(reply['n'])} of ${documents} documents were taken`, 0);
    }
  }
}

const applyOperations = 1_000;
/** With the command's own words this stays below the 16 MiB and a little that a server accepts. */
const applyBytes = mib(15);

/**
 * Writes documents by applyOps, which keeps what an insert would alter: Timestamp(0,0), and an `_id` that is not first.
 * A document that is there already is replaced, so it is also how a part is loaded that an earlier attempt had begun:
 * whatever that one left, each document is in the end the part's own.
 */
export async function applyDocumentsRaw(
  connection: WireConnection,
  unit: Pick<Unit, 'name' | 'id'>,
  documents: readonly Buffer[],
  options: { where: string },
): Promise<void> {
  const head = BSON.serialize({ op: 'i', ns: unit.name, ui: new UUID(unit.id) }).subarray(4, -1);
  let batch: Buffer[] = [];
  let bytes = 0;
  const apply = async (): Promise<void> => {
    if (batch.length === 0) return;
    const reply = await connection.run(applyOpsCommand(batch));
    const results = (reply['results'] ?? []) as boolean[];
    if (reply['ok'] !== 1 || results.length !== batch.length || results.includes(false)) {
      throw refused(unit.name, options.where, String(reply['errmsg'] ?? 'applyOps left something out'), Number(reply['code'] ?? 0));
    }
    batch = [];
    bytes = 0;
  };
  for (const document of documents) {
    if (batch.length >= applyOperations || bytes + document.length > applyBytes) await apply();
    batch.push(rawDocument([head, Buffer.from('\x03o\0', 'latin1'), document]));
    bytes += document.length + head.length + 16;
  }
  await apply();
}

const refused = (ns: string, where: string, why: string, code: number): HoldfastError =>
  new HoldfastError('ReplayFailed', `the target refused documents of ${ns} (${where}): ${withoutValues(why)}`, { details: { code } satisfies Document });
