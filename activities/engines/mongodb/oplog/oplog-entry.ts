import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { logPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { ElementCursor, bsonType } from './raw-elements.ts';

/** One write, as an entry holds it or as a transaction holds it inside. Buffers point into the entry. */
export interface Operation {
  op: 'i' | 'u' | 'd' | 'c' | 'n';
  ns: string;
  /** the collection's UUID, 16 bytes; null for a database command */
  ui: Buffer | null;
  o: Buffer;
  o2: Buffer | null;
}

/** One entry of `local.oplog.rs`, not decoded further than replay needs. */
export interface OplogEntry extends Operation {
  raw: Buffer;
  position: LogPosition;
  /** milliseconds since the epoch; the source's own clock */
  wallMs: number;
  /** `<lsid>/<txnNumber>` of a command that belongs to a transaction; null otherwise */
  transaction: string | null;
}

const empty = Buffer.from([5, 0, 0, 0, 0]);

/** @throws ReplayFailed - the bytes are no oplog entry. An operation of an unknown kind passes: whoever applies it judges. */
export function parseEntry(raw: Buffer): OplogEntry {
  const entry: OplogEntry = { raw, position: '', wallMs: 0, transaction: null, op: 'n', ns: '', ui: null, o: empty, o2: null };
  let lsid: Buffer | null = null;
  let txnNumber = -1;
  const cursor = new ElementCursor(raw);
  while (cursor.next()) {
    switch (shortName(cursor)) {
      case names.ts: entry.position = positionAt(raw, cursor.valueStart); break;
      case names.wall: entry.wallMs = Number(raw.readBigInt64LE(cursor.valueStart)); break;
      case names.lsid: lsid = cursor.value; break;
      case longer: if (cursor.name === 'txnNumber') txnNumber = cursor.valueStart; break;
      default: readOperationField(entry, cursor);
    }
  }
  if (!entry.position) throw new HoldfastError('ReplayFailed', 'an entry of the log has no ts');
  // Retryable writes have these too, and there are many: only commands are asked for their transaction.
  if (entry.op === 'c' && lsid && txnNumber >= 0) entry.transaction = `${lsid.toString('latin1')}/${raw.readBigInt64LE(txnNumber)}`;
  return entry;
}

/** A write inside a transaction's or another applyOps' array. */
export function parseInnerOperation(raw: Buffer): Operation {
  const operation: Operation = { op: 'n', ns: '', ui: null, o: empty, o2: null };
  const cursor = new ElementCursor(raw);
  while (cursor.next()) readOperationField(operation, cursor);
  return operation;
}

function readOperationField(operation: Operation, cursor: ElementCursor): void {
  switch (shortName(cursor)) {
    case names.op: operation.op = cursor.text as Operation['op']; break;
    case names.ns: operation.ns = cursor.text; break;
    case names.o: operation.o = cursor.value; break;
    case names.o2: operation.o2 = cursor.type === bsonType.document ? cursor.value : null; break;
    case names.ui: operation.ui = cursor.bytes.subarray(cursor.valueStart + 5, cursor.end); break;
    default:
  }
}

const packed = (name: string): number => Buffer.from(name.padEnd(4, '\0'), 'latin1').readUInt32LE();
const names = { ts: packed('ts'), wall: packed('wall'), lsid: packed('lsid'), op: packed('op'), ns: packed('ns'), o: packed('o'), o2: packed('o2'), ui: packed('ui') } as const;
const longer = 0;

/** A name of at most four bytes as one number: making text of every name took a quarter of a replay's time. */
function shortName({ bytes, nameStart, nameEnd }: ElementCursor): number {
  switch (nameEnd - nameStart) {
    case 1: return bytes[nameStart]!;
    case 2: return bytes[nameStart]! | (bytes[nameStart + 1]! << 8);
    case 4: return bytes.readUInt32LE(nameStart);
    default: return longer;
  }
}

/** Entries come by the thousand a second: the second's digits are made once. */
let lastSeconds = -1;
let lastPrefix = '';

function positionAt(bytes: Buffer, at: number): LogPosition {
  const seconds = bytes.readUInt32LE(at + 4);
  if (seconds !== lastSeconds) {
    lastPrefix = logPosition(seconds, 0).slice(0, -10);
    lastSeconds = seconds;
  }
  return lastPrefix + String(bytes.readUInt32LE(at)).padStart(10, '0');
}

/** Where an entry's Timestamp lies. @throws ReplayFailed - it has none. */
export function findTimestamp(raw: Buffer): number {
  const cursor = new ElementCursor(raw);
  while (cursor.next()) if (shortName(cursor) === names.ts) return cursor.valueStart;
  throw new HoldfastError('ReplayFailed', 'an entry of the log has no ts');
}

/** Only the position of a raw entry: for whoever passes entries on without looking into them. */
export const readPosition = (raw: Buffer): LogPosition => positionAt(raw, findTimestamp(raw));

/** Name of the command in `o` (its first field). */
export function commandOf(operation: Operation): string {
  const cursor = new ElementCursor(operation.o);
  return cursor.next() ? cursor.name : '';
}

export const databaseOf = (ns: string): string => {
  const dot = ns.indexOf('.');
  return dot < 0 ? ns : ns.slice(0, dot);
};

/**
 * The server's own bookkeeping, never replayed: sessions and migration state belong to the source's life, and an entry
 * of admin.system.version once changed a target's feature compatibility version.
 */
export function isServersOwn(ns: string): boolean {
  const database = databaseOf(ns);
  return database === 'config' || database === 'local' || ns === 'admin.system.version' || ns === 'admin.system.keys';
}

/** Whether people would miss it: what RPO counts. */
export const carriesData = (entry: Operation): boolean => entry.op !== 'n' && !isServersOwn(entry.ns);

/** A change of the feature compatibility version: the data files behind it are of another kind. */
export function changesFeatureVersion(operation: Operation): boolean {
  if (operation.ns !== 'admin.system.version' || operation.op === 'n') return false;
  return (operation.op === 'u' ? operation.o2 ?? operation.o : operation.o).includes('featureCompatibilityVersion');
}
