import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { ObjectRef, Part, Unit } from '../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import { kib, mib } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { readGroupIndex } from '../base/read-base.ts';
import { getPart, type PartStore } from '../base/stored-parts.ts';
import { openBaseParts } from './base-contents.ts';
import { largeObjects } from './catalogue.ts';
import { targetPlace, withClient, withoutValues } from './connect.ts';
import { claimOf, controlSchema, once, requireClaim } from './control.ts';
import { copyIn } from './copy.ts';
import { copyPagesIn, putPages } from './large-objects.ts';
import { tableDetail } from './plan.ts';
import { chosenUnits } from './selection.ts';

/**
 * Loads one group's parts into the tables that `prepareRestore` made, by COPY.
 *
 * Safe to repeat, and beside an attempt that is not dead yet: a part's rows and its note are one transaction, so that each part is there once or not at
 * all. Nothing waits for the disk but the group's own last note: the log is in order, and what is noted behind the parts has them on disk before it.
 */
export async function restoreGroup(context: SourceContext, { target, point, group }: { target: TargetRef; point: RecoveryPoint; group: { group: string; index: ObjectRef } }): Promise<{ documents: number; plainBytes: number }> {
  const { manifest, parts } = await openBaseParts(context, point);
  const index = await readGroupIndex(context, manifest.backup, group);
  const units = new Map(chosenUnits(manifest, point).map((unit) => [unit.id, unit]));
  const wanted = index.parts.filter(({ unit }) => units.has(unit));
  return await withClient(context, await targetPlace(context, target), async (client) => {
    await requireClaim(client, claimOf(target, point));
    await client.query('SET synchronous_commit = off');
    await load({ context, client, parts, units }, wanted);
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
}

async function load(loading: Loading, all: readonly Part[]): Promise<void> {
  const { context, client, parts } = loading;
  const { rows } = await client.query<{ what: string }>(`SELECT what FROM ${controlSchema}.done WHERE what = ANY ($1)`, [all.map(({ object }) => object.key)]);
  const known = new Set(rows.map(({ what }) => what));
  const of = all.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
  let [done, adopted, pieces] = [0, 0, 0];
  const waiting = piecesOf(all);
  // The next piece's first part is fetched and opened while the server takes the one before it.
  const ahead = new Fetcher(parts, waiting.filter((piece) => !known.has(keyOf(piece))).map((piece) => piece[0]!));
  for (const piece of waiting) {
    context.signal.throwIfAborted();
    const bytes = piece.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
    if (known.has(keyOf(piece))) adopted += bytes;
    else await loadPiece(loading, piece, ahead);
    done += bytes;
    pieces += piece.length;
    context.progress({ phase: 'restore', done, adopted, of, unit: 'bytes', pieces });
  }
}

/** The last part's: what lies over several is there whole or not at all. */
const keyOf = (piece: readonly Part[]): string => piece.at(-1)!.object.key;

async function loadPiece({ context, client, parts, units }: Loading, piece: readonly Part[], ahead: Fetcher): Promise<void> {
  const [first, ...others] = piece as [Part, ...Part[]];
  const unit = units.get(first.unit)!;
  const rows = piece.reduce((sum, { documents }) => sum + documents, 0);
  // Taken whatever comes of it: the next one is the next piece's.
  const begun = ahead.take();
  begun.catch(() => undefined);
  const bytes = async function* (): AsyncGenerator<Buffer> {
    yield* slices(await begun);
    for (const part of others) yield* slices(await getPart(parts, part));
  };
  try {
    await once(client, keyOf(piece), async () => {
      const large = unit.kind === largeObjects;
      const stream = large ? await copyPagesIn(client) : client.query(copyFrom(copyIn(unit.name, tableDetail(unit.detail))));
      await pipeline(Readable.from(bytes()), stream, { signal: context.signal });
      if (stream.rowCount !== rows) throw new HoldfastError('ReplayFailed', `${unit.name}: the target took ${stream.rowCount} rows of ${first.object.key}, which holds ${rows}`);
      if (large) await putPages(client);
    });
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !/^(22|23)/.test(error.code ?? '')) throw error;
    throw new HoldfastError('ReplayFailed', `the target refused rows of ${unit.name} (${first.object.key}): ${withoutValues(error)}`);
  }
}

const sentAtOnceBytes = kib(256);

function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += sentAtOnceBytes) yield bytes.subarray(at, at + sentAtOnceBytes);
}

/** Parts of which the first row begins in them, with those that the row goes on in. */
function piecesOf(parts: readonly Part[]): Part[][] {
  const pieces: Part[][] = [];
  let goesOn = false;
  for (const part of parts) {
    if (goesOn) pieces.at(-1)!.push(part);
    else pieces.push([part]);
    goesOn = part.continues;
  }
  return pieces;
}

/** Held at once, fetched and opened: one large part, or some small ones, of which each waits for the store as long. */
const aheadBytes = mib(16);
const aheadParts = 8;

/** Parts in the order in which they are wanted, some of them ahead. */
class Fetcher {
  readonly #from: PartStore;
  readonly #order: readonly Part[];
  #next = 0;
  readonly #fetching: { bytes: Promise<Buffer>; plainBytes: number }[] = [];

  constructor(from: PartStore, order: readonly Part[]) {
    this.#from = from;
    this.#order = order;
  }

  /** The next one of the order. */
  async take(): Promise<Buffer> {
    this.#fetchAhead(1);
    const { bytes } = this.#fetching.shift()!;
    const taken = await bytes;
    this.#fetchAhead(aheadParts);
    return taken;
  }

  #fetchAhead(atMost: number): void {
    const held = (): number => this.#fetching.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
    while (this.#next < this.#order.length && this.#fetching.length < atMost && (this.#fetching.length === 0 || held() < aheadBytes)) {
      const part = this.#order[this.#next]!;
      this.#next += 1;
      const bytes = getPart(this.#from, part);
      // Heard from the beginning: whoever takes it may come later, or never.
      bytes.catch(() => undefined);
      this.#fetching.push({ bytes, plainBytes: part.plainBytes });
    }
  }
}
