import { join } from 'node:path';
import { startTool } from '../../activities/tool/run-tool.ts';
import type { World } from './world.ts';

export interface Written {
  /** of each command, in milliseconds from the moment it was due */
  tookMs: number[];
  writes: number;
  elapsedMs: number;
}

/** The writer in a process of its own, for `seconds`. */
export async function writeBeside(world: World, plan: { rate: number; seconds: number; together: number }): Promise<Written> {
  const args = [join(import.meta.dirname, 'writer.ts'), world.source.uri, ...[plan.rate, plan.seconds, plan.together].map(String)];
  const { stdout } = await startTool('node', args, { input: '', collectStdout: true }).done;
  return JSON.parse(stdout) as Written;
}
