/** A gap between ticks from which on this process is said to have hung. */
const hungFromMs = 2_000;
const tickMs = 250;

/**
 * Asks a server, and asks again where nothing was heard because this process itself hung meanwhile (stopped, or starved): its own
 * time limit is over when it wakes, whatever the server answered. Silence that is returned was listened to.
 *
 * @param ask - undefined: nothing was heard within its limit
 */
export async function askAwake<T>(ask: () => Promise<T | undefined>, fromMs = hungFromMs): Promise<T | undefined> {
  while (true) {
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
}
