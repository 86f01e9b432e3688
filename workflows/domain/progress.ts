/**
 * How far a piece of work is: computed here and nowhere else, shown by describe-progress.ts.
 *
 * Work says what it has done (`Reading`); a `Meter` keeps the last minute of it and makes `Progress` of it. What is not
 * known is null, and shown as unknown: no rate before the work has moved for two seconds, no percent without a whole, no
 * time left without a rate. A rate is counted up to now, not up to the last word, so that it falls while work stands still.
 */

export type ProgressUnit = 'bytes' | 'entries' | 'documents' | 'objects' | 'answers' | 'ms';

/** What work says of itself. `of` is 0 while the whole is not known. */
export interface Reading {
  phase: string;
  done: number;
  of: number;
  unit: ProgressUnit;
  /** of `done`, what earlier attempts left: it is done, but says nothing of the speed. Left out: nothing */
  adopted?: number;
  /** the cost of a unit falls evenly while it goes on, from so much (a share) above the mean to as much below. Left out: it stays */
  quickens?: number;
  /** collections or parts that are behind it: each takes time of its own, however small it is. Left out: they are not counted */
  pieces?: number;
  /** seconds of log that are behind it, and of how many; left out: it is no work on a log */
  logSeconds?: number;
  logSecondsOf?: number;
  /** of work in phases that count different things: what lies behind this phase, and what this one is, in one measure for all. Left out: the phase is all */
  whole?: { before: number; part: number; of: number } | undefined;
}

export interface Progress {
  phase: string;
  done: number;
  of: number;
  unit: ProgressUnit;
  percent: number | null;
  /** units a second, over the last minute at most */
  perSecond: number | null;
  leftMs: number | null;
  log: { doneSeconds: number; ofSeconds: number; leftSeconds: number } | null;
  /** collections or parts that are behind it; left out: they are not counted */
  pieces?: number;
  /** of all phases together; left out: this phase is all */
  whole?: { percent: number; leftMs: number | null } | undefined;
}

export interface Sample {
  atMs: number;
  done: number;
  logSeconds: number;
  pieces?: number;
}

const windowMs = 60_000;
/** A rate of fewer samples than this says more about when they came than about the work. */
const countedSamples = 5;
/** Before this the rate says more about starting up than about the work. */
const rateKnownAfterMs = 2_000;
/** Closer together than this, a sample replaces the one before. */
const sampleEveryMs = 1_000;

/** Without those that lie ahead: the clock was set back since, and how long ago they were nobody knows. */
const upTo = <S extends Pick<Sample, 'atMs'>>(samples: readonly S[], nowMs: number): S[] => samples.filter(({ atMs }) => atMs <= nowMs);

/** The samples with one more, and without those that the window no longer needs. */
function withSample(samples: readonly Sample[], next: Sample): Sample[] {
  const kept = upTo(samples, next.atMs);
  if (kept.length > 1 && next.atMs - kept.at(-2)!.atMs < sampleEveryMs) kept.pop();
  kept.push(next);
  // One that lies before the window stays: the window begins inside the stretch after it.
  while (kept.length > 2 && kept[1]!.atMs <= next.atMs - windowMs) kept.shift();
  return kept;
}

/** While the window is younger than that, the first third of it does not count: caches are cold and code is new, and what comes is not like it. */
const startsUpForMs = windowMs / 3;

/** The first sample that counts; none lies ahead of now. Only so far as there is more than one behind it: work that speaks seldom is measured over all that is known. */
function firstCounted(samples: readonly Sample[], nowMs: number): Sample | undefined {
  const [begun] = samples;
  if (!begun) return undefined;
  const countedFromMs = begun.atMs + Math.min(startsUpForMs, (nowMs - begun.atMs) / 3);
  const late = samples.findLastIndex(({ atMs }) => atMs <= countedFromMs);
  return samples.length - late > countedSamples ? samples[late]! : begun;
}

/** Moved a second between the first sample that counts and now; null while that is not known, or nothing moved. */
function rateOf(samples: readonly Sample[], nowMs: number, of: (sample: Sample) => number): number | null {
  const known = upTo(samples, nowMs);
  const first = firstCounted(known, nowMs);
  if (!first) return null;
  const tookMs = nowMs - first.atMs;
  const moved = of(known.at(-1)!) - of(first);
  return tookMs >= rateKnownAfterMs && moved > 0 ? (moved / tookMs) * 1000 : null;
}

const percentOf = (done: number, of: number): number | null => (of > 0 ? Math.min(100, Math.floor((done / of) * 1000) / 10) : null);
const leftOf = (left: number, perSecond: number | null): number | null => (perSecond === null ? null : Math.max(0, Math.round((left / perSecond) * 1000)));

/** What a unit of the rest costs on average, of what one costs at `share` of the work. */
const restCosts = (share: number, quickens: number): number => (1 - quickens * share) / (1 + quickens * (1 - 2 * share));

