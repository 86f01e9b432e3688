import type { Bench } from '../bench.ts';
import { until } from '../../harness/until.ts';

/** Notes which processes of the data plane run now; the answer waits for the one that came since, and gives its pid. */
export function watchDataPlanes(bench: Bench): () => Promise<number> {
  const before = new Set(bench.stack.dataPlanes().map(({ pid }) => pid));
  return async () => await until('one data plane more', () => {
    const come = bench.stack.dataPlanes().filter(({ pid }) => !before.has(pid));
    return come.length === 1 ? come[0]!.pid : undefined;
  });
}
