import type { Owner } from '../harness/cleanup.ts';
import type { Lab } from '../workflows/lab.ts';
import { breachesOf, Life, live, openLife, type boundsOf, type LifeOptions, type Run } from '../workflows/long-life.ts';
import type { AloneOptions, Figure } from './figures.ts';
import { memoryMib } from './process-figures.ts';

/**
 * A year that the clock skips, of what lives long: an archive with elections, failures and gaps in it, and an incident that everybody forgot. The look whether an archive is late, every
 * five minutes, is five sixths of what there is to do for an archive: a week of it, of one that goes on and of one whose round never ends, say what a run of it comes to.
 *
 * It fails where a run, or their number, is out of its bounds (long-life.ts), where an archive carries more over than in its first days, and where the worker's memory grows: by then
 * all figures are written.
 */
const bench = 'year';

interface Span {
  days: number;
  /** what is measured after so many is set beside what is at the end */
  firstDays: number;
  /** the worker's memory is held against what it was after the first days: of the span that lasts longest, when all else has begun by then */
  memory?: boolean;
}

function figuresOf(what: string, { firstDays, days }: Span, first: readonly Run[], all: readonly Run[]): Figure[] {
  const most = (runs: readonly Run[], of: 'events' | 'bytes' | 'carriedBytes'): number => Math.max(...runs.map((run) => run[of]));
  return [
    { bench, of: `${what}: runs, each continued as new`, value: all.length, note: `${days} days` },
    { bench, of: `${what}: events of a run, at most`, value: most(all, 'events'), note: `in the first ${firstDays} days ${most(first, 'events')}` },
    { bench, of: `${what}: history of a run, at most`, value: most(all, 'bytes') / 1024, unit: 'KiB', note: `in the first ${firstDays} days ${(most(first, 'bytes') / 1024).toFixed(0)} KiB` },
    { bench, of: `${what}: carried over from run to run, at most`, value: most(all, 'carriedBytes') / 1024, unit: 'KiB', note: `in the first ${firstDays} days ${(most(first, 'carriedBytes') / 1024).toFixed(2)} KiB, by the last run ${(all.at(-1)!.carriedBytes / 1024).toFixed(2)} KiB` },
  ];
}

type Begun = Record<string, { as: keyof typeof boundsOf; begin: (lab: Lab) => Promise<Life> }>;

/** Numbers of hours grow longer. */
const spareBytes = 64;

/** Between the first days and the last: what a worker keeps of each workflow that has ended would be many times that. */
const growthMib = 256;

function breached(what: string, as: keyof typeof boundsOf, { firstDays, days }: Span, first: readonly Run[], all: readonly Run[]): string[] {
  const carried = (runs: readonly Run[]): number => Math.max(...runs.map(({ carriedBytes }) => carriedBytes));
  // A journal grows, up to its bound; what an archive knows does not, once its first days have had all of it: late, refused, behind a gap.
  const grows = as !== 'incident' && firstDays >= 30 && carried(all) > carried(first) + spareBytes ? [`it carries ${carried(all)} bytes over, and ${carried(first)} in its first days`] : [];
  return [...breachesOf(as, all, days), ...grows].map((line) => `${what}: ${line}`);
}

export async function measureYear(owner: Owner, { quick, say, partly }: AloneOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  const wrong: string[] = [];
  const measure = async (span: Span, options: LifeOptions, begun: Begun): Promise<void> => {
    const { firstDays, days, memory } = span;
    const begunMs = performance.now();
    const lab = await openLife(owner, options);
    const lives = new Map<string, Life>();
    for (const [what, { begin }] of Object.entries(begun)) lives.set(what, await begin(lab));
    let earlyMib = 0;
    const first = new Map<string, Run[]>();
    for (let day = 0; day < days; ) {
      const next = Math.min(day + firstDays, days);
      await live(lab, next - day, [...lives.values()]);
      day = next;
      say(`  ${[...lives.keys()].join(', ')}: ${day} of ${days} days in ${((performance.now() - begunMs) / 1_000).toFixed(0)} s`);
      // What the stubs were asked is the lab's to remember, and no part of what is measured.
      lab.stubs.calls.length = 0;
      if (first.size > 0) continue;
      for (const [what, { runs }] of lives) first.set(what, [...runs]);
      earlyMib = memoryMib(process.pid, 'VmRSS');
    }
    const took = performance.now() - begunMs;
    for (const [what, { runs }] of lives) {
      figures.push(...figuresOf(what, { firstDays, days }, first.get(what)!, runs));
      wrong.push(...breached(what, begun[what]!.as, span, first.get(what)!, runs));
    }
    const lateMib = memoryMib(process.pid, 'VmRSS');
    if (memory && lateMib > earlyMib + growthMib) wrong.push(`the worker grew from ${earlyMib.toFixed(0)} to ${lateMib.toFixed(0)} MiB from day ${firstDays} to day ${days}, expected at most ${growthMib} more`);
    if (memory) figures.push({ bench, of: `${[...lives.keys()].join(' and ')}: memory of the worker at the end`, value: lateMib, unit: 'MiB', note: `after ${firstDays} days ${earlyMib.toFixed(0)} MiB; all that this bench runs is in one process` });
    figures.push({ bench, of: `${[...lives.keys()].join(' and ')}: ${days} days, skipped in`, value: took, unit: 'ms' });
    partly(figures);
  };
  const year: Span = quick ? { firstDays: 1, days: 2 } : { firstDays: 30, days: 365 };
  const week: Span = quick ? { firstDays: 1, days: 1 } : { firstDays: 1, days: 7 };
  // Side by side, each on a server of its own: worker and server mostly wait for each other.
  await Promise.all([
    measure(year, { told: true, gapEvery: 7 }, { 'a forgotten incident': { as: 'incident', begin: Life.incident } }),
    measure({ ...year, memory: true }, { told: false, gapEvery: 50 }, { 'an archive': { as: 'archive', begin: async (lab) => await Life.archive(lab, 'documents') } }),
    measure(week, { told: true, gapEvery: 7 }, {
      'an archive that somebody looks after': { as: 'archive', begin: async (lab) => await Life.archive(lab, 'documents') },
      'one whose round never ends': { as: 'hung', begin: async (lab) => await Life.archive(lab, 'hung') },
    }),
  ]);
  if (wrong.length > 0) throw new Error(`out of bounds:\n${wrong.join('\n')}`);
  return figures;
}
