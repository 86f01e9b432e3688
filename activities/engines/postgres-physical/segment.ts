import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import type { CheckSlice } from '../base/slice-objects.ts';

/**
 * WAL segments: their names, and what the first page of one says of itself. A segment's number is its place in the log divided by its size.
 * @source PostgreSQL, access/xlog_internal.h: XLogLongPageHeaderData, XLogFileName.
 */
export interface Segment {
  /** of the cluster, as `pg_control_system()` names it */
  system: string;
  number: number;
  bytes: number;
}

/** A position's ordinal has 32 bits: 64 PiB of log in segments of 16 MiB. */
const greatestNumber = 0xffff_ffff;
const longHeaderBytes = 40;
const isLong = 0x0002;
const fourGib = 2 ** 32;

const hex8 = (number: number): string => number.toString(16).toUpperCase().padStart(8, '0');

/** `0000000100000000000000A7` */
export function segmentName({ timeline, number, bytes }: { timeline: number; number: number; bytes: number }): string {
  const perFile = fourGib / bytes;
  return `${hex8(timeline)}${hex8(Math.floor(number / perFile))}${hex8(number % perFile)}`;
}

/** What the server gives to archive_command: only segments are log. */
export function kindOfFile(name: string): 'segment' | 'history' | 'backup' | 'partial' | 'unknown' {
  if (/^[0-9A-F]{24}$/.test(name)) return 'segment';
  if (/^[0-9A-F]{8}\.history$/.test(name)) return 'history';
  if (/^[0-9A-F]{24}\.[0-9A-F]{8}\.backup$/.test(name)) return 'backup';
  return /^[0-9A-F]{24}\.partial$/.test(name) ? 'partial' : 'unknown';
}

export const historyName = (timeline: number): string => `${hex8(timeline)}.history`;

/** The PostgreSQL timeline in the name of a segment, or of a history. */
export const timelineOfName = (name: string): number => Number.parseInt(name.slice(0, 8), 16);

/** The number in a segment's name. */
export const numberOfName = (name: string, bytes: number): number => Number.parseInt(name.slice(8, 16), 16) * (fourGib / bytes) + Number.parseInt(name.slice(16, 24), 16);

/** `0/3000060` as a number of bytes. */
export function parseLsn(lsn: string): bigint {
  const [high, low] = lsn.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** The segment that holds the byte at this place. */
export const numberAt = (lsn: bigint, bytes: number): number => Number(lsn / BigInt(bytes));

/** The segment that holds the last byte before this place: a log that ends where a segment does needs no byte of the next one. */
export const numberBefore = (lsn: bigint, bytes: number): number => numberAt(lsn > 0n ? lsn - 1n : 0n, bytes);

/** @throws BadInput - these bytes are no whole WAL segment. */
export function readSegment(plain: Buffer, what: string): Segment {
  const bad = (why: string): HoldfastError => new HoldfastError('BadInput', `${what} is no whole WAL segment: ${why}`);
  if (plain.length < longHeaderBytes) throw bad(`it has ${plain.length} bytes`);
  if ((plain.readUInt16LE(2) & isLong) === 0) throw bad('its first page has no long header');
  const bytes = plain.readUInt32LE(32);
  if (bytes < 2 ** 20 || bytes > 2 ** 30 || (bytes & (bytes - 1)) !== 0) throw bad(`its first page says that segments have ${bytes} bytes`);
  if (plain.length !== bytes) throw bad(`it has ${plain.length} bytes of ${bytes}`);
  const at = plain.readBigUInt64LE(8);
  if (at % BigInt(bytes) !== 0n) throw bad('its first page is not the first of a segment');
  const number = numberAt(at, bytes);
  if (number > greatestNumber) throw bad(`its number ${number} is beyond ${greatestNumber}`);
  return { system: plain.readBigUInt64LE(24).toString(), number, bytes };
}

/**
 * What a slice holds of one segment: all of it as its file is, where it was pushed; a piece behind a head of ours, where it was received as it was written:
 * `HFWALPC1`, its place in the log and the cluster’s number (8 bytes each, big-endian), the size of a segment (4), 4 of nothing.
 */
export interface SegmentPiece extends Segment {
  /** where in the segment it begins */
  offset: number;
  body: Buffer;
}

const pieceMagic = Buffer.from('HFWALPC1');
const pieceHeadBytes = 32;

/** @param body - does not reach beyond its segment. */
export function makePiece({ lsn, system, segmentBytes }: { lsn: bigint; system: string; segmentBytes: number }, body: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(pieceHeadBytes);
  pieceMagic.copy(head);
  head.writeBigUInt64BE(lsn, 8);
  head.writeBigUInt64BE(BigInt(system), 16);
  head.writeUInt32BE(segmentBytes, 24);
  return Buffer.concat([head, ...body]);
}

/** @throws BadInput - it is neither. */
export function readPiece(plain: Buffer, what: string): SegmentPiece {
  if (!plain.subarray(0, pieceMagic.length).equals(pieceMagic)) return { ...readSegment(plain, what), offset: 0, body: plain };
  const lsn = plain.readBigUInt64BE(8);
  const bytes = plain.readUInt32BE(24);
  const offset = Number(lsn % BigInt(bytes));
  const body = plain.subarray(pieceHeadBytes);
  if (body.length === 0 || offset + body.length > bytes) throw new HoldfastError('BadInput', `${what} is no piece of a WAL segment: ${body.length} bytes at ${offset} of ${bytes}`);
  return { system: plain.readBigUInt64BE(16).toString(), number: numberAt(lsn, bytes), bytes, offset, body };
}

/** Where in the log a slice ends. */
export const endOf = ({ number, bytes, offset, body }: SegmentPiece): bigint => BigInt(number) * BigInt(bytes) + BigInt(offset + body.length);

/**
 * The segment that a slice is of, by its name: a position counts segments that are whole, so the one that it ends, or, where it ends none, the next.
 */
export function numberOfSlice({ from, to }: { from: LogPosition; to: LogPosition }): { number: number; ends: boolean } {
  const { ordinal } = parseLogPosition(to);
  const ends = ordinal > parseLogPosition(from).ordinal;
  return { number: ends ? ordinal : ordinal + 1, ends };
}

/** A slice is of the one segment that its name says, and ends it or not. */
export const checkSegment: CheckSlice = ({ key, from, to }, plain) => {
  const tampered = (what: string): HoldfastError => new HoldfastError('Tampered', `slice ${key} ${what}`, { details: { key } });
  let piece: SegmentPiece;
  try {
    piece = readPiece(plain, 'its content');
  } catch (error) {
    throw tampered(`holds something else: ${(error as Error).message}`);
  }
  const { number, ends } = numberOfSlice({ from, to });
  if (piece.number !== number) throw tampered(`is of WAL segment ${piece.number}, and not ${number}`);
  if (ends !== (piece.offset + piece.body.length === piece.bytes)) throw tampered(`${ends ? 'does not end' : 'ends'} WAL segment ${number}, and its name says otherwise`);
  return 1;
};

/** `0/3000060` */
export const formatLsn = (lsn: bigint): string => `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
