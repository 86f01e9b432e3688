import { accessSync, constants, cpSync, existsSync, lchownSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';

/** Whom a program runs as that refuses root. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/**
 * PostgreSQL refuses to serve, and to make a data directory, as root. As root we run it as `postgres`, or `nobody` where no such account is; undefined
 * when we are somebody else: then it runs as us.
 * @throws TargetUnavailable - root, and neither account
 */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find(([one]) => one === name) ?? [];
    if (Number(uid) > 0) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new HoldfastError('TargetUnavailable', 'PostgreSQL does not run as root, and /etc/passwd has neither an account postgres nor nobody', { hint: 'make an account postgres, or run Holdfast as somebody else than root' });
}

/** The first directory on the way to a path that is closed to the account; undefined when it gets there. */
export function closedTo(account: Account | undefined, path: string): string | undefined {
  if (!account) return undefined;
  const parents: string[] = [];
  for (let one = dirname(path); one !== dirname(one); one = dirname(one)) parents.unshift(one);
  return parents.find((directory) => existsSync(directory) && !mayPass(account, directory));
}

function mayPass({ uid, gid }: Account, directory: string): boolean {
  const { uid: owner, gid: group, mode } = statSync(directory);
  const bit = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001;
  return (mode & bit) !== 0;
}

/** @throws TargetUnavailable - the account could not work in the directory; names what is closed. */
export function requireReach(account: Account | undefined, directory: string): void {
  const closed = closedTo(account, join(directory, 'data'));
  if (closed === undefined || closed === directory) return;
  throw new HoldfastError('TargetUnavailable', `PostgreSQL runs as ${account!.name} here, because Holdfast runs as root, and ${closed} is closed to that account: it cannot serve from ${directory}`, {
    hint: `name a directory that ${account!.name} reaches, such as one below /var/lib, or run Holdfast as somebody else than root`,
  });
}

/**
 * The program itself where the account reaches it; else a copy of its whole installation in `into` (a clone in root's home is closed to everybody else).
 * Safe to repeat: a copy is there whole or not at all.
 */
export function reachableProgram(account: Account | undefined, program: string, into: string): string {
  if (closedTo(account, program) === undefined) return program;
  const installation = dirname(dirname(program));
  const copy = join(into, basename(installation));
  if (!existsSync(copy)) {
    rmSync(`${copy}.new`, { recursive: true, force: true });
    cpSync(installation, `${copy}.new`, { recursive: true, verbatimSymlinks: true });
    renameSync(`${copy}.new`, copy);
  }
  const copied = join(copy, 'bin', basename(program));
  accessSync(copied, constants.X_OK);
  return copied;
}

/** Gives a file or directory, with all that it holds, to the account; links are not followed. Safe to repeat. */
export function giveTo(account: Account | undefined, path: string): void {
  if (!account) return;
  lchownSync(path, account.uid, account.gid);
  if (!lstatSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    lchownSync(join(entry.parentPath, entry.name), account.uid, account.gid);
  }
}
