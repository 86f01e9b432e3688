import { ulid } from 'ulid';
import { lineOf, type BenchLine } from './line.ts';
import { backUp } from './ours.ts';
import { dumpTool, dumpToStore, missing } from './peers.ts';
import { percentile, race, type Contender } from './race.ts';
import type { Stages } from './stages.ts';
import { writeBeside } from './write-beside.ts';

/**
 * What an application feels: the 99th percentile of its writes' latency while a backup runs, and while none does. The backup is begun
 * again until the writer is through. Everything shares this machine's processors, which a real source does not share with its backup.
 */
export async function measureSourceImpact(stages: Stages): Promise<BenchLine[]> {
  const { world } = stages;
  const { quick, rounds, say } = world.options;
  const { bytes } = await stages.data();
  const plan = quick ? { rate: 100, seconds: 2, together: 1 } : { rate: 500, seconds: 8, together: 1 };
  const during = (name: string, work?: () => Promise<unknown>): Contender => ({
    name,
    run: async () => {
      let writing = true;
      const written = writeBeside(world, plan).finally(() => (writing = false));
      while (work && writing) await work();
      const { tookMs } = await written;
      return { ms: percentile(tookMs.sort((a, b) => a - b), 0.99), peakRssBytes: null };
    },
  });
  const ours = during('during our backup', async () => await backUp(world));
  const peer = during('during mongodump --gzip', async () => await dumpToStore(world.source, `peer/${ulid()}`));
  const sayMs = (line: string): void => say(line.replace(/([\d.]+) s$/, (_, s: string) => `p99 ${Number(s) * 1000} ms`));
  const [idle, taken, peers] = await race([during('idle'), ours, ...(dumpTool() ? [peer] : [])], rounds, sayMs);
  const note = `p99 when idle: ${idle!.medianMs.toFixed(1)} ms`;
  const head = { bench: 'source-impact', of: 'p99 of writes during a backup', bytes, entries: 0, idleMs: idle!.medianMs, atMostOverIdle: 0.2 };
  return [peers ? lineOf({ ...head, note }, taken!, { name: peer.name, result: peers }) : lineOf({ ...head, note: `${note}; ${missing('mongodump')}` }, taken!)];
}
