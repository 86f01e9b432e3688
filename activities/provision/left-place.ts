import { rename, stat } from 'node:fs/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { endServer, findServer, readMark } from '../traffic/fenced-directory.ts';
import { readClaim } from './claim.ts';

/**
 * What an earlier life of a source left in a directory that is wanted again: the old primary before a failback, the old standby before
 * the next recovery. It is known by the mark of its fence, which only a run of ours writes and its undo takes away; anything else is not touched.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | before the server is stopped | the fenced server, as it was | stops it |
 * | before the rename | its directory, stopped | renames it |
 * | after it | `<directory>.left-<run>`; nothing in its place, or this run's target | finds it: nothing to do |
 */
const asideOf = (directory: string, run: string): string => `${directory}.left-${run}`;
const exists = async (path: string): Promise<boolean> => await stat(path).then(() => true, () => false);

/** Safe to repeat. @param options.ownFence - only what this run fenced. @throws TargetNotEmpty - the fenced server does not stop, or is another run's. */
export async function moveLeftAside(directory: string, run: string, { ownFence = false }: { ownFence?: boolean } = {}): Promise<string> {
  const aside = asideOf(directory, run);
  if (await exists(aside)) return `what was left there lies in ${aside}`;
  if ((await readClaim(directory))?.run === run) return `nothing was left in ${directory}`;
  const mark = await readMark(directory);
  if (!mark) return `nothing that a run fenced lies in ${directory}`;
  if (ownFence && mark.run !== run) throw new HoldfastError('TargetNotEmpty', `${directory} was fenced by run ${mark.run}: in place only what this run has fenced is moved aside`, { hint: 'undo that fence first, or recover to another place' });
  if (findServer(directory) !== undefined && !(await endServer(directory, 'SIGTERM'))) {
    throw new HoldfastError('TargetNotEmpty', `the server of ${directory}, which run ${mark.run} fenced, does not stop`, { hint: 'stop it by hand, then retry' });
  }
  await rename(directory, aside);
  return `what run ${mark.run} fenced in ${directory} was moved to ${aside}; delete it when nobody wants it any more`;
}

/** Safe to repeat; leaves alone what another target has been made in. */
export async function giveLeftBack(directory: string, run: string): Promise<string> {
  const aside = asideOf(directory, run);
  if (!(await exists(aside))) return `nothing of ${directory} was moved aside`;
  if (await exists(directory)) return `left alone: ${directory} is taken, what was left there stays in ${aside}`;
  await rename(aside, directory);
  return `${directory} holds again what was left there, fenced as it was`;
}
