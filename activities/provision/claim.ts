import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';

/** Which run a directory belongs to. */
export interface Claim {
  run: string;
  system: string;
  source: string;
  claimedAt: string;
}

const claimFile = (directory: string): string => join(directory, 'claim.json');

export async function readClaim(directory: string): Promise<Claim | undefined> {
  try {
    return JSON.parse(await readFile(claimFile(directory), 'utf8')) as Claim;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Makes the directory this run's. Safe to repeat.
 * @throws TargetNotEmpty - another run claimed it, or something lies there that nobody claimed.
 */
export async function claimDirectory(directory: string, claim: Omit<Claim, 'claimedAt'>): Promise<void> {
  await mkdir(directory, { recursive: true });
  const found = (await readdir(directory)).filter((name) => !name.startsWith('claim.json'));
  const before = await readClaim(directory);
  if (!before && found.length > 0) {
    throw new HoldfastError('TargetNotEmpty', `${directory} holds ${found.slice(0, 5).join(', ')}, which no run made`, {
      hint: 'move it aside, or name another directory under standby.provision',
    });
  }
  if (!before) await writeClaim(directory, { ...claim, claimedAt: new Date().toISOString() });
  const now = before ?? (await readClaim(directory));
  if (now?.run !== claim.run) {
    throw new HoldfastError('TargetNotEmpty', `${directory} belongs to run ${now?.run ?? 'unknown'} since ${now?.claimedAt ?? 'unknown'}`, {
      hint: 'move it aside when that run’s data is no longer served from there, or name another directory under standby.provision',
    });
  }
}

/** Refuses what `claimDirectory` would refuse a run, and claims nothing. @returns whether the run has claimed it already. @throws TargetNotEmpty */
export async function refuseClaimed(directory: string, run?: string): Promise<boolean> {
  const found = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const claim = await readClaim(directory);
  if (!claim && found.length === 0) return false;
  if (claim && claim.run === run) return true;
  const what = claim ? `belongs to run ${claim.run} since ${claim.claimedAt}` : `holds ${found.slice(0, 5).join(', ')}, which no run made`;
  throw new HoldfastError('TargetNotEmpty', `${directory} ${what}`, { hint: 'move it aside, or name another directory under standby.provision' });
}

/** Of two runs that come at once, one gets it; and it is there whole or not at all. */
async function writeClaim(directory: string, claim: Claim): Promise<void> {
  const draft = `${claimFile(directory)}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(claim));
  try {
    await link(draft, claimFile(directory));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft);
  }
}

/** @throws TargetNotEmpty - the directory is another run's, or nobody's. */
export async function requireClaim(directory: string, run: string): Promise<void> {
  const claim = await readClaim(directory);
  if (claim?.run === run) return;
  throw new HoldfastError('TargetNotEmpty', `${directory} ${claim ? `belongs to run ${claim.run}` : 'is no target of any run'}, not to ${run}`);
}
