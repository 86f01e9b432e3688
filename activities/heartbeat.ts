import { Meter, type Progress, type Reading } from '../workflows/domain/progress.ts';

/** What people see in the UI at a running activity: its progress, beside whatever else the job has to say. */
export type Heartbeat = Progress & Record<string, unknown>;

/** Turns what a job says into heartbeats. */
export class Heartbeats {
  readonly #meter = new Meter();
  readonly #now: () => number;
  readonly #about: Record<string, unknown>;
  #said: Reading & Record<string, unknown> | undefined;

  /** @param about - what each of them says beside. */
  constructor(now: () => number = () => performance.now(), about: Record<string, unknown> = {}) {
    this.#now = now;
    this.#about = about;
  }

  take(said: Reading & Record<string, unknown>): Heartbeat {
    this.#said = said;
    return this.#shape(said, this.#meter.take(said, this.#now()));
  }

  /** The newest again, as it looks now; undefined before the first. */
  newest(): Heartbeat | undefined {
    const progress = this.#meter.read(this.#now());
    return progress && this.#shape(this.#said!, progress);
  }

  #shape(said: Reading & Record<string, unknown>, progress: Progress): Heartbeat {
    const { adopted: _adopted, quickens: _quickens, logSeconds: _done, logSecondsOf: _of, whole: _whole, ...details } = said;
    return { ...this.#about, ...details, ...progress };
  }
}
