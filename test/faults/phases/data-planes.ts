import type { Bench } from '../bench.ts';
import { until } from '../../harness/until.ts';

const dataPlanesOf = (bench: Bench, job: string): number[] =>
  bench.stack.dataPlanes().filter(({ argv }) => argv.some((argument) => argument.endsWith(` ${job}`))).map(({ pid }) => pid);

/** Whether a process of the data plane does this job now: its title says which. */
export const isAtWork = (bench: Bench, job: string): boolean => dataPlanesOf(bench, job).length > 0;

/** The one process of the data plane that does this job. */
export async function dataPlaneOf(bench: Bench, job: string): Promise<number> {
  return await until(`one data plane of ${job}`, () => {
    const pids = dataPlanesOf(bench, job);
    return pids.length === 1 ? pids[0] : undefined;
  });
}
