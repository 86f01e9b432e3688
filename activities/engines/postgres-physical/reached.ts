import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readJsonFile, replaceFile } from '../../replace-file.ts';
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
  /** it runs with a stop that its log never came to, and a server refuses to be promoted before its stop: it is started anew without one. Left out: it does not */
  unmet?: boolean;
  lsn: string;
  /** the identity of what it was promoted to; left out: it was not */
  promotedTo?: string;
}

const file = ({ directory }: PhysicalPlace): string => join(directory, 'reached.json');

export const readReached = async (place: PhysicalPlace): Promise<Reached | undefined> => await readJsonFile<Reached>(file(place));

export const noteReached = async (place: PhysicalPlace, reached: Reached): Promise<void> => await replaceFile(file(place), JSON.stringify(reached));

export const forgetReached = async (place: PhysicalPlace): Promise<void> => await rm(file(place), { force: true });
