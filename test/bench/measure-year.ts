import type { Owner } from '../harness/cleanup.ts';
import type { Lab } from '../workflows/lab.ts';
import { Life, live, openLife, type LifeOptions, type Run } from '../workflows/long-life.ts';
import type { AloneOptions, Figure } from './figures.ts';

/**
 * A year that the clock skips, of what lives long: an archive with elections, failures and gaps in it, and an incident that everybody forgot. The look whether an archive is late, every
 * five minutes, is five sixths of what there is to do for an archive: a week of it, of one that goes on and of one whose round never ends, say what a run of it comes to.
 */
const bench = 'year';

interface Span {
  days: number;
  /** what is measured after so many is set beside what is at the end */
  firstDays: number;
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

type Begun = Record<string, (lab: Lab) => Promise<Life>>;

export async function measureYear(owner: Owner, { quick, say, partly }: AloneOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  const measure = async ({ firstDays, days }: Span, options: LifeOptions, begun: Begun): Promise<void> => {
    const begunMs = performance.now();
    const lab = await openLife(owner, options);
    const lives = new Map<string, Life>();
    for (const [what, begin] of Object.entries(begun)) lives.set(what, await begin(lab));
    const first = new Map<string, Run[]>();
    for (let day = 0; day < days; ) {
      const next = Math.min(day + firstDays, days);
      await live(lab, next - day, [...lives.values()]);
      day = next;
      say(`  ${[...lives.keys()].join(', ')}: ${day} of ${days} days in ${((performance.now() - begunMs) / 1_000).toFixed(0)} s`);
      if (first.size === 0) for (const [what, { runs }] of lives) first.set(what, [...runs]);
    }
    const took = performance.now() - begunMs;
    for (const [what, { runs }] of lives) figures.push(...figuresOf(what, { firstDays, days }, first.get(what)!, runs));
    figures.push({ bench, of: `${[...lives.keys()].join(' and ')}: ${days} days, skipped in`, value: took, unit: 'ms' });
    partly(figures);
  };
  const year: Span = quick ? { firstDays: 1, days: 2 } : { firstDays: 30, days: 365 };
  const week: Span = quick ? { firstDays: 1, days: 1 } : { firstDays: 1, days: 7 };
  // Side by side, each on a server of its own: worker and server mostly wait for each other.
  await Promise.all([
    measure(year, { told: true, gapEvery: 7 }, { 'a forgotten incident': Life.incident }),
    measure(year, { told: false, gapEvery: 50 }, { 'an archive': async (lab) => await Life.archive(lab, 'documents') }),
    measure(week, { told: true, gapEvery: 7 }, {
      'an archive that somebody looks after': async (lab) => await Life.archive(lab, 'documents'),
      'one whose round never ends': async (lab) => await Life.archive(lab, 'hung'),
    }),
  ]);
  return figures;
}
