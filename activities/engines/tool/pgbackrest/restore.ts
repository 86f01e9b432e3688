import { rm } from 'node:fs/promises';
import type { TargetRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { GroupIndex } from '../../../../workflows/domain/manifest.ts';
import type { PgBackRestConfig } from '../../../../workflows/domain/tool-source.ts';
import type { SourceContext } from '../../../context.ts';
import { openToClients } from '../../../provision/local-postgres.ts';
import { makeOwned, makePlace, postgresPlaceOf, startPlace, stopPlace } from '../../../provision/postgres-place.ts';
import { findPostgresProgram } from '../../../tool/find-postgres.ts';
import { foreignSchema, missingWal, requireForeign, type Foreign } from './foreign.ts';
import { ask, eachFile, follow, pgbackrest } from './run.ts';

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

/**
 * Has pgBackRest read all of its repository, checksum by checksum. 2.45 ends with code 0 whatever it found, so what it says is what counts.
 * @returns what is wrong; null: nothing.
 */
export async function verifyForeign(context: SourceContext, tool: PgBackRestConfig, foreign: Foreign): Promise<string | null> {
  try {
    await requireForeign(context, tool, foreign);
    context.progress({ phase: 'verify by pgbackrest', done: 0, of: 0, unit: 'answers' });
    const said = await ask(context, pgbackrest(tool, '--log-level-console=off', '--output=text', '--verbose', 'verify'));
    const status = /^status: (\w+)/m.exec(said)?.[1];
    if (status === undefined) return `pgbackrest verify says something else than expected: ${said.slice(0, 200)}`;
    if (status !== 'ok') return `pgbackrest verify of stanza ${tool.stanza}: ${told(said)}`;
    const missing = await missingWal(context, tool, foreign);
    return missing.length > 0 ? `pgBackRest has no WAL segment ${missing.join(', ')} any more, which backup ${foreign.label} needs to be consistent` : null;
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof HoldfastError && (error.type === 'ObjectMissing' || error.type === 'ToolFailed')) return error.message;
    throw error;
  }
}

/** Of each archive and backup with damage: its own line, and the counts below it. */
function told(said: string): string {
  const [, ...parts] = said.split(/^ {2}(?=\S)/m);
  return parts.map((part) => part.trim().replace(/\s*\n\s*/g, ': ')).filter((part) => /(missing|invalid|other): [1-9]|status: (?!valid)/.test(part)).join('; ') || said.trim().slice(0, 400);
}
