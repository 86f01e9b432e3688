import { readFileSync } from 'node:fs';
import { Meter, sumProgress, WorkMeter, type Progress } from '../../workflows/domain/progress.ts';
import type { JobReading } from '../../activities/context.ts';

const lookEveryMs = 250;

/** The most that each process of the data plane ever held: VmHWM of /proc, which the system keeps, so that no moment is missed. */
export class PeakMemory {
  readonly #peaks = new Map<number, number>();
  readonly #held = new Map<number, number>();
  readonly #timer = setInterval(() => [...this.#peaks.keys()].forEach((pid) => this.#look(pid)), lookEveryMs);

  add(pid: number): void {
    if (!this.#peaks.has(pid)) this.#peaks.set(pid, 0);
  }

  /** What a process says of itself at its job's end: it may be gone before the next look. */
  said(bytes: number): void {
    this.#peaks.set(-1, Math.max(this.#peaks.get(-1) ?? 0, bytes));
  }

  get mostBytes(): number {
    return Math.max(0, ...this.#peaks.values());
  }

  /** By the last look, of the process that holds the most. */
  get heldBytes(): number {
    return Math.max(0, ...this.#held.values());
  }

  get processes(): number {
    return [...this.#peaks.keys()].filter((pid) => pid > 0).length;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(pid: number): void {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const bytesOf = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
      this.#peaks.set(pid, Math.max(this.#peaks.get(pid) ?? 0, bytesOf('VmHWM')));
      this.#held.set(pid, bytesOf('VmRSS'));
    } catch {
      // It has ended.
      this.#held.delete(pid);
    }
  }
}

export interface Forecast {
  /** forecasts of the whole time, made after the first tenth of the work was done */
  made: number;
  /** the first of them divided by what it took in the end */
  atTenth: number | null;
  /** the median of them, and the one that was farthest off */
  median: number | null;
  worst: number | null;
}

/** What a person is told of the time left, second by second, to be compared with the end: by the functions that tell it. */
export class Forecasts {
  readonly #startedAtMs = Date.now();
  readonly #meters = new Map<string, Meter>();
  readonly #work = new WorkMeter(Date.now());
  readonly #samples: number[] = [];
  readonly #timer = setInterval(() => this.#sample(), 1_000);
  readonly #trace: (progress: Progress) => void;
  readonly #whole: boolean;
  #ofBytes: number | undefined;
  percent = 0;

  /**
   * @param ofBytes - the whole, for work in groups; left out: the job's own reading says it.
   * @param trace - called each second with what a person would see.
   * @param whole - of a job in phases what it tells of all of them, and not of each.
   * @param ofPieces - collections or parts of work in groups.
   */
  constructor(ofBytes?: number, trace: (progress: Progress) => void = () => undefined, whole = false, ofPieces = 0) {
    this.#work.expect(ofPieces);
    this.#whole = whole;
    this.#ofBytes = ofBytes;
    this.#trace = trace;
  }

  take(job: string, reading: JobReading): void {
    let meter = this.#meters.get(job);
    if (!meter) this.#meters.set(job, (meter = new Meter()));
    meter.take(reading, Date.now());
    this.#update();
  }

  /** A group is done. @param estimatedBytes - as which it was part of the whole. */
  done(job: string, bytes: number, estimatedBytes = bytes, pieces = 0): void {
    this.lost(job);
    if (this.#ofBytes !== undefined) this.#ofBytes += bytes - estimatedBytes;
    this.#work.add(bytes, Date.now(), pieces);
    this.#update();
  }

  /** Its attempt has ended without an answer. */
  lost(job: string): void {
    this.#meters.delete(job);
  }

  now(): Progress | undefined {
    const nowMs = Date.now();
    const underWay = [...this.#meters.values()].map((meter) => meter.read(nowMs)).filter((progress) => progress !== undefined);
    return sumProgress(underWay, this.#ofBytes === undefined ? undefined : this.#work.work(this.#ofBytes), nowMs);
  }

  end(): Forecast {
    clearInterval(this.#timer);
    const tookMs = Date.now() - this.#startedAtMs;
    const ratios = this.#samples.map((forecastMs) => forecastMs / tookMs);
    const sorted = [...ratios].sort((a, b) => a - b);
    const off = (ratio: number): number => Math.abs(ratio - 1);
    return {
      made: ratios.length,
      atTenth: ratios[0] ?? null,
      median: sorted[sorted.length >> 1] ?? null,
      worst: ratios.length === 0 ? null : ratios.reduce((worst, ratio) => (off(ratio) > off(worst) ? ratio : worst)),
    };
  }

  #update(): void {
    this.percent = Math.max(this.percent, this.now()?.percent ?? 0);
  }

  #sample(): void {
    const progress = this.now();
    if (progress) this.#trace(progress);
    const { percent = null, leftMs = null } = (this.#whole ? progress?.whole : progress) ?? {};
    if (percent === null || percent < 10 || leftMs === null) return;
    this.#samples.push(Date.now() - this.#startedAtMs + leftMs);
  }
}
