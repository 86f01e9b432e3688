import { rm } from 'node:fs/promises';
import type { TargetRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { GroupIndex } from '../../../../workflows/domain/manifest.ts';
import type { PgBackRestConfig } from '../../../../workflows/domain/tool-source.ts';
import type { SourceContext } from '../../../context.ts';
import { openToClients } from '../../../provision/local-postgres.ts';
import { makeOwned, makePlace, postgresPlaceOf, startPlace, stopPlace } from '../../../provision/postgres-place.ts';
import { findPostgresProgram } from '../../../tool/find-postgres.ts';
import { foreignSchema, requireForeign, type Foreign } from './foreign.ts';
import { eachFile, follow, pgbackrest } from './run.ts';

/** Which backup of pgBackRest a base of ours stands for. @throws Tampered - its index does not say. */
export function foreignOf({ ranges }: Pick<GroupIndex, 'ranges'>, backup: string): Foreign {
  const foreign = foreignSchema.safeParse(ranges[0]?.detail);
  if (foreign.success) return foreign.data;
  throw new HoldfastError('Tampered', `the index of backup ${backup} does not say which backup of pgBackRest it stands for`);
}

/** Whether it could be restored here. Touches nothing. @throws ObjectMissing, ToolMissing. */
export async function prepareForeign(context: SourceContext, tool: PgBackRestConfig, foreign: Foreign): Promise<void> {
  await requireForeign(context, tool, foreign);
  await findPostgresProgram('postgres', foreign.major, 'same');
}

/**
 * Has pgBackRest put the files into the target's data directory, each checked as it comes, and lets the server replay to the backup's own end. Then it takes writes, by its
 * socket and for the endpoint's user alone; it archives nothing.
 *
 * Safe to repeat, from the beginning: what is there is thrown away first.
 *
 * @throws ToolFailed, TargetUnavailable - retryable. @throws ObjectMissing - pgBackRest has the backup no more.
 */
export async function restoreForeign(context: SourceContext, tool: PgBackRestConfig, foreign: Foreign, phase: string): Promise<void> {
  await prepareForeign(context, tool, foreign);
  const place = postgresPlaceOf(context);
  await makePlace(place);
  await stopPlace(place);
  await rm(place.dataDirectory, { recursive: true, force: true, maxRetries: 5 });
  await makeOwned(place, place.dataDirectory);
  const args = [`--pg1-path=${place.dataDirectory}`, `--set=${foreign.label}`, '--type=immediate', '--target-action=promote', '--archive-mode=off'];
  await follow(context, pgbackrest(tool, ...eachFile, ...args, 'restore'), (done, of) => context.progress({ phase, done, of, unit: 'bytes' }));
  context.progress({ phase: 'the server replays to the end of the backup', done: 0, of: 0, unit: 'answers' });
  await startPlace(place, 'recovering', { readyWithinMs: context.system.databaseReadyWithin, signal: context.signal });
}

/** Safe to repeat. */
export const promoteForeign = async (context: SourceContext, target: TargetRef): Promise<string> => (await openToClients(context, target)).summary;

/** Reads all of the repository, checksum by checksum. @returns what is wrong; null: nothing. */
export async function verifyForeign(context: SourceContext, tool: PgBackRestConfig, foreign: Foreign): Promise<string | null> {
  try {
    await requireForeign(context, tool, foreign);
    context.progress({ phase: 'verify by pgbackrest', done: 0, of: 0, unit: 'answers' });
    await follow(context, pgbackrest(tool, ...eachFile, 'verify'), () => undefined);
    return null;
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof HoldfastError && (error.type === 'ObjectMissing' || error.type === 'ToolFailed')) return error.message;
    throw error;
  }
}
