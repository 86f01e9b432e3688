import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toolsDirectory } from '../../activities/tool/find-tool.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { skipWithout } from './required-parts.ts';

/**
 * A Python with what a requirements file names, in a virtual environment of its own beside the tools; made once.
 * @param name - of the environment, for people. @returns its path, or why there is none: the packages want Python 3.10 with venv.
 */
export async function pythonWith(name: string, requirements: string): Promise<{ path: string } | { missing: string }> {
  const stamp = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const home = join(toolsDirectory(), `${name}-${stamp}`);
  const path = join(home, 'bin', 'python3');
  if (existsSync(join(home, 'whole'))) return { path };
  const python = { path: '/usr/bin/env' };
  const wanted = await runTool(python, ['python3', '-c', 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))']).then(() => true, () => false);
  if (!wanted) return { missing: skipWithout('python3-venv', `the packages of ${name} want Python 3.10 or newer with venv`) };
  rmSync(home, { recursive: true, force: true });
  mkdirSync(toolsDirectory(), { recursive: true });
  await runTool(python, ['python3', '-m', 'venv', home]);
  await runTool({ path }, ['-m', 'pip', 'install', '--require-hashes', '--only-binary=:all:', '--quiet', '--disable-pip-version-check', '-r', requirements]);
  // Last, by one rename: an installation that was interrupted is never taken for a whole one.
  writeFileSync(join(home, 'whole.new'), '');
  renameSync(join(home, 'whole.new'), join(home, 'whole'));
  return { path };
}
