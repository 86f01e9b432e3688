import type { MongoClient } from 'mongodb';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Part, Unit } from '../../../workflows/domain/manifest.ts';
import type { ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { letGo } from '../../stream/let-go.ts';
import { readSelection, requireClaim } from './claim-target.ts';
import { openWire, targetAddress, withTarget } from './connect.ts';
import { controlCollections, controlDatabase } from './control.ts';
import { InFlight, shareOfPlace } from '../base/in-flight.ts';
import { applyDocumentsRaw, insertDocuments, insertDocumentsRaw } from './load-part.ts';
import { splitNamespace } from './namespaces.ts';
import { decodeDetail } from './plan.ts';
import { createCollection } from './prepare-restore.ts';
import { readGroupIndex, readManifest } from '../base/read-base.ts';
import { getPart, type PartStore } from '../base/stored-parts.ts';
import { documentsOf, rowsOf } from './adopt-parts.ts';
import { requireRestoredCounts } from './restored-counts.ts';
import { chosenUnits } from './selection/find-selection.ts';
import type { WireConnection } from './wire.ts';

export interface RestoreGroupInput {
  target: TargetRef;
  point: RecoveryPoint;
  group: { group: string; index: ObjectRef };
}

/** What restoring has begun or finished: `_id` is a part's key, or `group <name>`. */
interface RestoredRecord {
  _id: string;
  state: 'begun' | 'done';
  documents: number;
  plainBytes: number;
}

/** What is noted as restored must outlive a crash of the target, and the documents before it with it: the journal is in order. */
const onDisk = { w: 'majority', journal: true } as const;

/** Parts downloaded, opened and inserted side by side: about 50 MiB each. */
const loadsAtOnce = 3;

/**
 * Loads one group's parts into the collections that `prepareRestore` made.
 *
 * Safe to repeat: finished parts are recorded in the target and skipped; one that was only begun is written over what
 * is there of it. A capped collection that was begun is emptied and begun again, since its
 * order is part of its data.
 *
 * Of a partial restore only parts of the chosen collections are read.
 *
 * The group that is last to finish compares every collection's count with the manifest.
 */
export async function restoreGroup(context: SourceContext, input: RestoreGroupInput): Promise<{ documents: number; plainBytes: number }> {
  const { target, point, group } = input;
  const manifest = await readManifest(context, point);
  const index = await readGroupIndex(context, manifest.backup, group);
  const key = await openBackupKey(context.store, context.keys, manifest, manifest.key);
  return await withTarget(context, target, async (client) => {
    await requireClaim(client, target, point);
    const chosen = await readSelection(client, point);
    const wanted = chosen ? index.parts.filter(({ unit }) => chosen.selection.uuids.has(unit)) : index.parts;
    const total = {
      documents: wanted.reduce((sum, part) => sum + part.documents, 0),
      plainBytes: wanted.reduce((sum, part) => sum + part.plainBytes, 0),
    };
    const records = client.db(controlDatabase).collection<RestoredRecord>(controlCollections.restored);
    const groupRecord = `group ${group.group}`;
    if (!(await records.findOne({ _id: groupRecord }))) {
      const units = new Map(manifest.units.map((unit) => [unit.id, unit]));
      const parts: PartStore = { store: context.store, key, scope: manifest, signal: context.signal };
      await new GroupLoader(context, client, target, parts, units, total.plainBytes).load(wanted);
      await records.insertOne({ _id: groupRecord, state: 'done', ...total }, { writeConcern: onDisk });
    }
    const groups = chosen?.groups ?? manifest.groups.map((one) => one.group);
    await checkWhenAllDone(context, client, groups, { backup: manifest.backup, units: chosenUnits(manifest, chosen?.selection ?? null) });
    return total;
  });
}

async function checkWhenAllDone(context: SourceContext, client: MongoClient, groups: readonly string[], of: { backup: string; units: readonly Unit[] }): Promise<void> {
  const records = client.db(controlDatabase).collection<RestoredRecord>(controlCollections.restored);
  const done = await records.countDocuments({ _id: { $in: groups.map((group) => `group ${group}`) } });
  if (done === groups.length) await requireRestoredCounts(context, client, of);
}

class GroupLoader {
  readonly #context: SourceContext;
  readonly #client: MongoClient;
  readonly #target: TargetRef;
  readonly #parts: PartStore;
  readonly #units: ReadonlyMap<string, Unit>;
  readonly #ofBytes: number;
  readonly #idle: WireConnection[] = [];
  readonly #all: WireConnection[] = [];
  #doneBytes = 0;
  #adoptedBytes = 0;
  #pieces = 0;

  constructor(context: SourceContext, client: MongoClient, target: TargetRef, parts: PartStore, units: ReadonlyMap<string, Unit>, ofBytes: number) {
    this.#context = context;
    this.#client = client;
    this.#target = target;
    this.#parts = parts;
    this.#units = units;
    this.#ofBytes = ofBytes;
  }

  async load(parts: readonly Part[]): Promise<void> {
    const known = await this.#records(parts);
    const loads = new InFlight(loadsAtOnce);
    try {
      for (const pieces of piecesOf(parts, (part) => this.#isCapped(part))) {
        this.#context.signal.throwIfAborted();
        const capped = this.#isCapped(pieces[0]!);
        const bytes = pieces.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
        await loads.add(async () => await (capped ? this.#loadCapped(pieces, known) : this.#loadPiece(pieces, known)), shareOfPlace(bytes, parts.length));
      }
      await loads.settle();
    } finally {
      for (const connection of this.#all) connection.close();
      await loads.abandon();
    }
  }

  /** One part, or the parts of one large document: recorded under the key of the last. */
  async #loadPiece(pieces: readonly Part[], known: ReadonlyMap<string, RestoredRecord>): Promise<void> {
    const last = pieces.at(-1)!;
    const record = known.get(last.object.key);
    if (record?.state !== 'done') {
      const [bytes] = await Promise.all([this.#get(pieces), record ? undefined : this.#note(last, 'begun')]);
      await this.#insert(last, bytes, record !== undefined);
      // The server has answered: it has all of it.
      letGo(bytes);
      await this.#note(last, 'done');
    }
    this.#advance(pieces, record?.state === 'done');
  }

  async #get(pieces: readonly Part[]): Promise<Buffer> {
    const got = await Promise.all(pieces.map(async (part) => await getPart(this.#parts, part)));
    if (got.length === 1) return got[0]!;
    const whole = Buffer.concat(got);
    letGo(...got);
    return whole;
  }

  async #loadCapped(pieces: readonly Part[], known: ReadonlyMap<string, RestoredRecord>): Promise<void> {
    const first = pieces[0]!;
    const unit = this.#units.get(first.unit)!;
    const record = known.get(first.object.key);
    if (record?.state !== 'done') {
      if (record) await this.#empty(unit);
      else await this.#note(first, 'begun');
      for (let at = 0; at < pieces.length; at += 1) {
        let bytes = await getPart(this.#parts, pieces[at]!);
        while (pieces[at]!.continues) bytes = Buffer.concat([bytes, await getPart(this.#parts, pieces[(at += 1)]!)]);
        await this.#insert(pieces[at]!, bytes, false);
      }
      await this.#note(first, 'done');
    }
    this.#advance(pieces, record?.state === 'done');
  }

  async #empty(unit: Unit): Promise<void> {
    const { database, collection } = splitNamespace(unit.name);
    await this.#client.db(database).dropCollection(collection);
    await createCollection(this.#client, unit);
  }

  async #insert(part: Part, bytes: Buffer, repeated: boolean): Promise<void> {
    const unit = this.#units.get(part.unit)!;
    const load = loadOf(part, unit, bytes, repeated);
    const connection = await this.#take();
    try {
      await load(connection);
      this.#idle.push(connection);
    } catch (error) {
      connection.close();
      if (error instanceof HoldfastError) throw error;
      const { host, port } = targetAddress(this.#context, this.#target);
      throw new HoldfastError('TargetUnavailable', `${host}:${port}: ${(error as Error).message}`, { cause: error });
    }
  }

  async #take(): Promise<WireConnection> {
    const idle = this.#idle.pop();
    if (idle) return idle;
    const connection = await openWire(this.#context, this.#target, this.#client);
    this.#all.push(connection);
    return connection;
  }

  async #records(parts: readonly Part[]): Promise<Map<string, RestoredRecord>> {
    const keys = parts.map(({ object }) => object.key);
    const found = await this.#collection().find({ _id: { $in: keys } }).toArray();
    return new Map(found.map((record) => [record._id, record]));
  }

  async #note({ object, documents, plainBytes }: Part, state: RestoredRecord['state']): Promise<void> {
    await this.#collection().replaceOne({ _id: object.key }, { state, documents, plainBytes }, { upsert: true, writeConcern: onDisk });
  }

  #collection() {
    return this.#client.db(controlDatabase).collection<RestoredRecord>(controlCollections.restored);
  }

  #isCapped = (part: Part): boolean => decodeDetail(this.#units.get(part.unit)!.detail).options['capped'] === true;

  #advance(pieces: readonly Part[], adopted: boolean): void {
    const bytes = pieces.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
    this.#doneBytes += bytes;
    if (adopted) this.#adoptedBytes += bytes;
    this.#pieces += pieces.length;
    this.#context.progress({ phase: 'restore', done: this.#doneBytes, adopted: this.#adoptedBytes, of: this.#ofBytes, unit: 'bytes', pieces: this.#pieces });
  }
}

/** How a part is written. What it holds is looked at first: a damaged one costs no connection. */
function loadOf(part: Part, unit: Unit, bytes: Buffer, repeated: boolean): (connection: WireConnection) => Promise<void> {
  const where = { where: part.object.key };
  // Catalogues and users are written as the log writes them: some of them refuse a plain insert.
  if (repeated || part.exact || isCatalogue(unit.name)) {
    const documents = documentsOf(part, bytes);
    return async (connection) => await applyDocumentsRaw(connection, unit, documents, where);
  }
  const rows = rowsOf(part, bytes, insertDocuments);
  return async (connection) => await insertDocumentsRaw(connection, unit, rows, where);
}

const isCatalogue = (ns: string): boolean => {
  const { collection } = splitNamespace(ns);
  return collection.startsWith('system.') && !collection.startsWith('system.buckets.');
};

/** What is loaded together: one part; all parts that a large document lies over; all of a capped collection. */
function piecesOf(parts: readonly Part[], isCapped: (part: Part) => boolean): Part[][] {
  const pieces: Part[][] = [];
  for (const part of parts) {
    const before = pieces.at(-1)?.at(-1);
    const same = before?.unit === part.unit && before.range === part.range;
    if (same && (before.continues || isCapped(part))) pieces.at(-1)!.push(part);
    else pieces.push([part]);
  }
  return pieces;
}
