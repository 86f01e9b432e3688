import pg from 'pg';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Part, Unit } from '../../../workflows/domain/manifest.ts';
import type { ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import { mib } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { readGroupIndex } from '../base/read-base.ts';
import { getPart, type PartStore } from '../base/stored-parts.ts';
import { letGo } from '../../stream/let-go.ts';
import { openBaseParts } from './base-contents.ts';
import { largeObjects } from './catalogue.ts';
import { ask, targetPlace, withClient, withoutValues } from './connect.ts';
import { wantedContents, wantedUnits } from './contents.ts';
import { claimOf, controlSchema, once, requireClaim } from './control.ts';
import { copyIn } from './copy.ts';
import { withoutTriggers } from './into-tables.ts';
import { pagesIn, putPages } from './large-objects.ts';
import { tableDetail } from './plan.ts';
import { sendRows } from './send-rows.ts';
import { TargetDisk } from './target-disk.ts';

/**
 * Loads one group's parts into the tables that `prepareRestore` made, by COPY.
 *
 * Safe to repeat, and beside an attempt that is not dead yet: rows and their note are one transaction, so that each part is there once or not at all.
 * What is one transaction (a piece) is a part, with those that its last row goes on in; or a whole table that is neither small nor large, which is emptied
 * in it, though it is empty: then the server need log none of its rows where its `wal_level` lets it (`postgres-place.ts`), and has them frozen from the
 * beginning. Killed in the middle of one, the rows of that table are sent again.
 * Nothing waits for the disk but the group's own last note: the log is in order, and what is noted behind the parts has them on disk before it.
 */
export async function restoreGroup(context: SourceContext, { target, point, group }: { target: TargetRef; point: RecoveryPoint; group: { group: string; index: ObjectRef } }): Promise<{ documents: number; plainBytes: number }> {
  const { manifest, parts } = await openBaseParts(context, point);
  const index = await readGroupIndex(context, manifest.backup, group);
  const units = new Map(wantedUnits(context, manifest, point).map((unit) => [unit.id, unit]));
  const wanted = index.parts.filter(({ unit }) => units.has(unit));
  const place = await targetPlace(context, target);
  return await withClient(context, place, async (client) => {
    const contents = wantedContents(context);
    await requireClaim(client, claimOf(target, point, contents));
    await client.query('SET synchronous_commit = off');
    if (contents === 'rows') await client.query(withoutTriggers);
    await load({ context, client, parts, units, disk: await TargetDisk.find(client, place), isOurs: contents !== 'rows', unlogged: await unloggedOf(client, [...units.values()]) }, wanted);
    await client.query('SET synchronous_commit = on');
    await once(client, `group ${group.group}`, async () => await Promise.resolve());
    return { documents: wanted.reduce((sum, part) => sum + part.documents, 0), plainBytes: wanted.reduce((sum, part) => sum + part.plainBytes, 0) };
  });
}

interface Loading {
  context: SourceContext;
  client: pg.Client;
  parts: PartStore;
  units: ReadonlyMap<string, Unit>;
  /** undefined: it is not one that can be looked at */
  disk: TargetDisk | undefined;
  /** the tables are of this restore: one may be given new files */
  isOurs: boolean;
  unlogged: ReadonlySet<string>;
}

async function unloggedOf(client: pg.Client, units: readonly Unit[]): Promise<Set<string>> {
  const { rows } = await client.query<{ name: string }>(`SELECT s.name FROM unnest($1::text[]) AS s (name) JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(s.name) WHERE c.relpersistence = 'u'`, [units.map(({ name }) => name)]);
  return new Set(rows.map(({ name }) => name));
}

async function load(loading: Loading, all: readonly Part[]): Promise<void> {
  const { context, client, parts, units } = loading;
  const { rows } = await client.query<{ what: string }>(`SELECT what FROM ${controlSchema}.done WHERE what = ANY ($1) UNION ALL SELECT what FROM ${controlSchema}.done_unlogged WHERE what = ANY ($1)`, [all.map(({ object }) => object.key)]);
  const known = new Set(rows.map(({ what }) => what));
  const of = bytesOf(all);
  let [done, adopted, pieces] = [0, 0, 0];
  const waiting = piecesOf(all, units);
  // The next part is fetched and opened while the server takes the one before it.
  const ahead = new Fetcher(parts, waiting.filter((piece) => !known.has(keyOf(piece))).flatMap((piece) => piece.parts));
  for (const piece of waiting) {
    context.signal.throwIfAborted();
    const bytes = bytesOf(piece.parts);
    if (known.has(keyOf(piece))) adopted += bytes;
    else await loadPiece(loading, piece, ahead, (sent) => context.progress({ phase: 'restore', done: done + sent, adopted, of, unit: 'bytes', pieces }));
    done += bytes;
    pieces += piece.parts.length;
    context.progress({ phase: 'restore', done, adopted, of, unit: 'bytes', pieces });
  }
}

const bytesOf = (parts: readonly Part[]): number => parts.reduce((sum, { plainBytes }) => sum + plainBytes, 0);

/** The last part's: what lies over several is there whole or not at all. */
const keyOf = ({ parts }: Piece): string => parts.at(-1)!.object.key;

async function loadPiece({ client, units, disk, isOurs, unlogged }: Loading, piece: Piece, ahead: Fetcher, onSent: (bytes: number) => void): Promise<void> {
  // Its rows, and the log of them.
  await disk?.requireNext(2 * bytesOf(piece.parts));
  const first = piece.parts[0]!;
  const unit = units.get(first.unit)!;
  const rows = piece.parts.reduce((sum, { documents }) => sum + documents, 0);
  const bytes = async function* (): AsyncGenerator<Buffer> {
    let sent = 0;
    for (const part of piece.parts) {
      yield await ahead.take(part);
      if (piece.parts.length > 1) onSent((sent += part.plainBytes));
    }
  };
  try {
    await once(client, keyOf(piece), async () => {
      const large = unit.kind === largeObjects;
      const frozen = isOurs && piece.isTable && (await empty(client, unit.name));
      const taken = await sendRows(client, large ? await pagesIn(client) : copyIn(unit.name, tableDetail(unit.detail), { frozen }), bytes(), letGo);
      if (taken !== rows) throw new HoldfastError('ReplayFailed', `${unit.name}: the target took ${taken} rows of ${first.object.key}, which holds ${rows}`);
      if (large) await putPages(client);
    }, unlogged.has(unit.name) ? 'done_unlogged' : 'done');
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !/^(22|23)/.test(error.code ?? '')) throw error;
    throw new HoldfastError('ReplayFailed', `the target refused rows of ${unit.name} (${first.object.key}): ${withoutValues(error)}`);
  }
}

