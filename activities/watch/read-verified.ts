import { z } from 'zod';
import type { Verification } from '../../workflows/domain/source-records.ts';
import { rotationFields } from '../../workflows/domain/schedules/rotation.ts';
import type { System } from '../../workflows/domain/system.ts';
import { usualRotation, verifiedShare, type Rotation } from '../../workflows/domain/verification.ts';
import { readVerifications, samplesOf } from '../store/verifications.ts';
import type { TakenContext } from './read-taken.ts';

const sampleSchema = z.looseObject(rotationFields);

/** How much of all that is kept of a source was read, within the time in which all of it is to be. */
export interface VerifiedShare {
  source: string;
  /** 0 to 1 */
  share: number;
}

/** What was read of verifications, by key: one says the same for ever. */
export type KnownVerifications = Map<string, Verification | null>;

/** Of sources that any verification has sampled. Lists each time, opens what `known` does not hold. @throws StoreUnavailable - retryable. */
export async function readVerified({ store, keys, signal }: TakenContext, { system, sources, schedules }: Pick<System, 'system' | 'sources' | 'schedules'>, nowMs: number, known: KnownVerifications): Promise<VerifiedShare[]> {
  const verified: VerifiedShare[] = [];
  for (const source of Object.keys(sources)) {
    const rotation = rotationOf(schedules, source);
    const done = samplesOf(await readVerifications({ store, keys, signal }, { system, source }, known), rotation.shares);
    if (done.length > 0) verified.push({ source, share: verifiedShare(done, rotation, nowMs) });
  }
  return verified;
}

/** That of the schedule which samples the source; where none does, the usual one: somebody may by hand. */
function rotationOf(schedules: System['schedules'], source: string): Rotation {
  for (const { does, with: settings } of Object.values(schedules ?? {})) {
    if (does !== 'verification' || settings['scope'] !== 'sample' || (settings['source'] ?? source) !== source) continue;
    const { shares, within } = sampleSchema.safeParse(settings).data ?? {};
    return { shares: shares ?? usualRotation.shares, withinMs: within ?? usualRotation.withinMs };
  }
  return usualRotation;
}
