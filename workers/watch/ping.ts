import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { post } from '../../activities/notify/post.ts';
import { scrub } from '../../activities/secrets.ts';

/**
 * The dead-man's ping: an outside monitor hears of us again and again, and calls people when it does not. `POST <url>` says all is well, `POST <url>/fail` that it is
 * not, with the reasons as text, as healthchecks.io and what is like it take them. What is well is looked at anew before each.
 *
 * A receiver that is dead, slow or refuses harms nothing: it is said in the log when that begins and when it ends, and tried again at the next time. Killed at any
 * line, the monitor hears nothing, which is what it is for.
 */
export interface PingOptions {
  url: string;
  everyMs: number;
  log: Pick<Logger, 'info' | 'warn'>;
  /** what is not well, a line each; empty: all is. What it throws is one more reason */
  look(): Promise<string[]>;
}

const answersWithinMs = 10_000;
/** As much as such a monitor keeps. */
const atMostChars = 10_000;

export async function keepPinging({ url, everyMs, log, look }: PingOptions, signal: AbortSignal): Promise<void> {
  let heard = true;
  while (!signal.aborted) {
    const wrong = await look().catch((error: unknown) => [`the look itself failed: ${scrub((error as Error).message)}`]);
    try {
      await ping(url, wrong, signal);
      if (!heard) log.info({}, 'the monitor answers again');
      heard = true;
    } catch (error) {
      if (signal.aborted) return;
      if (heard) log.warn({ error: scrub((error as Error).message) }, 'the monitor does not hear us');
      heard = false;
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

async function ping(url: string, wrong: readonly string[], signal: AbortSignal): Promise<void> {
  const to = new URL(url);
  if (wrong.length > 0) to.pathname = `${to.pathname.replace(/\/$/, '')}/fail`;
  const body = (wrong.length > 0 ? wrong.join('\n') : 'ok').slice(0, atMostChars);
  await post({ url: to.href, headers: { 'content-type': 'text/plain; charset=utf-8' }, body, signal: AbortSignal.any([signal, AbortSignal.timeout(answersWithinMs)]) }, 'HOLDFAST_PING');
}
