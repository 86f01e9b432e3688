import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coverSlices, spanBuilder } from '../../../../workflows/domain/chain.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../../../workflows/domain/find-recovery-point.ts';
import { logPosition, nextLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { PointMark } from '../../../../workflows/domain/point-mark.ts';
import type { Catalog, CatalogBase, RecoveryTarget } from '../../../../workflows/domain/recovery-point.ts';
import { mayGo, whySliceStays } from '../../../../workflows/domain/retention/judge-log.ts';
import type { RetentionFacts, RetentionPlan } from '../../../../workflows/domain/retention/plan.ts';
import { planRetention } from '../../../../workflows/domain/retention/plan-retention.ts';
import { rulesSchema, type RetentionRules } from '../../../../workflows/domain/retention/rules.ts';
import { hours } from '../../../../workflows/domain/units.ts';
import { base, catalogOf, randomOf, timelineOf } from '../../../harness/catalogs.ts';

/**
 * Random stores of up to three timelines over some weeks, with holes, bases that were read over a while, marks, holds, locks, a proof, a database whose clock is wrong,
 * and random rules. Retention runs, is killed anywhere, the system lives on, and it runs again.
 */
const seeds = Number(process.env['HOLDFAST_SEED']) ? [Number(process.env['HOLDFAST_SEED'])] : Array.from({ length: 150 }, (_, n) => n + 1);

interface Slice { timeline: string; key: string; from: LogPosition; to: LogPosition; bytes: number; storedAtHour: number }
interface World {
  /** of the store, hours since the beginning */
  now: number;
  /** how far the database's clock is ahead of the store's, hours */
  ahead: number;
  timelines: Catalog['timelines'];
  bases: (CatalogBase & { storedAtHour: number; lockedUntilHour: number })[];
  slices: Slice[];
  holds: RetentionFacts['holds'][number][];
  proved: RetentionFacts['proved'];
}

const beginMs = Date.parse('2026-01-01T00:00:00.000Z');
const timeAt = (hour: number): string => new Date(beginMs + hours(hour)).toISOString();

class Life {
  readonly random: () => number;
  readonly world: World;
  #written = 0;

  constructor(seed: number) {
    this.random = randomOf(seed);
    this.world = { now: 0, ahead: this.pick([0, 0, 6, -6]), timelines: [timelineOf(1, timeAt(0))], bases: [], slices: [], holds: [], proved: null };
  }

  pick = <T>(of: readonly T[]): T => of[Math.floor(this.random() * of.length)]!;
  below = (n: number): number => Math.floor(this.random() * n);
  /** a position of the database's log at an hour of the store */
  at = (hour: number): LogPosition => logPosition(Math.max(0, beginMs / 1000 + Math.round((hour + this.world.ahead) * 3600)), 1);

  /** The system lives on for some hours: log, holes, bases, now and then a recovery. */
  live(forHours: number): void {
    const { world } = this;
    const end = world.now + forHours;
    while (world.now < end) {
      const step = 1 + this.below(8);
      const timeline = world.timelines.at(-1)!.timeline;
      const what = this.random();
      if (what < 0.85) world.slices.push(this.#slice(timeline, world.now, world.now + step));
      else if (what > 0.985 && world.timelines.length < 3) this.#recover(timeline);
      world.now += step;
      if (this.random() < 0.25) world.bases.push(this.#base(world.timelines.at(-1)!.timeline, world.now));
    }
  }

  #slice(timeline: string, fromHour: number, toHour: number): Slice {
    const [from, to] = [this.at(fromHour), this.at(toHour)];
    // Sometimes the archive was far behind.
    return { timeline, key: `${from}_${to}`, from, to, bytes: 10, storedAtHour: toHour + (this.random() < 0.1 ? this.below(30) : 0) };
  }

  #base(timeline: string, hour: number): World['bases'][number] {
    const exact = this.random() < 0.6;
    const mark: PointMark | undefined = this.random() < 0.1 ? { doubt: { is: this.pick(['suspect', 'bad'] as const), by: 'dana', at: timeAt(hour), reason: 'test' } } : this.random() < 0.05 ? { hold: { by: 'dana', at: timeAt(hour), reason: 'a court asks for it' } } : undefined;
    this.#written += 1;
    return {
      ...base(0), timeline, backup: `b${String(this.#written).padStart(4, '0')}`, exact, start: this.at(hour - (exact ? 0 : 1)), logFrom: this.at(hour - (exact ? 0 : 1) - this.below(3)), end: this.at(hour),
      storedBytes: 100, storedAtHour: hour + 0.5, lockedUntilHour: this.random() < 0.5 ? hour + 24 : 0, ...(mark ? { mark } : {}),
    };
  }

  #recover(timeline: string): void {
    const { world } = this;
    const last = world.slices.filter((slice) => slice.timeline === timeline).map(({ to }) => to).sort().at(-1);
    const number = world.timelines.length + 1;
    world.timelines.push(timelineOf(number, timeAt(world.now), last === undefined ? null : { timeline, limit: nextLogPosition(last) }));
  }

  /** Runs come and go, and one proves what it restored. */
  people(): void {
    const { world } = this;
    if (world.bases.length === 0) return;
    const chosen = this.pick(world.bases);
    const chain = { timeline: chosen.timeline, backup: chosen.backup, from: chosen.logFrom, limit: nextLogPosition(chosen.end) };
    world.holds = this.random() < 0.3 ? [{ run: 'run-1', why: '', ...chain }] : [];
    if (this.random() < 0.3) world.proved = { run: 'drill-1', at: timeAt(world.now), ...chain };
  }

  rules(): RetentionRules {
    const maybe = <T>(chance: number, value: T): T | undefined => (this.random() < chance ? value : undefined);
    return rulesSchema.parse({
      every: maybe(0.3, this.pick(['12h', '5d'])), daily: maybe(0.7, this.pick(['7d', 5])), weekly: maybe(0.5, this.pick(['28d', 2])), monthly: maybe(0.3, '365d'),
      log: maybe(0.8, this.pick(['24h', '72h', '7d'])), atLeast: 1 + this.below(3), atMost: maybe(0.3, this.pick(['300B', '1000B'])),
    });
  }
}