/** Gives an empty table new, empty files. False: the user may write into it, and not that. */
async function empty(client: pg.Client, table: string): Promise<boolean> {
  if (!(await ask<boolean>(client, `SELECT pg_catalog.has_table_privilege(${pg.escapeLiteral(table)}, 'TRUNCATE')`))) return false;
  await client.query(`TRUNCATE ONLY ${table}`);
  return true;
}

/** What is one transaction. */
interface Piece {
  parts: Part[];
  /** all that the table holds */
  isTable: boolean;
}

/** New files cost a small table more than its log does, and what a kill costs is bounded. */
const [tableAtLeastBytes, tableAtMostBytes] = [mib(8), mib(256)];

function piecesOf(parts: readonly Part[], units: ReadonlyMap<string, Unit>): Piece[] {
  return runsOf(parts, (last, part) => last.unit === part.unit).flatMap((run): Piece[] => {
    if (isTable(run, units.get(run[0]!.unit)!)) return [{ parts: run, isTable: true }];
    return runsOf(run, (last) => last.continues).map((piece) => ({ parts: piece, isTable: false }));
  });
}

/** An extension’s table is not empty before: it keeps what the extension itself put there. */
function isTable(run: readonly Part[], unit: Unit): boolean {
  const bytes = bytesOf(run);
  return unit.kind === 'table' && bytes === unit.plainBytes && bytes >= tableAtLeastBytes && bytes <= tableAtMostBytes && tableDetail(unit.detail).condition === null;
}

function runsOf(parts: readonly Part[], goesOn: (last: Part, part: Part) => boolean): Part[][] {
  const runs: Part[][] = [];
  for (const part of parts) {
    const run = runs.at(-1);
    if (run && goesOn(run.at(-1)!, part)) run.push(part);
    else runs.push([part]);
  }
  return runs;
}

/** Held at once, fetched and opened: one large part, or some small ones, of which each waits for the store as long. */
const aheadBytes = mib(16);
const aheadParts = 8;

/** Parts in the order in which they are wanted, some of them ahead. */
class Fetcher {
  readonly #from: PartStore;
  readonly #order: readonly Part[];
  #next = 0;
  readonly #fetching: { part: Part; bytes: Promise<Buffer> }[] = [];

  constructor(from: PartStore, order: readonly Part[]) {
    this.#from = from;
    this.#order = order;
  }

  /** One of the order; those before it are not wanted any more. */
  async take(part: Part): Promise<Buffer> {
    for (;;) {
      this.#fetchAhead(1);
      const first = this.#fetching.shift()!;
      if (first.part !== part) continue;
      const bytes = await first.bytes;
      this.#fetchAhead(aheadParts);
      return bytes;
    }
  }

  #fetchAhead(atMost: number): void {
    for (let held = bytesOf(this.#fetching.map(({ part }) => part)); this.#fetching.length < atMost; ) {
      const part = this.#order[this.#next];
      held += part?.plainBytes ?? 0;
      if (!part || (this.#fetching.length > 0 && held > aheadBytes)) return;
      this.#next += 1;
      const bytes = getPart(this.#from, part);
      // Heard from the beginning: whoever takes it may come later, or never.
      bytes.catch(() => undefined);
      this.#fetching.push({ part, bytes });
    }
  }
}
