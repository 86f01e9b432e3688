import { seconds } from '../../../../workflows/domain/units.ts';

const windowMs = seconds(60);
const knownAfterMs = seconds(5);

/** How long until an archive has caught up, by how much nearer it has come to its source in the last minute. */
export class LagMeter {
  #samples: { atMs: number; lagMs: number }[] = [];

  /** @returns null: not known yet, or it does not come nearer. 0: it is up to date. */
  take(lagMs: number, nowMs: number): number | null {
    const [first, second] = this.#samples;
    if (second && second.atMs <= nowMs - windowMs) this.#samples.shift();
    const last = this.#samples.at(-1);
    if (!last || nowMs - last.atMs >= seconds(1)) this.#samples.push({ atMs: nowMs, lagMs });
    if (lagMs === 0) return 0;
    if (!first || nowMs - first.atMs < knownAfterMs || first.lagMs <= lagMs) return null;
    return Math.round((lagMs / (first.lagMs - lagMs)) * (nowMs - first.atMs));
  }
}
