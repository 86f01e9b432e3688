import { createHash, randomUUID } from 'node:crypto';
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
  // Test files that want the same at the same time make one each, and the first is kept: nobody sees one that is half made.
  const own = `${home}.${randomUUID()}`;
  mkdirSync(toolsDirectory(), { recursive: true });
  await runTool(python, ['python3', '-m', 'venv', own]);
  await runTool({ path: join(own, 'bin', 'python3') }, ['-m', 'pip', 'install', '--require-hashes', '--only-binary=:all:', '--quiet', '--disable-pip-version-check', '-r', requirements]);
  writeFileSync(join(own, 'whole'), '');
  // One that an earlier set-up left half made is in the way of everybody.
  if (existsSync(home) && !existsSync(join(home, 'whole'))) rmSync(home, { recursive: true, force: true });
  try {
    renameSync(own, home);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
    rmSync(own, { recursive: true, force: true });
  }
  return { path };
}
