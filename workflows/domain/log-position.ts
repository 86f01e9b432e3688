import { z } from 'zod';

/**
 * A place in a source's log, written so that text order is log order: `<seconds, 10 digits>-<ordinal, 10 digits>`, a second of the
 * source's own clock that never goes backwards, and a number that keeps the order where seconds do not.
 *
 * MongoDB: the oplog's Timestamp. PostgreSQL: when a WAL segment was finished, and the segment's number. Chain and catalog compare positions as text.
 */
export const logPositionSchema = z.string().regex(/^\d{10}-\d{10}$/, 'a log position such as 1763717205-0000000001');
export type LogPosition = z.infer<typeof logPositionSchema>;

const digits = (n: number): string => String(n).padStart(10, '0');

export const logPosition = (secondsSinceEpoch: number, ordinal: number): LogPosition =>
  `${digits(secondsSinceEpoch)}-${digits(ordinal)}`;

export function parseLogPosition(position: LogPosition): { seconds: number; ordinal: number } {
  const [seconds, ordinal] = position.split('-');
  return { seconds: Number(seconds), ordinal: Number(ordinal) };
}

/** The smallest position after this one: turns "up to and including" into the exclusive limit that replay wants. */
export function nextLogPosition(position: LogPosition): LogPosition {
  const { seconds, ordinal } = parseLogPosition(position);
  return logPosition(seconds, ordinal + 1);
}

/**
 * The greatest position before this one: turns an exclusive limit into the last position that it includes.
 * An ordinal has 32 bits, so the last position of a second is <second>-4294967295.
 */
export function previousLogPosition(position: LogPosition): LogPosition {
  const { seconds, ordinal } = parseLogPosition(position);
  return ordinal > 0 ? logPosition(seconds, ordinal - 1) : logPosition(Math.max(0, seconds - 1), 0xffff_ffff);
}

/** The second that the position lies in, UTC ISO. The log knows no finer time than its own second. */
export const logPositionAt = (position: LogPosition): string =>
  new Date(parseLogPosition(position).seconds * 1000).toISOString();

/** `2026-11-21T03:00:05Z.7`: time and ordinal, for people. */
export function formatLogPosition(position: LogPosition): string {
  const { seconds, ordinal } = parseLogPosition(position);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z.${ordinal}`;
}

/**
 * The exclusive limit that a target time stands for: the second it names is included whole.
 * A target time of 03:00:05 (or 03:00:05.4) replays every entry of second 5 and none of second 6.
 */
export const limitOfTargetTime = (targetTimeAt: string): LogPosition =>
  logPosition(Math.floor(Date.parse(targetTimeAt) / 1000) + 1, 0);

/** Whether a limit stands for a moment, as `limitOfTargetTime` makes it, and not for a place behind something that was archived. */
export const isMoment = (limit: LogPosition): boolean => parseLogPosition(limit).ordinal === 0;

/** Parses what a person types for a position: `1763717205-7`, `1763717205.7` or `1763717205:7`. */
export function parseTypedLogPosition(text: string): LogPosition | undefined {
  const match = /^(\d{1,10})[-.:,](\d{1,10})$/.exec(text.trim());
  return match ? logPosition(Number(match[1]), Number(match[2])) : undefined;
}
