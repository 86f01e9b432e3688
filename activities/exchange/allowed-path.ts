import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize, relative } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { SourceContext } from '../context.ts';

/**
 * Whoever may start a workflow may name a path, and must not be able to read or write just anything that the worker can.
 * So a path lies in one of the directories of `exchange.directories`, by its name and by what its name leads to: one that
 * is outside by name is refused without being looked at, so nobody learns whether it is there.
 */
type Context = Pick<SourceContext, 'system' | 'address'>;

/**
 * The real path of a dump that may be read.
 * @throws BadInput - outside of the allowed directories, by name or through a symbolic link; or there is nothing.
 */
export async function allowedDump(context: Context, path: string): Promise<string> {
  const roots = await allowedRoots(context, path);
  const real = await realpath(path).catch((error: unknown) => {
    if (!isMissing(error)) throw unreadable(path, error);
    throw new HoldfastError('BadInput', `${path}: expected a dump, found nothing`, { hint: 'the path is on the worker’s machine' });
  });
  if (!roots.some((root) => isIn(real, root))) throw leadsOut(context, path);
  return real;
}

/**
 * The real path that may be written to: its directory is there and allowed. What is at the path is not looked at.
 * @throws BadInput - outside of the allowed directories, by name or through a symbolic link; or there is no directory.
 */
export async function allowedTarget(context: Context, path: string): Promise<string> {
  const directory = dirname(normalize(path));
  const roots = await allowedRoots(context, path, directory);
  const real = await realpath(directory).catch((error: unknown) => {
    if (!isMissing(error)) throw unreadable(directory, error);
    throw new HoldfastError('BadInput', `${directory}: expected a directory for the export, found nothing`, { hint: `mkdir -m 700 ${directory}` });
  });
  if (!roots.some((root) => isIn(real, root))) throw leadsOut(context, directory);
  return join(real, basename(normalize(path)));
}

/** Real paths of the allowed directories. @throws BadInput - none is allowed, or `wanted` is in none of them by its name. */
async function allowedRoots(context: Context, path: string, wanted = normalize(path)): Promise<string[]> {
  const directories = allowed(context);
  if (!isAbsolute(path)) throw new HoldfastError('BadInput', `${path}: expected a whole path that begins with /, as the worker sees it`);
  const roots: string[] = [];
  let isInside = false;
  for (const directory of directories) {
    // One that is not there on this machine allows nothing here.
    const real = await realpath(directory).catch(() => undefined);
    if (real !== undefined) roots.push(real);
    isInside ||= [directory, real].some((root) => root !== undefined && isIn(wanted, normalize(root)));
  }
  if (isInside) return roots;
  const where = directories.length === 0 ? 'none' : directories.join(', ');
  throw new HoldfastError('BadInput', `${path}: lies in no directory that ${context.system.system} exchanges dumps in; these are: ${where}`, {
    hint: directories.length === 0
      ? `name directories of the data workers under exchange.directories in systems/${context.system.system}.yaml`
      : `use one of them, or add a directory under exchange.directories in systems/${context.system.system}.yaml`,
  });
}

function allowed(context: Context): string[] {
  return context.system.exchange.directories.map((typed) => {
    const directory = context.address(typed);
    if (isAbsolute(directory)) return directory;
    throw new HoldfastError('BadSystemFile', `exchange.directories: "${typed}" is ${directory}; expected a whole path that begins with /`);
  });
}

const leadsOut = (context: Context, path: string): HoldfastError =>
  new HoldfastError('BadInput', `${path}: leads, by a symbolic link, out of the directories that ${context.system.system} exchanges dumps in`, { hint: 'put the files themselves there' });

/** Whether `path` is `root`, or lies below it; both normalized. */
function isIn(path: string, root: string): boolean {
  const way = relative(root, path);
  return way !== '..' && !way.startsWith('../');
}

export const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

/** What the operating system refuses is no passing trouble. */
export function unreadable(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const why = { EACCES: 'the worker may not read or write it', EPERM: 'the worker may not read or write it', EROFS: 'it lies on a read-only file system', ELOOP: 'its symbolic links go round in a circle', ENOSPC: 'the disk is full', EDQUOT: 'the quota of its disk is used up', ENAMETOOLONG: 'its name is too long' }[code ?? ''];
  return why === undefined ? error : new HoldfastError('BadInput', `${path}: ${why} (${code})`, { cause: error });
}
