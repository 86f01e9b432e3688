import { join } from 'node:path';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startTool } from '../../activities/tool/run-tool.ts';
import type { World } from './world.ts';

export interface Written {
  /** of each command, in milliseconds from the moment it was due */
  tookMs: number[];
  writes: number;
  elapsedMs: number;
}

/** The writer in a process of its own, for `seconds`. @param processors - where it runs; left out: where we do. */
export async function writeBeside(world: World, plan: { rate: number; seconds: number; together: number }, processors?: readonly number[]): Promise<Written> {
  const args = [join(import.meta.dirname, 'writer.ts'), world.source.uri, ...[plan.rate, plan.seconds, plan.together].map(String)];
  const options = { input: '', collectStdout: true };
  const tool = processors ? startTool({ path: 'taskset' }, ['--cpu-list', processors.join(), findTool('node'), ...args], options) : startTool('node', args, options);
  const { stdout } = await tool.done;
  return JSON.parse(stdout) as Written;
}
