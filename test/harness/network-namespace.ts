import { runTool } from '../../activities/tool/run-tool.ts';
import type { Owner } from './cleanup.ts';
import { skipWithout } from './required-parts.ts';

/** A machine of its own as far as the network goes, behind a cable that can be pulled. */
export interface Machine {
  /** its address, as we reach it while the cable is in */
  host: string;
  /** a program and its arguments, to be run there */
  inside(program: string, args: readonly string[]): { program: string; args: string[] };
  pullCable(): Promise<void>;
  plugIn(): Promise<void>;
}

const ip = { path: '/usr/sbin/ip' };
const run = async (...args: string[]): Promise<unknown> => await runTool(ip, args, { timeoutMs: 10_000 });

/** @returns a reason where no network namespace can be made here; undefined where one can. */
export async function whyNoMachine(): Promise<string | undefined> {
  const name = `hf-probe-${process.pid}`;
  try {
    await run('netns', 'add', name);
    await run('netns', 'del', name);
    return undefined;
  } catch (error) {
    return skipWithout('network-namespace', `no network namespace can be made here: ${(error as Error).message.split('\n')[0]}`);
  }
}

export async function startMachine(owner: Owner): Promise<Machine> {
  const name = `hf-${process.pid}`;
  const [ours, theirs] = [`hf${process.pid}a`, `hf${process.pid}b`];
  const net = `10.213.${process.pid % 250}`;
  owner.after(async () => {
    await run('route', 'del', 'unreachable', `${net}.2`).catch(() => undefined);
    // One end of a cable takes the other with it.
    await run('link', 'del', ours).catch(() => undefined);
    await run('netns', 'del', name).catch(() => undefined);
  });
  await run('netns', 'add', name);
  await run('link', 'add', ours, 'type', 'veth', 'peer', 'name', theirs, 'netns', name);
  await run('addr', 'add', `${net}.1/24`, 'dev', ours);
  await run('link', 'set', ours, 'up');
  await run('-n', name, 'addr', 'add', `${net}.2/24`, 'dev', theirs);
  await run('-n', name, 'link', 'set', theirs, 'up');
  await run('-n', name, 'link', 'set', 'lo', 'up');
  return {
    host: `${net}.2`,
    inside: (program, args) => ({ program: ip.path, args: ['netns', 'exec', name, program, ...args] }),
    pullCable: async () => {
      await run('link', 'set', ours, 'down');
      // Or a gateway that knows no better would answer in its name.
      await run('route', 'add', 'unreachable', `${net}.2`);
    },
    plugIn: async () => {
      await run('route', 'del', 'unreachable', `${net}.2`);
      await run('link', 'set', ours, 'up');
    },
  };
}
