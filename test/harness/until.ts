import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again and again until there is an answer (anything but undefined, null and false); what it throws means "not yet". After a long wait it asks up to five
 * times more seldom, and hears at most a twentieth later for it: questions take processor time from what is waited for.
 * @param what - names what is waited for, when it does not come.
 */
export async function until<T>(what: string, ask: () => T | Promise<T>, withinMs = 60_000, everyMs = 50): Promise<NonNullable<T>> {
  const startedAt = Date.now();
  let last: unknown;
  while (true) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== null && answer !== false) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    const waitedMs = Date.now() - startedAt;
    if (waitedMs > withinMs) throw new Error(`waited ${withinMs / 1000} s for: ${what}; last seen: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await sleep(Math.max(everyMs, Math.min(5 * everyMs, waitedMs / 20)));
  }
}