function catalogIn({ timelines, bases, slices }: World): Catalog {
  const spans = timelines.flatMap(({ timeline }) => {
    const cover = coverSlices<Slice>();
    const grow = spanBuilder(timeline);
    const sorted = slices.filter((slice) => slice.timeline === timeline).sort((a, b) => a.key.localeCompare(b.key));
    const chosen = [...sorted.flatMap((slice) => cover.add(slice)), ...cover.end()].flatMap((event) => ('chosen' in event ? [event.chosen] : []));
    return [...chosen.flatMap((slice) => { const closed = grow.add(slice); return closed ? [{ ...closed }] : []; }), ...(grow.end() ? [grow.end()!] : [])];
  });
  return catalogOf({ timelines, bases, spans });
}

function factsOf(world: World, rules: RetentionRules): RetentionFacts {
  const recent = world.slices.filter(({ storedAtHour }) => rules.log !== undefined && hours(world.now - storedAtHour) <= rules.log);
  const recentLogFrom: Record<string, LogPosition> = {};
  for (const { timeline, from } of recent) if (recentLogFrom[timeline] === undefined || from < recentLogFrom[timeline]) recentLogFrom[timeline] = from;
  return {
    now: timeAt(world.now), catalog: catalogIn(world), imports: [], recentLogFrom, holds: world.holds, proved: world.proved, unfinished: [],
    stored: Object.fromEntries(world.bases.map(({ backup, storedAtHour, lockedUntilHour }) => [backup, { at: timeAt(storedAtHour), lockedUntil: lockedUntilHour > world.now ? timeAt(lockedUntilHour) : null }])),
  };
}

/** In the order in which it is carried out: manifests, then log by a plan that is made anew, oldest first. @returns whether it was killed before its end. */
function carryOut(world: World, approved: RetentionPlan, rules: RetentionRules, steps: number): boolean {
  let left = steps;
  const now = planRetention(factsOf(world, rules), rules);
  const going = (plan: RetentionPlan): Set<string> => new Set(plan.bases.filter(({ goes }) => goes).map(({ backup }) => backup));
  const both = [...going(approved)].filter((backup) => going(now).has(backup));
  for (const backup of both) {
    if (left-- <= 0) return true;
    world.bases = world.bases.filter((one) => one.backup !== backup);
  }
  const after = planRetention(factsOf(world, rules), rules);
  for (const slice of [...world.slices].sort((a, b) => a.key.localeCompare(b.key))) {
    if (!mayGo([approved, after], slice.timeline, slice)) continue;
    if (left-- <= 0) return true;
    world.slices = world.slices.filter((one) => one !== slice);
  }
  return false;
}

function outcome(catalog: Catalog, target: RecoveryTarget, now: string): { limit: LogPosition } | { type: string } {
  try {
    const { limit } = findRecoveryPoint(catalog, target, { now });
    return { limit };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { type: error.type };
  }
}

