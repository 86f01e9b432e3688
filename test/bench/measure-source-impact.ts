import { readFileSync } from 'node:fs';
import { ulid } from 'ulid';
import { runTool } from '../../activities/tool/run-tool.ts';
import { lineOf, type BenchLine } from './line.ts';
import { backUp } from './ours.ts';
import { dumpTool, dumpToStore, missing } from './peers.ts';
import { childrenOf } from './process-figures.ts';
import { percentile, race, type Contender } from './race.ts';
import type { Stages } from './stages.ts';
import type { World } from './world.ts';
import { writeBeside } from './write-beside.ts';

/**
 * What an application feels: the 99th percentile of its writes' latency while a backup runs, and while none does. The backup is begun
 * again until the writer is through. Measured twice: with all on the same processors, where a backup and an S3 server take them from the
 * source, which a real one does not have beside it; and with half of them for the source and its application alone, so that what is left is
 * what the reading itself costs.
 */
export async function measureSourceImpact(stages: Stages): Promise<BenchLine[]> {
  const { world } = stages;
  const { bytes } = await stages.data();
  const shared = await compare(world, bytes, 'p99 of writes during a backup on the same processors');
  const processors = ownProcessors();
  if (processors.length < 2) {
    world.options.say('one processor: there is none that a source could have to itself');
    return [shared];
  }
  const half = processors.length >> 1;
  const [sources, others] = [processors.slice(0, half), processors.slice(half)];
  try {
    await pin([process.pid, ...childrenOf(process.pid)], others);
    await pin([world.source.pid], sources);
    return [shared, await compare(world, bytes, `p99 of writes during a backup on other processors (${sources.length} for the source and who writes, ${others.length} for the rest)`, sources)];
  } finally {
    await pin([process.pid, ...childrenOf(process.pid)], processors);
  }
}

/** Those that this process may run on. @source Linux manual, proc_pid_status(5), Cpus_allowed_list */
function ownProcessors(): number[] {
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))!;
  return list!.split(',').flatMap((range) => {
    const [first, last] = range.split('-').map(Number);
    return Array.from({ length: (last ?? first!) - first! + 1 }, (_, at) => first! + at);
  });
}

/** All threads of each, and what they start from now on. One that has ended meanwhile needs no place. */
async function pin(pids: readonly number[], processors: readonly number[]): Promise<void> {
  for (const pid of pids) {
    await runTool({ path: 'taskset' }, ['--all-tasks', '--cpu-list', '--pid', processors.join(), String(pid)]).catch((error: unknown) => {
      if (childrenOf(process.pid).includes(pid)) throw error;
    });
  }
}

/** @param processors - of who writes; left out: those of everything else. */
async function compare(world: World, bytes: number, of: string, processors?: readonly number[]): Promise<BenchLine> {
  const { quick, rounds, say } = world.options;
  const plan = quick ? { rate: 100, seconds: 2, together: 1 } : { rate: 500, seconds: 8, together: 1 };
  const during = (name: string, work?: () => Promise<unknown>): Contender => ({
    name,
    run: async () => {
      let writing = true;
      const written = writeBeside(world, plan, processors).finally(() => (writing = false));
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
  const head = { bench: 'source-impact', of, bytes, entries: 0, idleMs: idle!.medianMs, atMostOverIdle: 0.2 };
  return peers ? lineOf({ ...head, note }, taken!, { name: peer.name, result: peers }) : lineOf({ ...head, note: `${note}; ${missing('mongodump')}` }, taken!);
}
