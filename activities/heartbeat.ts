import type { Progress } from './context.ts';

/** What people see in the UI at a running activity. `percent` and `etaMs` are null while the whole is not known. */
export interface Heartbeat extends Progress {
  percent: number | null;
  etaMs: number | null;
}

/** Before this the rate says more about starting up than about the work. */
const rateKnownAfterMs = 2_000;

/**
 * Turns progress into heartbeats with percent and time left. The rate is of the present phase, from its first report
 * on, so that what an earlier attempt left done does not count as speed.
 */
export function shapeHeartbeats(now: () => number = Date.now): (progress: Progress) => Heartbeat {
  let start: { phase: string; at: number; done: number } | undefined;
  return (progress) => {
    if (start?.phase !== progress.phase) start = { phase: progress.phase, at: now(), done: progress.done };
    const tookMs = now() - start.at;
    const moved = progress.done - start.done;
    const left = progress.of - progress.done;
    const isKnown = progress.of > 0 && tookMs >= rateKnownAfterMs && moved > 0;
    return {
      ...progress,
      percent: progress.of > 0 ? Math.min(100, Math.round((progress.done / progress.of) * 1000) / 10) : null,
      etaMs: isKnown ? Math.max(0, Math.round((left * tookMs) / moved)) : null,
    };
  };
}
