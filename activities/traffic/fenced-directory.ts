import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readPidFile, stopByPidFile } from '../tool/start-server.ts';
import { startTimeOf, within } from '../tool/process-group.ts';
import { readMongodConfig, writeMongodConfig, type MongodConfig } from '../provision/mongod-config.ts';
import { readJsonFile, replaceFile } from '../replace-file.ts';

/** The mark that a fence leaves beside the data: who did it, and what was done. */
export interface FenceMark {
  run: string;
  fencedAt: string;
  /** the server was still running when it was fenced, and stepped down */
  steppedDown: boolean;
  /** that it named when it answered: one that is silent since may have left them behind. Left out: it never answered */
  members?: number | undefined;
}

const markFile = (directory: string): string => join(directory, 'FENCED.json');
const configFile = (directory: string): string => join(directory, 'mongod.conf');
const savedConfigFile = (directory: string): string => join(directory, 'mongod.conf.before-fence');
const pidFile = (directory: string): string => join(directory, 'server.pid');

const exists = async (path: string): Promise<boolean> => await stat(path).then(() => true, () => false);

export const readMark = async (directory: string): Promise<FenceMark | undefined> => await readJsonFile(markFile(directory));

/** Says so beside the data before anything is done, so that an undo knows even when the next line never ran. */
export async function writeMark(directory: string, mark: FenceMark): Promise<void> {
  await mkdir(directory, { recursive: true });
  await replaceFile(markFile(directory), `${JSON.stringify(mark, null, 2)}\n`);
}

/**
 * Puts a configuration in place with which the server opens no network port and is member of no replica set: a restart,
 * by a person or at boot, cannot make it a primary again. The old one is kept beside it. Safe to repeat.
 * @returns whether there was a configuration to fence.
 */
export async function fenceConfig(directory: string, mark: FenceMark): Promise<boolean> {
  if (!(await exists(savedConfigFile(directory)))) {
    if (!(await exists(configFile(directory)))) return false;
    await copyFile(configFile(directory), `${savedConfigFile(directory)}.new`);
    await rename(`${savedConfigFile(directory)}.new`, savedConfigFile(directory));
  }
  const { net, replication, ...rest } = (await readMongodConfig(savedConfigFile(directory))) ?? {};
  const fenced: MongodConfig = {
    ...rest,
    // A path instead of an address: mongod then listens on that socket alone.
    net: { ...(net?.port === undefined ? {} : { port: net.port }), bindIp: join(directory, 'fenced.sock') },
  };
  const was = replication?.replSetName ? ` It was a member of ${replication.replSetName}.` : '';
  await writeMongodConfig(configFile(directory), fenced, `Fenced by run ${mark.run} at ${mark.fencedAt}.${was} The old file: ${basename(savedConfigFile(directory))}`);
  return true;
}

/** Gives the old configuration back and takes the mark away. Safe to repeat. */
export async function unfenceConfig(directory: string): Promise<void> {
  if (await exists(savedConfigFile(directory))) await rename(savedConfigFile(directory), configFile(directory));
  await rm(markFile(directory), { force: true });
}

/** The server of this directory: by its pid file, else by a process that was started with a path in the directory. */
export function findServer(directory: string): number | undefined {
  return readPidFile(pidFile(directory))?.pid ?? findByArguments(directory);
}

function findByArguments(directory: string): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.find((pid) => {
    const args = argumentsOf(pid);
    return args[0] !== undefined && basename(args[0]) === 'mongod' && args.some((arg) => arg === directory || arg.includes(`${directory}/`)) && startTimeOf(pid) !== undefined;
  });
}

function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/**
 * Ends the server of this directory and waits until it is gone.
 * @param signal - KILL where TERM cannot be heard: a stopped or hung process.
 * @returns false when it lives on, because it does not end or is not ours to end.
 */
export async function endServer(directory: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<boolean> {
  if (readPidFile(pidFile(directory))) await stopByPidFile(pidFile(directory), signal, 60_000);
  const pid = findByArguments(directory);
  if (pid !== undefined) {
    try {
      process.kill(pid, signal);
    } catch {
      return false;
    }
    await within(60_000, () => startTimeOf(pid) === undefined);
  }
  return findServer(directory) === undefined;
}
