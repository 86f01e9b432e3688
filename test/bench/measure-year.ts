import type { Owner } from '../harness/cleanup.ts';
import { Life, live, openLife, type Run } from '../workflows/long-life.ts';
import type { AloneOptions, Figure } from './figures.ts';

/** A year that the clock skips, of what lives long: an archive with faults in each day, one whose round never ends, and an incident that everybody forgot. */
const bench = 'year';

function figuresOf(what: string, month: readonly Run[], year: readonly Run[]): Figure[] {
  const most = (runs: readonly Run[], of: 'events' | 'bytes' | 'carriedBytes'): number => Math.max(...runs.map((run) => run[of]));
  const firstMonth = `after the first month: ${most(month, 'events')} events, ${(most(month, 'bytes') / 1024).toFixed(0)} KiB`;
  return [
    { bench, of: `${what}: runs, each continued as new`, value: year.length },
    { bench, of: `${what}: events of a run, at most`, value: most(year, 'events'), note: firstMonth },
    { bench, of: `${what}: history of a run, at most`, value: most(year, 'bytes') / 1024, unit: 'KiB' },
    { bench, of: `${what}: carried over from run to run, at most`, value: most(year, 'carriedBytes') / 1024, unit: 'KiB', note: `in the first month ${(most(month, 'carriedBytes') / 1024).toFixed(2)} KiB, by the last run ${(year.at(-1)!.carriedBytes / 1024).toFixed(2)} KiB` },
  ];
}

export async function measureYear(owner: Owner, { quick, say }: AloneOptions): Promise<Figure[]> {
  const [monthDays, days] = quick ? [1, 2] : [30, 365];
  const figures: Figure[] = [];
  const startedMs = performance.now();
  for (const [what, begin] of [
    ['archive', (lab) => Life.archive(lab, 'documents')],
    ['archive whose round never ends', (lab) => Life.archive(lab, 'hung')],
    ['forgotten incident', Life.incident],
  ] satisfies [string, (lab: Awaited<ReturnType<typeof openLife>>) => Promise<Life>][]) {
    const begunMs = performance.now();
    const lab = await openLife(owner);
    const life = await begin(lab);
    await live(lab, monthDays, [life]);
    const month = [...life.runs];
    await live(lab, days - monthDays, [life]);
    say(`  ${what}: ${days} days in ${((performance.now() - begunMs) / 1000).toFixed(0)} s`);
    figures.push(...figuresOf(what, month, life.runs));
  }
  figures.push({ bench, of: 'simulated days, of each', value: days, note: `in ${((performance.now() - startedMs) / 1000).toFixed(0)} s` });
  return figures;
}
