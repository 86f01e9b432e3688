import { claimsOf, newerTimelines, type Claim } from '../disbelieved.ts';
import { reachOf, type Reach } from '../find-recovery-point.ts';
import { logPosition, previousLogPosition, type LogPosition } from '../log-position.ts';
import { describeDoubt, describeMark } from '../point-mark.ts';
import { addsTo, type Catalog, type CatalogBase } from '../recovery-point.ts';
import { formatBytes } from '../units.ts';
import { keepPeriods } from './keep-periods.ts';
import { hours } from '../units.ts';
import type { BaseVerdict, KeptLog, RetentionFacts, RetentionPlan, Unfinished, UnfinishedVerdict } from './plan.ts';
import { formatAge, periods, type RetentionRules } from './rules.ts';

/**
 * Decides of every base, and of every stretch of log, whether it stays or goes, and why.
 *
 * What the rules keep may be taken by the limit on size. What nothing takes: the newest good recovery point and all of its log, what a run last proved,
 * what a run reads, what people hold, what the store has locked, `atLeast` good ones, and the base that the beginning of the log's window is restored from.
 * A base stays as long as one that stays adds to it, or one that is being taken does.
 * Log goes only where no base that stays needs it, and never behind the newest good recovery point.
 *
 * A base that is marked suspect or bad stands for its day as long as any other: the mark may be taken back. A good one stands for the same day beside it.
 * While something lies there that is not believed, and nobody has said what it is, it may be what makes something else needed: then its timeline is left alone.
 *
 * The same facts give the same plan. Once a plan was carried out, wholly or in part, planning again names nothing that it kept.
 *
 * @param rules - undefined: the system file says none, and everything stays.
 */
export function planRetention(facts: RetentionFacts, rules: RetentionRules | undefined): RetentionPlan {
  const { catalog, now } = facts;
  const { system, source } = catalog;
  const all = [...catalog.bases, ...facts.imports].filter(({ backup }) => facts.stored[backup]);
  const plan = new Keeper(facts, rules, all);
  plan.keepWhatNothingTakes();
  plan.keepByRules();
  plan.obeySize();
  return { system, source, at: now, bases: plan.bases(), keptLog: plan.log, logEnds: endsOf(catalog, plan.frozen), unfinished: facts.unfinished.map((one) => judgeUnfinished(one, plan.frozen, facts.now)), notes: plan.notes };
}

const always: LogPosition = logPosition(0, 0);

/** Longer than any pause of a backup that runs: its activities are given up after days, and whoever seals one is refused once retention has begun to take it. */
const unfinishedForMs = hours(7 * 24);

function judgeUnfinished(one: Unfinished, frozen: ReadonlyMap<string, string>, now: string): UnfinishedVerdict {
  const quietMs = Date.parse(now) - Date.parse(one.lastAt);
  if (frozen.has(one.timeline)) return { ...one, goes: false, why: ['its timeline is left alone'] };
  if (quietMs <= unfinishedForMs) return { ...one, goes: false, why: [`never sealed, and nothing was written to it for ${formatAge(quietMs)}: it may run still, up to ${formatAge(unfinishedForMs)}`] };
  return { ...one, goes: true, why: [`never sealed, and nothing was written to it for ${formatAge(quietMs)}`] };
}

class Keeper {
  readonly #facts: RetentionFacts;
  readonly #rules: RetentionRules | undefined;
  readonly #all: readonly CatalogBase[];
  /** good, whole and not of an import: what a person who names nothing may be given */
  readonly #good: readonly Reach[];
  /** why nothing takes it, and which rules keep it, by backup */
  readonly #hard = new Map<string, string[]>();
  readonly #soft = new Map<string, string[]>();
  readonly #dropped = new Map<string, string>();
  readonly log: KeptLog[] = [];
  readonly notes: string[] = [];
  /** timelines that are left alone, and why */
  readonly frozen: ReadonlyMap<string, string>;

  constructor(facts: RetentionFacts, rules: RetentionRules | undefined, all: readonly CatalogBase[]) {
    this.#facts = facts;
    this.#rules = rules;
    this.#all = all;
    this.#good = facts.catalog.bases.flatMap((base) => (base.mark?.doubt || !facts.stored[base.backup] ? [] : (reachOf(facts.catalog, base) ?? [])));
    this.frozen = frozenTimelines(facts.catalog);
    this.notes.push(...this.frozen.values());
  }

