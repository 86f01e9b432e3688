import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { readClaim } from '../../provision/claim.ts';
import { physicalPlace, type PhysicalPlace } from './place.ts';
import { makeOwned } from '../../provision/postgres-place.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { giveTo } from '../../tool/server-account.ts';
import { refuseLivingSource } from '../tool/same-place.ts';
import { bytesOf, clusterOf, openChain } from './chain.ts';
import { requireConfiguration } from './configuration.ts';
import { forgetReached, standbySignal } from './reached.ts';
import { readRecord, requireRoom, tablespacesOf, unpackChain, writeRecord } from './unpack.ts';
import { findVerifier } from './verify-files.ts';

type Groups = { group: string; index: ObjectRef; plainBytes: number }[];

/**
 * Checks the base, and all that it adds to (signature, key, index), that the target is this run's and not the living source, and that a server of the base's own version is
 * here, with all that the restore and the promotion run. And that its disk has room. Touches nothing; safe to repeat.
 *
 * @throws TargetNotEmpty - the target is the living source, or not this run's. @throws Tampered, WrongKey, ObjectMissing, ToolMissing. @throws TargetFull. @throws BadSystemFile - it names a configuration that is not here.
 */
export async function prepareRestore(context: SourceContext, { target, point }: { target: TargetRef; point: RecoveryPoint }): Promise<{ groups: Groups; plainBytes: number }> {
  const links = await openChain(context, point);
  const { manifest } = links.at(-1)!;
  const place = await requireTarget(context, target);
  requireConfiguration(place);
  const { major } = clusterOf(manifest);
  for (const program of ['postgres', ...(links.length > 1 ? ['pg_combinebackup' as const] : [])] as const) await findPostgresProgram(program, major, 'same');
  await findPostgresProgram('pg_controldata', major);
  await findVerifier(major);
  const restored = await readRecord(place);
  if (restored?.backup !== manifest.backup || restored.state !== 'checked') await requireRoom(context, place, links);
  const plainBytes = links.reduce((sum, link) => sum + bytesOf(link), 0);
  const [only] = manifest.groups;
  return { groups: [{ group: only!.group, index: only!.index, plainBytes }], plainBytes };
}

/** The place, when it is this run's. @throws TargetNotEmpty */
export async function requireTarget(context: SourceContext, target: TargetRef): Promise<PhysicalPlace> {
  await refuseLivingSource(context, target);
  const place = physicalPlace(context);
  const claim = await readClaim(place.directory);
  if (claim?.run === target.run) return place;
  throw new HoldfastError('TargetNotEmpty', `the target in ${target.environment} ${claim ? `belongs to run ${claim.run}` : 'is no target of any run'}, not to ${target.run} (${place.directory})`);
}

/**
 * Unpacks the base into the data directory, each part authenticated before a byte of it is passed on, an incremental one joined with those that it adds to (`unpack.ts`), and leaves there what a
 * standby is started from.
 *
 * Safe to repeat: what was begun goes on or is thrown away, and a base that was checked stays.
 *
 * @throws ToolFailed - retryable: pg_combinebackup, pg_verifybackup. @throws Tampered - a file is not what the server sent. @throws ObjectMissing.
 */
export async function restoreGroup(
  context: SourceContext,
  { target, point, group }: { target: TargetRef; point: RecoveryPoint; group: { group: string; index: ObjectRef } },
): Promise<{ documents: number; plainBytes: number }> {
  const links = await openChain(context, point);
  const { backup } = links.at(-1)!.manifest;
  const place = await requireTarget(context, target);
  const plainBytes = links.reduce((sum, link) => sum + bytesOf(link), 0);
  const before = await readRecord(place);
  if (before?.backup === backup && before.state === 'checked') return { documents: 0, plainBytes };
  await makeOwned(place, place.spool);
  await unpackChain(context, place, links, group.group);
  // From here on whoever starts it is given a standby, until it is promoted.
  await writeFile(join(place.dataDirectory, standbySignal), '', { mode: 0o600 });
  await forgetReached(place);
  for (const path of [place.dataDirectory, ...(existsSync(tablespacesOf(place)) ? [tablespacesOf(place)] : [])]) giveTo(place.account, path);
  await writeRecord(place, { backup, state: 'checked' });
  return { documents: 0, plainBytes };
}
