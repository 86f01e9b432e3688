import { BSON } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { logPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { ImportOrigin } from '../../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../../context.ts';
import { positionBefore } from '../bson-position.ts';
import { parseEntry, type OplogEntry, type Operation } from '../oplog/oplog-entry.ts';
import { TransactionGatherer } from '../oplog/gather-transactions.ts';
import { nameOf, type Prelude } from './archive-format.ts';
import { isSettings, logNamespace } from './dumped-collections.ts';
import type { Dump } from './open-dump.ts';
import { badDump } from './read-archive.ts';

/** What a dump holds, known once it was read to its end. */
export interface ScannedDump {
  prelude: Prelude;
  /** by the dump's own namespaces */
  sizes: Map<string, { documents: number; plainBytes: number }>;
  log: ImportOrigin['log'];
  /** UUIDs by namespace, as the log's entries say them: a dump itself names none for buckets and views */
  uuids: Map<string, string>;
  featureVersion: string | undefined;
}

/**
 * Reads a whole dump and keeps only what it amounts to. Before anything is written, so that a damaged one leaves nothing.
 * @throws BadInput - it is damaged or cut off, or its log is empty or out of order; names file, place and what was expected.
 */
export async function scanDump(context: SourceContext, dump: Dump): Promise<ScannedDump> {
  const scanned: ScannedDump = { prelude: { concurrentCollections: 0, serverVersion: '', toolVersion: '', entries: [] }, sizes: new Map(), log: null, uuids: new Map(), featureVersion: undefined };
  const log = new LogScan(dump.path, scanned.uuids);
  let readBytes = 0;
  const onBytes = (stored: number): void => {
    readBytes += stored;
    context.progress({ phase: 'check dump', done: readBytes, of: dump.storedBytes, unit: 'bytes' });
  };
  for await (const event of dump.events(context.signal, onBytes)) {
    context.signal.throwIfAborted();
    if (event.kind === 'prelude') scanned.prelude = event.prelude;
    if (event.kind !== 'documents') continue;
    const name = nameOf(event.of);
    const size = scanned.sizes.get(name) ?? { documents: 0, plainBytes: 0 };
    size.documents += event.documents.length;
    size.plainBytes += event.bytes;
    scanned.sizes.set(name, size);
    if (name === logNamespace) for (const entry of event.documents) log.add(entry);
    if (isSettings(name)) scanned.featureVersion ??= featureVersionOf(event.documents);
  }
  const named = scanned.prelude.entries.some((entry) => nameOf(entry) === logNamespace);
  if (named) scanned.log = log.end();
  return scanned;
}

function featureVersionOf(documents: readonly Buffer[]): string | undefined {
  const found = documents.map((raw) => BSON.deserialize(raw)).find(({ _id }) => _id === 'featureCompatibilityVersion');
  return found ? String(found['version']) : undefined;
}

class LogScan {
  readonly #where: string;
  readonly #uuids: Map<string, string>;
  readonly #transactions = new TransactionGatherer();
  #from: LogPosition | undefined;
  #to: LogPosition = logPosition(0, 0);
  #entries = 0;
  #bytes = 0;

  constructor(where: string, uuids: Map<string, string>) {
    this.#where = where;
    this.#uuids = uuids;
  }

  add(raw: Buffer): void {
    const entry = this.#parse(raw);
    if (entry.position <= this.#to) throw badDump(this.#where, this.#bytes, `an entry of the log after ${this.#to} (byte counted in the log itself)`, entry.position);
    this.#from ??= entry.position;
    this.#to = entry.position;
    this.#entries += 1;
    this.#bytes += raw.length;
    for (const operation of this.#transactions.take(entry).operations) this.#learn(operation);
  }

  #parse(raw: Buffer): OplogEntry {
    try {
      return parseEntry(raw);
    } catch (error) {
      throw badDump(this.#where, this.#bytes, 'an entry of the log (byte counted in the log itself)', `another document: ${(error as Error).message}`);
    }
  }

  #learn({ op, ns, ui }: Operation): void {
    if (op === 'c' || !ui || this.#uuids.has(ns)) return;
    this.#uuids.set(ns, new BSON.UUID(Buffer.from(ui)).toHexString());
  }

  end(): ImportOrigin['log'] {
    this.#transactions.close();
    if (this.#from === undefined) {
      throw new HoldfastError('BadInput', `${this.#where}: expected at least the entry of the log that the dump began at, found an empty log`, { hint: 'dump again with --oplog' });
    }
    return { from: positionBefore(this.#from), to: this.#to, entries: this.#entries, plainBytes: this.#bytes };
  }
}