  keepWhatNothingTakes(): void {
    const { holds, proved, catalog } = this.#facts;
    for (const base of this.#all) {
      const { backup, timeline, mark } = base;
      const { lockedUntil } = this.#facts.stored[backup]!;
      if (!this.#rules) this.#keep(base, 'the system file has no rule for this source');
      if (this.frozen.has(timeline)) this.#keep(base, 'its timeline is left alone');
      if (mark?.hold) this.#keep(base, describeMark({ hold: mark.hold }));
      if (lockedUntil !== null && lockedUntil > this.#facts.now) this.#keep(base, `locked until ${lockedUntil}`);
    }
    for (const { backup, parents = [] } of this.#facts.unfinished) for (const parent of parents) this.#keep({ backup: parent }, `backup ${backup}, which is not sealed yet, adds to it`);
    for (const { run, why, timeline, backup, from, limit } of holds) this.#keepChain({ timeline, backup, from, to: previousLogPosition(limit) }, why || `run ${run} reads it`);
    if (proved) this.#keepChain({ ...proved, to: previousLogPosition(proved.limit) }, `the last that was restored and found equal (run ${proved.run}, ${proved.at})`);
    const newest = newestGood(catalog, this.#good);
    if (newest) {
      this.#keepChain({ timeline: newest.base.timeline, backup: newest.base.backup, from: newest.base.logFrom, to: null }, 'the newest good recovery point');
      // It says that there was more: without it "the latest" would seem to end earlier.
      for (const base of catalog.bases) if (base.timeline > newest.base.timeline || (base.timeline === newest.base.timeline && base.end > newest.to)) this.#keep(base, 'it lies behind the newest good recovery point');
    }
    const current = catalog.timelines.map(({ timeline }) => timeline).sort().at(-1);
    const end = current === undefined ? undefined : endOf(catalog, current);
    if (end !== undefined) this.log.push({ timeline: current!, from: previousLogPosition(end), to: null, why: 'the archive goes on behind it' });
    if (this.#rules) this.#keepNewest(this.#rules.atLeast);
  }

  #keepNewest(atLeast: number): void {
    const newest = this.#good.map(({ base }) => base).sort((a, b) => this.#storedAt(b).localeCompare(this.#storedAt(a)) || b.backup.localeCompare(a.backup));
    for (const base of newest.slice(0, atLeast)) this.#keep(base, atLeast === 1 ? 'the newest good base' : `one of the ${atLeast} newest good bases`);
  }

  keepByRules(): void {
    const rules = this.#rules;
    if (!rules) return this.#keepAllLog();
    const own = this.#all.filter(({ backup }) => !this.#facts.imports.some((one) => one.backup === backup));
    const dated = (bases: readonly CatalogBase[]) => bases.map(({ backup }) => ({ id: backup, storedAt: this.#facts.stored[backup]!.at }));
    const { now } = this.#facts;
    for (const some of [own, this.#good.map(({ base }) => base)]) {
      for (const [backup, why] of keepPeriods(dated(some), rules, now)) why.forEach((clause) => this.#like(backup, clause));
    }
    const hasRule = rules.every !== undefined || periods.some((period) => rules[period] !== undefined);
    for (const { backup } of own) {
      if (!hasRule) this.#like(backup, 'no rule says how long bases are kept');
      if (rules.every !== undefined && this.#ageMs(backup) <= rules.every) this.#like(backup, `younger than ${formatAge(rules.every)}`);
    }
    for (const { backup } of this.#facts.imports) {
      if (rules.imports === undefined) this.#like(backup, 'no rule says how long imports are kept');
      else if (this.#ageMs(backup) <= rules.imports) this.#like(backup, `an import younger than ${formatAge(rules.imports)}`);
    }
    if (rules.log !== undefined) this.#keepWindow(rules.log);
  }

  /** Any moment of the window stays restorable that is now: in each unbroken stretch of log, from a base at its beginning on. */
  #keepWindow(windowMs: number): void {
    const { catalog, now, recentLogFrom } = this.#facts;
    const byPosition = logPosition(Math.max(0, Math.floor((Date.parse(now) - windowMs) / 1000)), 0);
    for (const { timeline } of catalog.timelines) {
      const recent = recentLogFrom[timeline];
      const begin = recent !== undefined && recent < byPosition ? recent : byPosition;
      const why = `within ${formatAge(windowMs)}`;
      this.log.push({ timeline, from: begin, to: null, why });
      for (const span of catalog.spans.filter((one) => one.timeline === timeline && one.to > begin)) {
        const inSpan = this.#good.filter((reach) => reach.span === span).map(({ base }) => base);
        const before = inSpan.filter(({ end }) => end <= begin).sort(byEnd).at(-1);
        const anchor = before ?? [...inSpan].sort(byEnd)[0];
        if (anchor) this.#keepChain({ timeline, backup: anchor.backup, from: anchor.logFrom, to: span.to }, `what is ${why} begins with it`);
      }
      for (const { base, span } of this.#good) if (span === undefined && base.timeline === timeline && base.end > begin) this.#keep(base, `a moment ${why} that no log leads to`);
    }
  }

  /** Oldest first; only what nothing but a rule keeps. */
  obeySize(): void {
    const limit = this.#rules?.atMost;
    if (limit === undefined) return;
    const kept = this.#all.filter(({ backup }) => this.#hard.has(backup) || this.#soft.has(backup));
    let bytes = kept.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    const oldest = kept.filter(({ backup }) => !this.#hard.has(backup)).sort((a, b) => this.#storedAt(a).localeCompare(this.#storedAt(b)) || a.backup.localeCompare(b.backup));
    for (const one of oldest) {
      if (bytes <= limit) return;
      // One that adds to it is kept by rules alone too: what nothing may take keeps all that it adds to.
      const going = [one, ...kept.filter((other) => addsTo(other, one.backup))].filter(({ backup }) => !this.#dropped.has(backup));
      const tooMuch = `the bases that are kept would be ${formatBytes(bytes)}, and atMost is ${formatBytes(limit)}: the oldest goes`;
      for (const { backup, storedBytes } of going) {
        this.#dropped.set(backup, backup === one.backup ? tooMuch : `base ${one.backup}, which it adds to, goes: ${tooMuch}`);
        bytes -= storedBytes;
      }
    }
    if (bytes > limit) this.notes.push(`${this.#name()}: what nothing may take is ${formatBytes(bytes)}, more than atMost (${formatBytes(limit)})`);
  }

  bases(): BaseVerdict[] {
    const verdicts = this.#all.map((base): BaseVerdict => {
      const { timeline, backup, end, storedBytes } = base;
      const dropped = this.#dropped.get(backup);
      const why = dropped !== undefined ? [dropped] : [...(this.#hard.get(backup) ?? []), ...(this.#soft.get(backup) ?? [])];
      const goes = dropped !== undefined || why.length === 0;
      if (!goes) this.#keepOwnLog(base);
      const doubt = base.mark?.doubt ? [describeDoubt(base.mark.doubt)] : [];
      return { timeline, backup, end, storedAt: this.#storedAt(base), storedBytes, goes, why: [...(why.length > 0 ? why : [`no rule keeps it: ${formatAge(this.#ageMs(backup))} old`]), ...doubt] };
    });
    if (this.#rules && this.#rules.log === undefined) this.#keepLogBehind(verdicts);
    for (const [timeline, why] of this.frozen) this.log.push({ timeline, from: always, to: null, why });
    return verdicts.sort((a, b) => b.storedAt.localeCompare(a.storedAt) || b.backup.localeCompare(a.backup));
  }

  /** What a base needs to be whole: the log that was written while it was read; of an import all that came with it. */
  #keepOwnLog({ timeline, backup, logFrom, end, exact, alone }: CatalogBase): void {
    if (this.#facts.imports.some((one) => one.backup === backup)) this.log.push({ timeline, from: always, to: null, why: `import ${backup}` });
    else if (!exact && !alone) this.log.push({ timeline, from: logFrom, to: end, why: `base ${backup} is whole with it only` });
  }

  /** Without a rule for the log a chain is kept whole: from the oldest base that stays, in each unbroken stretch. */
  #keepLogBehind(verdicts: readonly BaseVerdict[]): void {
    const stays = new Set(verdicts.filter(({ goes }) => !goes).map(({ backup }) => backup));
    for (const span of this.#facts.catalog.spans) {
      const first = this.#facts.catalog.bases.filter((base) => stays.has(base.backup) && reachOf(this.#facts.catalog, base)?.span === span).sort((a, b) => a.logFrom.localeCompare(b.logFrom))[0];
      if (first) this.log.push({ timeline: span.timeline, from: first.logFrom, to: span.to, why: `the chain of base ${first.backup}` });
    }
  }

  #keepAllLog(): void {
    for (const timeline of new Set([...this.#facts.catalog.spans.map((span) => span.timeline), ...this.#facts.catalog.timelines.map((one) => one.timeline)])) this.log.push({ timeline, from: always, to: null, why: 'the system file has no rule for this source' });
  }

  #keepChain({ timeline, backup, from, to }: { timeline: string; backup: string; from: LogPosition; to: LogPosition | null }, why: string): void {
    const base = this.#all.find((one) => one.backup === backup);
    if (base) this.#keep(base, why);
    this.log.push({ timeline, from, to, why: `${why} (base ${backup})` });
  }

  #keep({ backup }: Pick<CatalogBase, 'backup'>, why: string): void {
    this.#add(this.#hard, backup, why);
  }

  #like(backup: string, why: string): void {
    this.#add(this.#soft, backup, why);
  }

  /** Whatever keeps a base keeps what it adds to. */
  #add(to: Map<string, string[]>, backup: string, why: string): void {
    add(to, backup, why);
    for (const parent of this.#all.find((one) => one.backup === backup)?.parents ?? []) add(to, parent.backup, `base ${backup} adds to it`);
  }

  #storedAt = ({ backup }: Pick<CatalogBase, 'backup'>): string => this.#facts.stored[backup]!.at;
  #ageMs = (backup: string): number => Date.parse(this.#facts.now) - Date.parse(this.#facts.stored[backup]!.at);
  #name = (): string => `${this.#facts.catalog.system}/${this.#facts.catalog.source}`;
}

function add(to: Map<string, string[]>, key: string, clause: string): void {
  const known = to.get(key) ?? [];
  if (!known.includes(clause)) to.set(key, [...known, clause]);
}

const byEnd = (a: CatalogBase, b: CatalogBase): number => a.end.localeCompare(b.end) || a.backup.localeCompare(b.backup);

/** What a person who names nothing is given, or would be if nothing were missing behind it: of the newest timeline that has any. */
function newestGood({ timelines }: Catalog, good: readonly Reach[]): Reach | undefined {
  const names = timelines.map(({ timeline }) => timeline).sort().reverse();
  for (const name of names) {
    const here = good.filter(({ base }) => base.timeline === name);
    if (here.length > 0) return here.reduce((best, one) => (one.to > best.to || (one.to === best.to && one.base.end > best.base.end) ? one : best));
  }
  return undefined;
}

const endOf = ({ spans }: Catalog, timeline: string): LogPosition | undefined => spans.filter((span) => span.timeline === timeline).map(({ to }) => to).sort().at(-1);

function endsOf(catalog: Catalog, frozen: ReadonlyMap<string, string>): Record<string, LogPosition> {
  const timelines = [...new Set(catalog.spans.map(({ timeline }) => timeline))].filter((timeline) => !frozen.has(timeline));
  return Object.fromEntries(timelines.map((timeline) => [timeline, endOf(catalog, timeline)!]));
}

/** Where something is not believed, and nobody has said of it what it is. A timeline that may be the newest is of all of them. */
function frozenTimelines(catalog: Catalog): Map<string, string> {
  const known = catalog.timelines.map(({ timeline }) => timeline);
  const frozen = new Map<string, string>();
  const say = ({ key, why }: Claim): string => `${key} is not believed: ${why}`;
  const [newer] = newerTimelines(catalog, [...known].sort().at(-1));
  for (const timeline of newer ? known : []) frozen.set(timeline, `nothing goes while it is not known which timeline is the newest: ${say(newer!)}`);
  for (const claim of claimsOf(catalog)) {
    if (claim.kind !== 'timeline' && !claim.marked && known.includes(claim.timeline) && !frozen.has(claim.timeline)) frozen.set(claim.timeline, `nothing of timeline ${claim.timeline} goes before somebody has looked: ${say(claim)}`);
  }
  return frozen;
}

