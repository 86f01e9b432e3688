import { Agent, request } from 'node:http';
import type { LedgerLine } from './ledger.ts';

const answerWithinMs = 8_000;

export interface Answer {
  outcome: LedgerLine['outcome'];
  side: string | null;
}

export type Send = (changes: LedgerLine['changes']) => Promise<Answer>;

/**
 * Sends operations to the application, through whatever stands before it, on connections that are kept.
 *
 * Acknowledged only when the application says so in words. Refused when the application, or the maintenance answer of
 * the switch, says that nothing was written. Everything else (a broken connection, no answer in time, a gateway's
 * error) is unknown: it may have been written. Never throws.
 */
export function openSender(url: string): Send {
  const address = new URL('/ops', url);
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  return async (changes) =>
    await new Promise((resolve) => {
      const body = JSON.stringify(changes);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const sent = request(address, { method: 'POST', agent, headers, timeout: answerWithinMs }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', () => resolve(unknown));
        response.on('end', () => resolve(judge(response.statusCode ?? 0, response.headers['x-holdfast-side'], Buffer.concat(pieces).toString('utf8'))));
      });
      sent.on('error', () => resolve(unknown));
      sent.on('timeout', () => sent.destroy());
      sent.end(body);
    });
}

const unknown: Answer = { outcome: 'unknown', side: null };

export function judge(status: number, side: string | string[] | undefined, body: string): Answer {
  if (typeof side !== 'string') return status === 503 ? { outcome: 'refused', side: null } : unknown;
  const outcome = outcomeIn(body);
  if (status === 200 && outcome === 'acknowledged') return { outcome, side };
  return outcome === 'refused' ? { outcome, side: null } : unknown;
}

function outcomeIn(body: string): unknown {
  try {
    return (JSON.parse(body) as { outcome?: unknown }).outcome;
  } catch {
    return undefined;
  }
}
