import { shuffle } from '../faults/choose.ts';

/**
 * Tests with very many cases of one thing take a sample of them, by a seed that they print: HOLDFAST_SEED gives it again, and HOLDFAST_WHOLE=1 takes all. It is drawn once for all that this process
 * starts, so a file that failed and is run again meets the same cases; under a name of its own, since some tests try one seed where HOLDFAST_SEED gives it, and many where it does not.
 */
export const isWhole = process.env['HOLDFAST_WHOLE'] === '1';
export const sampleSeed = Number(process.env['HOLDFAST_SEED'] ?? (process.env['HOLDFAST_DRAWN_SEED'] ??= String(Math.floor(Math.random() * 2 ** 31))));
/** For the name of a test. */
export const sampleName = isWhole ? 'all cases' : `a sample, HOLDFAST_SEED=${sampleSeed}`;

/**
 * `count` of the cases, in their own order; more where each kind would not be among them.
 * @param kindsOf - what a case is one of: each of these is in the sample.
 */
export function sampleOf<T>(cases: readonly T[], count: number, kindsOf: (one: T) => readonly string[]): T[] {
  if (isWhole) return [...cases];
  const shuffled = shuffle(cases, sampleSeed);
  const kinds = new Set<string>();
  const needed = shuffled.filter((one) => {
    const isNew = kindsOf(one).some((kind) => !kinds.has(kind));
    for (const kind of kindsOf(one)) kinds.add(kind);
    return isNew;
  });
  const chosen = new Set([...needed, ...shuffled.filter((one) => !needed.includes(one)).slice(0, Math.max(0, count - needed.length))]);
  return cases.filter((one) => chosen.has(one));
}