/** What the samples and the newest reading say now. */
export function measure(reading: Reading, samples: readonly Sample[], nowMs: number): Progress {
  const { phase, done, of, unit, pieces, logSeconds, logSecondsOf, quickens = 0 } = reading;
  const perSecond = rateOf(samples, nowMs, (sample) => sample.done);
  const log = logSeconds === undefined || logSecondsOf === undefined ? null : { doneSeconds: logSeconds, ofSeconds: logSecondsOf, leftSeconds: Math.max(0, logSecondsOf - logSeconds) };
  const byLog = of === 0 && log !== null;
  return {
    phase,
    done,
    of,
    unit,
    percent: byLog ? percentOf(log.doneSeconds, log.ofSeconds) : percentOf(done, of),
    perSecond: perSecond === null ? null : roundRate(perSecond),
    leftMs: byLog ? leftOf(log.leftSeconds, rateOf(samples, nowMs, (sample) => sample.logSeconds)) : of > 0 ? leftOf((of - done) * restCosts(done / of, quickens), perSecond) : null,
    log,
    ...(pieces === undefined ? {} : { pieces }),
  };
}

/** Time left of all: of this phase by its own rate, of those behind it by the pace of everything so far, which says what the measure is worth. */
function measureWhole(progress: Progress, { before, part, of }: NonNullable<Reading['whole']>, begun: { atMs: number; done: number }, nowMs: number): NonNullable<Progress['whole']> {
  const done = Math.min(of, wholeDone({ before, part }, progress));
  const tookMs = nowMs - begun.atMs;
  const perSecond = tookMs >= rateKnownAfterMs && done > begun.done ? ((done - begun.done) / tookMs) * 1000 : null;
  const later = Math.max(0, of - before - part);
  const leftMs = progress.leftMs === null || later === 0 ? null : leftOf(later, perSecond);
  return { percent: percentOf(done, of) ?? 0, leftMs: later === 0 && progress.leftMs !== null ? progress.leftMs : leftMs === null ? leftOf(of - done, perSecond) : leftMs + progress.leftMs! };
}

const wholeDone = ({ before, part }: Pick<NonNullable<Reading['whole']>, 'before' | 'part'>, { percent }: Pick<Progress, 'percent'>): number => before + (part * (percent ?? 0)) / 100;

const roundRate = (perSecond: number): number => (perSecond >= 100 ? Math.round(perSecond) : Math.round(perSecond * 100) / 100);

/** Readings of one piece of work, in the order that they come; another phase has another speed, and begins anew. */
export class Meter {
  #reading: Reading | undefined;
  #samples: Sample[] = [];
  #begun: { atMs: number; done: number } | undefined;

