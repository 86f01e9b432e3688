import { HoldfastError } from '../../workflows/domain/errors.ts';

/** A gap between ticks from which on this process is said to have hung. */
const hungFromMs = 2_000;
const tickMs = 250;
/** A process that hangs again and again does better as another attempt, which may be another worker's. */
const asksAtMost = 5;

/**
 * Asks a server, and asks again where nothing was heard because this process itself hung meanwhile (stopped, or starved): its own
 * time limit is over when it wakes, whatever the server answered. Silence that is returned was listened to.
 *
 * @param ask - undefined: nothing was heard within its limit
 * @throws TimedOut - retryable: it hung in each of five asks, so that nothing is known of the server.
 */
export async function askAwake<T>(ask: () => Promise<T | undefined>, fromMs = hungFromMs): Promise<T | undefined> {
  for (let asked = 1; asked <= asksAtMost; asked += 1) {
    let longestMs = 0;
    let lastAt = performance.now();
    const tick = (): void => {
      const now = performance.now();
      longestMs = Math.max(longestMs, now - lastAt);
      lastAt = now;
    };
    const timer = setInterval(tick, Math.min(tickMs, fromMs));
    try {
      const heard = await ask();
      tick();
      if (heard !== undefined || longestMs < fromMs) return heard;
    } finally {
      clearInterval(timer);
    }
  }
  throw new HoldfastError('TimedOut', `this worker hung in each of ${asksAtMost} tries to hear the server, so that its silence says nothing`, {
    hint: 'see what starves the machine of the worker, or let a worker elsewhere do it',
  });
}