const gone = (plan: RetentionPlan, { slices }: World): string[] => [
  ...plan.bases.filter(({ goes }) => goes).map(({ backup }) => backup),
  ...slices.filter((slice) => whySliceStays(plan, slice.timeline, slice).length === 0).map(({ key }) => key),
];

const copy = (world: World): World => structuredClone(world);

/** Nothing that a recovery point needs that the plan keeps, or that the window holds, is gone. */
function checkKept(before: World, after: World, plan: RetentionPlan, rules: RetentionRules, life: Life): void {
  const now = timeAt(before.now + 48);
  const [was, is] = [catalogIn(before), catalogIn(after)];
  for (const { backup, goes } of plan.bases) {
    if (!goes) assert.deepEqual(outcome(is, { point: backup }, now), outcome(was, { point: backup }, now), `base ${backup} stays, and is restored as before`);
  }
  assert.deepEqual(outcome(is, {}, now), outcome(was, {}, now), 'the latest is what it was');
  const window = (rules.log ?? 0) / hours(1);
  for (let n = 0; n < 12; n += 1) {
    const targetPosition = life.at(before.now - life.random() * window);
    for (const timeline of [undefined, ...before.timelines.map((one) => one.timeline)]) {
      const target = { targetPosition, ...(timeline ? { timeline } : {}) };
      const found = outcome(was, target, now);
      // One that is short of it, of a timeline that ended before the window, is no moment of the window.
      if ('limit' in found && found.limit > life.at(before.now - window)) assert.deepEqual(outcome(is, target, now), found, `a moment of the window: ${targetPosition} of ${timeline ?? 'the newest'}`);
    }
  }
  const has = (backup: string): boolean => after.bases.some((one) => one.backup === backup);
  for (const one of before.bases) if (one.mark?.hold || one.lockedUntilHour > before.now) assert.ok(has(one.backup), `${one.backup} is held or locked`);
  for (const { timeline, backup, from, limit } of [...before.holds, ...(before.proved ? [before.proved] : [])]) {
    assert.equal(has(backup), before.bases.some((one) => one.backup === backup), `${backup} is read or proved`);
    const needed = ({ slices }: World): string[] => slices.filter((slice) => slice.timeline === timeline && slice.to > from && nextLogPosition(slice.from) < limit).map(({ key }) => key);
    assert.deepEqual(needed(after), needed(before), `the log that ${backup} is read or proved with`);
  }
}

test('whatever lies in a store, and wherever retention is killed: nothing that a kept recovery point needs is gone, and what was begun is finished', () => {
  let basesGone = 0;
  let slicesGone = 0;
  let kills = 0;
  for (const seed of seeds) {
    const life = new Life(seed);
    life.live(100 + life.below(900));
    // Sometimes nothing has been written for longer than any rule keeps log.
    if (life.random() < 0.2) life.world.now += life.below(600);
    const rules = life.rules();
    for (let round = 0; round < 3; round += 1) {
      life.people();
      const plan = planRetention(factsOf(life.world, rules), rules);
      // People looked at it for a while.
      if (life.random() < 0.3) life.live(life.below(30));
      const before = copy(life.world);
      const stillGoing = planRetention(factsOf(before, rules), rules);
      const killed = carryOut(life.world, plan, rules, life.random() < 0.5 ? life.below(30) : Infinity);
      try {
        checkKept(before, life.world, stillGoing, rules, life);
        if (!killed && plan.at === stillGoing.at) assert.deepEqual(gone(planRetention(factsOf(life.world, rules), rules), life.world), [], 'nothing is left to do');
        if (killed) {
          const rest = planRetention(factsOf(life.world, rules), rules);
          const restGoes = gone(rest, life.world);
          for (const one of restGoes) assert.ok(gone(stillGoing, before).includes(one), `${one} goes after the kill, and did not before`);
          if (plan.at === stillGoing.at) {
            carryOut(life.world, rest, rules, Infinity);
            const uninterrupted = copy(before);
            carryOut(uninterrupted, plan, rules, Infinity);
            assert.deepEqual(catalogIn(life.world), catalogIn(uninterrupted), 'the end is the same as without the kill');
          }
        }
      } catch (error) {
        throw new Error(`HOLDFAST_SEED=${seed}, round ${round}: ${(error as Error).message}`, { cause: error });
      }
      basesGone += before.bases.length - life.world.bases.length;
      slicesGone += before.slices.length - life.world.slices.length;
      kills += killed ? 1 : 0;
      life.live(life.below(200));
    }
  }
  if (seeds.length > 1) assert.ok(basesGone > 500 && slicesGone > 500 && kills > 50, `too little happened: ${basesGone} bases, ${slicesGone} slices, ${kills} kills`);
});