  take(reading: Reading, nowMs: number): Progress {
    if (reading.phase !== this.#reading?.phase || reading.unit !== this.#reading.unit) this.#samples = [];
    this.#reading = reading;
    this.#samples = withSample(this.#samples, { atMs: nowMs, done: reading.done - (reading.adopted ?? 0), logSeconds: reading.logSeconds ?? 0 });
    return this.#measure(reading, nowMs);
  }

  /** The newest reading as it looks now; undefined before the first. */
  read(nowMs: number): Progress | undefined {
    return this.#reading && this.#measure(this.#reading, nowMs);
  }

  #measure(reading: Reading, nowMs: number): Progress {
    const progress = measure(reading, this.#samples, nowMs);
    if (!reading.whole) return progress;
    if (!this.#begun || this.#begun.atMs > nowMs) this.#begun = { atMs: nowMs, done: wholeDone(reading.whole, progress) };
    return { ...progress, whole: measureWhole(progress, reading.whole, this.#begun, nowMs) };
  }
}

/** Work that is done in pieces side by side: what its finished pieces add up to. What is under way comes on top. */
export interface Work {
  done: number;
  of: number;
  unit: 'bytes';
  /** of the last minute of finished pieces, or of less where it is younger */
  window: { fromAt: string; fromDone: number; toAt: string; fromStart: boolean };
  /** collections or parts of it, where they are counted */
  pieces?: { done: number; of: number; fromDone: number } | undefined;
}

/**
 * What opening a collection, or asking for a part, costs: as much as reading so many bytes. Measured with 5,000 collections of 2 kB, beside large ones, backed up
 * (200 KiB each) and restored (180 KiB); without it the last fiftieth of the bytes takes most of the time.
 */
const pieceCostBytes = 192 * 1024;

/**
 * One figure for pieces that run side by side.
 *
 * With `work` the whole is known, and the rate is that of the finished pieces. What is under way now counts towards it only
 * while the window reaches back to the start, when nothing was under way: later, as much was then.
 * Percent and time left go by bytes and by what each piece costs beside its bytes.
 * Without, rates and wholes of the pieces of the most telling unit are added; the slowest says the time left.
 */
export function sumProgress(underWay: readonly Progress[], work: Work | undefined, nowMs: number): Progress | undefined {
  if (work) {
    const own = underWay.filter(({ unit }) => unit === work.unit);
    if (own.length > 0 || underWay.length === 0 || work.done > 0) return ofWork(own, work, nowMs);
    // What comes before the first piece, as making thousands of collections does: it says how far it is, and all is still ahead.
    return { ...sumProgress(underWay, undefined, nowMs)!, whole: { percent: 0, leftMs: null } };
  }
  const unit = units.find((candidate) => underWay.some((one) => one.unit === candidate));
  const parts = underWay.filter((one) => one.unit === unit);
  const [first] = parts;
  if (!first) return undefined;
  const sum = (of: (part: Progress) => number): number => parts.reduce((total, part) => total + of(part), 0);
  const whole = parts.every(({ of }) => of > 0);
  const done = sum((part) => part.done);
  const of = whole ? sum((part) => part.of) : 0;
  const known = <T>(values: (T | null)[]): T[] | null => (values.every((value) => value !== null) ? (values as T[]) : null);
  const lefts = known(parts.map(({ leftMs }) => leftMs));
  const rates = known(parts.map(({ perSecond }) => perSecond));
  const alone = parts.length === 1;
  return {
    phase: first.phase,
    done,
    of,
    unit: first.unit,
    percent: alone ? first.percent : percentOf(done, of),
    perSecond: rates && rates.reduce((total, rate) => total + rate, 0),
    leftMs: lefts && Math.max(...lefts),
    log: alone ? first.log : null,
    ...(alone && first.whole ? { whole: first.whole } : {}),
  };
}

/** Whose progress tells most, where activities of one step count different things. */
const units: readonly ProgressUnit[] = ['bytes', 'documents', 'entries', 'objects', 'answers', 'ms'];

function ofWork(underWay: readonly Progress[], { done: finished, of: expected, unit, window, pieces }: Work, nowMs: number): Progress {
  const more = underWay.reduce((sum, part) => sum + part.done, 0);
  const morePieces = pieces ? underWay.reduce((sum, part) => sum + (part.pieces ?? 0), 0) : 0;
  // A piece that turned out larger than expected makes the whole larger: all of it would seem done before it is.
  const of = expected > 0 ? Math.max(expected, underWay.reduce((sum, part) => sum + part.of, finished)) : 0;
  const done = of > 0 ? Math.min(of, finished + more) : finished + more;
  const moved = finished - window.fromDone + (window.fromStart ? more : 0);
  // Up to the last finished piece, unless the next one is overdue: standing still must show.
  const fromMs = Date.parse(window.fromAt);
  const toMs = Date.parse(window.toAt);
  const tookMs = window.fromStart || nowMs - toMs > (toMs - fromMs) / 2 ? nowMs - fromMs : toMs - fromMs;
  const rate = (amount: number): number | null => (tookMs >= rateKnownAfterMs && amount > 0 ? (amount / tookMs) * 1000 : null);
  const perSecond = rate(moved);
  const cost = (count: number): number => count * pieceCostBytes;
  const costOf = cost(pieces?.of ?? 0);
  const costDone = Math.min(costOf, cost((pieces?.done ?? 0) + morePieces));
  const costMoved = pieces ? cost(pieces.done - pieces.fromDone + (window.fromStart ? morePieces : 0)) : 0;
  return {
    phase: underWay[0]?.phase ?? '',
    done,
    of,
    unit,
    percent: of > 0 ? percentOf(done + costDone, of + costOf) : null,
    perSecond: perSecond === null ? null : roundRate(perSecond),
    leftMs: of > 0 ? leftOf(of - done + costOf - costDone, rate(moved + costMoved)) : null,
    log: null,
  };
}

/** Adds up what is finished, and keeps the last minute of it. */
export class WorkMeter {
  #samples: Sample[];
  readonly #startMs: number;
  #done = 0;
  #pieces = 0;
  #ofPieces = 0;

  constructor(nowMs: number) {
    this.#startMs = nowMs;
    this.#samples = [{ atMs: nowMs, done: 0, logSeconds: 0, pieces: 0 }];
  }

  /** So many pieces more will come. */
  expect(pieces: number): void {
    this.#ofPieces += pieces;
  }

  add(bytes: number, nowMs: number, pieces = 0): void {
    this.#done += bytes;
    this.#pieces += pieces;
    this.#samples = withSample(this.#samples, { atMs: nowMs, done: this.#done, logSeconds: 0, pieces: this.#pieces });
  }

  work(ofBytes: number): Work {
    const [begun] = this.#samples;
    const first = begun!.atMs === this.#startMs ? firstCounted(this.#samples, this.#samples.at(-1)!.atMs)! : begun!;
    const at = (ms: number): string => new Date(ms).toISOString();
    return {
      done: this.#done,
      of: ofBytes,
      unit: 'bytes',
      window: { fromAt: at(first.atMs), fromDone: first.done, toAt: at(this.#samples.at(-1)!.atMs), fromStart: first.atMs === this.#startMs },
      ...(this.#ofPieces > 0 ? { pieces: { done: this.#pieces, of: this.#ofPieces, fromDone: first.pieces ?? 0 } } : {}),
    };
  }
}
