import { accessSync, constants, readlinkSync, rmSync } from 'node:fs';
import { lstat, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { minutes } from '../../workflows/domain/units.ts';
import { signalGroup, startTimeOf } from './process-group.ts';

/**
 * Files that a program reads its secrets from: a directory of their own (0700) for each run of a program, the files in it 0600, in memory
 * (`/dev/shm`) where the machine has that.
 *
 * | killed | left behind | removed by |
 * |---|---|---|
 * | before the program runs | the directory | the next sweep: `.owner.json` names a process that is gone (or is missing, for a minute) |
 * | while it runs | directory, program | the shell beside the program, at once: see `startStream`; if that was killed too, the next sweep |
 * | while it is removed | some of it | the next sweep |
 */
export interface PrivateDirectory {
  path: string;
  /** Says which group of processes works with it, so that a sweep can end that first. */
  noteGroup(pid: number): Promise<void>;
  remove(): Promise<void>;
}

interface Owner {
  pid: number;
  startTime: string;
  /** processes of another container cannot be seen: theirs is left alone */
  namespace: string;
  group?: { pid: number; startTime: string };
}

/** An orderly end of this process, as when its worker is gone, kills the group and with it the shell that would remove them. */
const ours = new Set<string>();
process.on('exit', () => {
  for (const path of ours) rmSync(path, { recursive: true, force: true });
});

const prefix = 'holdfast-private-';
const inMemory = '/dev/shm';

/** Where private directories lie on this machine. */
export function privateRoot(): string {
  try {
    accessSync(inMemory, constants.W_OK);
    return inMemory;
  } catch {
    return tmpdir();
  }
}

/** Makes a private directory, and removes those whose owner is gone. @param files - name to content; a line end is added. */
export async function makePrivateDirectory(files: Readonly<Record<string, string>>): Promise<PrivateDirectory> {
  await sweepPrivateDirectories();
  const path = await mkdtemp(join(privateRoot(), prefix));
  ours.add(path);
  const owner: Owner = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '', namespace: pidNamespace() };
  // Never half of it: a sweep takes what it cannot read for nobody's.
  const write = async (body: Owner): Promise<void> => {
    await writeFile(join(path, `${ownerFile}.new`), JSON.stringify(body), { mode: 0o600 });
    await rename(join(path, `${ownerFile}.new`), join(path, ownerFile));
  };
  // Before anything secret: from here on whoever sweeps knows whose it is.
  await write(owner);
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content.endsWith('\n') ? content : `${content}\n`, { mode: 0o600, flag: 'wx' });
  return {
    path,
    noteGroup: async (pid) => {
      await write({ ...owner, group: { pid, startTime: startTimeOf(pid) ?? '' } }).catch((error: unknown) => {
        // The program has ended already, and the shell beside it has removed the directory.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      });
    },
    remove: async () => {
      await rm(path, { recursive: true, force: true });
      ours.delete(path);
    },
  };
}

/** Not a name that a file of a system file may have. */
const ownerFile = '.owner.json';

/**
 * Ends what still works with a private directory whose owner is gone, and removes it. Safe to repeat, and beside others.
 * Called before every run of a program: two restores into one target must not meet.
 */
export async function sweepPrivateDirectories(): Promise<void> {
  const root = privateRoot();
  for (const name of await readdir(root)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(root, name);
    const stat = await lstat(path).catch(() => undefined);
    if (!stat?.isDirectory() || stat.uid !== process.getuid?.()) continue;
    const owner = await readOwner(path);
    if (owner ? !isGone(owner) : Date.now() - stat.mtimeMs < minutes(1)) continue;
    const group = owner?.group;
    if (group && startTimeOf(group.pid) === group.startTime) signalGroup(group.pid, 'SIGKILL');
    await rm(path, { recursive: true, force: true });
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(join(path, ownerFile), 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

const isGone = ({ pid, startTime, namespace }: Owner): boolean => namespace === pidNamespace() && startTimeOf(pid) !== startTime;

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
