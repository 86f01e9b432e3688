import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PhysicalPlace } from './place.ts';

/** While it lies in a data directory its server is a standby; the server removes it when it is promoted. */
export const standbySignal = 'standby.signal';

export const isStandby = ({ dataDirectory }: PhysicalPlace): boolean => existsSync(join(dataDirectory, standbySignal));

/** Where a recovery stops: before the first commit of a moment (UTC ISO), before a place in the log, or behind a named point. */
export type Stop = { time: string } | { lsn: string } | { name: string };

/** How far a target was replayed: one that is started anew must come as far again, and no further, before it is promoted. */
export interface Reached {
  /** its recovery's target; null: the end of what it was given */
  stop: Stop | null;
  lsn: string;
  /** the identity of what it was promoted to; left out: it was not */
  promotedTo?: string;
  /** once promoted: it pushes its log */
  archives?: boolean;
}

const file = ({ directory }: PhysicalPlace): string => join(directory, 'reached.json');

export async function readReached(place: PhysicalPlace): Promise<Reached | undefined> {
  try {
    return JSON.parse(await readFile(file(place), 'utf8')) as Reached;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function noteReached(place: PhysicalPlace, reached: Reached): Promise<void> {
  await writeFile(`${file(place)}.new`, JSON.stringify(reached));
  await rename(`${file(place)}.new`, file(place));
}

export const forgetReached = async (place: PhysicalPlace): Promise<void> => await rm(file(place), { force: true });
