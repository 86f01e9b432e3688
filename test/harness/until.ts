import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again and again until there is an answer (anything but undefined, null and false); what it throws means "not yet".
 * @param what - names what is waited for, when it does not come.
 */
export async function until<T>(what: string, ask: () => T | Promise<T>, withinMs = 60_000, everyMs = 50): Promise<NonNullable<T>> {
  const endsAt = Date.now() + withinMs;
  let last: unknown;
  while (true) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== null && answer !== false) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > endsAt) throw new Error(`waited ${withinMs / 1000} s for: ${what}; last seen: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await sleep(everyMs);
  }
}
