import { createHash, randomBytes } from 'node:crypto';
import { link, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { SourceContext } from '../context.ts';
import { allowedTarget, isMissing, unreadable } from './allowed-path.ts';

/**
 * An export is visible last: it is written under a hidden name beside its own, and gets its own when it is whole.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | while it is written | the hidden file or folder | removes it and begins again under another hidden name |
 * | when it is whole | the same | gives it its name |
 * | after it has its name | the export, for a file also its hidden name | finds it there, removes the hidden name |
 *
 * Each attempt writes under a name of its own: one that was given up and still lives writes into what nobody publishes.
 */
type Context = Pick<SourceContext, 'system' | 'address'>;

export interface Export {
  path: string;
  run: string;
}

/** @returns where this attempt writes. What earlier attempts of the run left is removed. @throws BadInput - not allowed, something is there, or others may read the directory. */
export async function openPartial(context: Context, { path, run }: Export): Promise<string> {
  const target = await allowedTarget(context, path);
  await requireFree(target);
  await requirePrivate(dirname(target));
  await removePartials(dirname(target), run);
  return join(dirname(target), `${prefixOf(run)}${randomBytes(4).toString('hex')}.partial`);
}

/**
 * Gives a whole export its name. Safe to repeat: what has its name already stays.
 * @param partial - file name, as `openPartial` gave it.
 * @throws BadInput - something else is there by now, which is not written over.
 */
export async function publishExport(context: Context, { path, run, partial }: Export & { partial: string }): Promise<void> {
  const target = await allowedTarget(context, path);
  const directory = dirname(target);
  if (!partial.startsWith(prefixOf(run)) || partial.includes('/')) throw new HoldfastError('BadInput', `${partial}: is no export of run ${run}`);
  const written = join(directory, partial);
  const found = await inode(written);
  if (!found) {
    if (await inode(target)) return;
    throw new HoldfastError('BadInput', `${written}: expected the export that was written, found nothing`, { hint: 'export again; with several workers, every one of them must see the directory' });
  }
  // A directory is not renamed over one that holds something, nor over a file; an empty one is asked for first.
  if (found.isDirectory) await requireFree(target);
  await (found.isDirectory ? rename(written, target) : nameFile(written, target, found.id)).catch(async (error: unknown) => {
    await requireFree(target);
    throw unreadable(path, error);
  });
  await sync(directory);
}

/** A link is made only where nothing is, so two exports to one path cannot write over each other. */
async function nameFile(written: string, target: string, id: string): Promise<void> {
  const mine = async (): Promise<boolean> => (await inode(target))?.id === id;
  await link(written, target).catch(async (error: unknown) => {
    if (!(await mine())) throw error;
  });
  await rm(written);
}

/** Removes what attempts of the run have left, published or not. Safe to repeat. */
export async function discardExport(context: Context, { path, run }: Export): Promise<void> {
  await removePartials(dirname(await allowedTarget(context, path)), run);
}

const prefixOf = (run: string): string => `.holdfast-${createHash('sha256').update(run).digest('hex').slice(0, 16)}-`;

async function removePartials(directory: string, run: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(prefixOf(run))) await rm(join(directory, name), { recursive: true, force: true });
  }
}

async function inode(path: string): Promise<{ id: string; isDirectory: boolean } | undefined> {
  try {
    const found = await lstat(path, { bigint: true });
    return { id: `${found.dev} ${found.ino}`, isDirectory: found.isDirectory() };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unreadable(path, error);
  }
}

/** @throws BadInput - something is there, were it only a link to nowhere. */
async function requireFree(path: string): Promise<void> {
  if (await inode(path)) throw new HoldfastError('BadInput', `${path}: expected nothing there, found something`, { hint: 'an export never writes over what is there: give another name' });
}

/** What is written is not encrypted: nobody else may read the directory that it lies in. */
async function requirePrivate(directory: string): Promise<void> {
  const { mode } = await lstat(directory);
  if ((mode & 0o077) === 0) return;
  throw new HoldfastError('BadInput', `${directory}: expected a directory that only its owner may enter (0700), found ${(mode & 0o777).toString(8)}`, {
    hint: `an export is not encrypted: chmod 700 ${directory}`,
  });
}

async function sync(directory: string): Promise<void> {
  const opened = await open(directory);
  await opened.sync();
  await opened.close();
}
