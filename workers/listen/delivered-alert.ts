import { createHash } from 'node:crypto';
import type { Alert, AlertLabels } from '../../workflows/domain/alert.ts';

/** An alert as a sender told it, before it is known which rule it is for. */
export interface DeliveredAlert {
  alert: Omit<Alert, 'rule'>;
  labels: AlertLabels;
  /** the same for each delivery of the same news, and for no other: what is done once is done under it */
  delivery: string;
}

/** The body is not what the sender is known to send. */
export class Malformed extends Error {}

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);

/** Cut to what enters a history; a line without control characters. */
export function shortLine(text: string, length: number): string {
  const line = [...text].map((character) => (character < ' ' ? ' ' : character)).join('').replace(/\s+/g, ' ').trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

/** Only addresses of the web: it is shown as a link. */
export const webLink = (text: string | undefined): string | null => (text !== undefined && text.length <= 1_000 && /^https?:\/\//.test(text) && URL.canParse(text) ? text : null);

/** @throws Malformed - it is no time. */
export function instantOf(text: string, field: string): string {
  const ms = Date.parse(text);
  if (!Number.isFinite(ms)) throw new Malformed(`field "${field}" is no time`);
  return new Date(ms).toISOString();
}
