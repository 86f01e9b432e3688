import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Manifest, ObjectRef } from '../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { readClaim } from '../../provision/claim.ts';
import { physicalPlace, stopPostgres, type PhysicalPlace } from '../../provision/postgres-physical.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { findProgram } from '../../tool/find-tool.ts';
import { runTool } from '../../tool/run-tool.ts';
import { giveTo } from '../../tool/server-account.ts';
import { readGroupIndex, readManifest, requireEngine } from '../base/read-base.ts';
import type { PartStore } from '../base/stored-parts.ts';
import { feedParts } from '../tool/restore.ts';
import { runProgram } from '../tool/run-program.ts';
import { refuseLivingSource } from '../tool/same-place.ts';
import { detailSchema, type ClusterDetail } from './plan.ts';
import { forgetReached, standbySignal } from './reached.ts';

type Groups = { group: string; index: ObjectRef; plainBytes: number }[];

/**
 * Checks the base (signature, key, index), that the target is this run's and not the living source, and that a server of the base's own version is here. Touches
 * nothing; safe to repeat.
 *
 * @throws TargetNotEmpty - the target is the living source, or not this run's. @throws Tampered, WrongKey, ObjectMissing, ToolMissing.
 */
export async function prepareRestore(context: SourceContext, { target, point }: { target: TargetRef; point: RecoveryPoint }): Promise<{ groups: Groups; plainBytes: number }> {
  const manifest = await readManifest(context, point);
  const { major } = clusterOf(manifest);
  await openBackupKey(context.store, context.keys, manifest, manifest.key);
  for (const group of manifest.groups) await readGroupIndex(context, manifest.backup, group);
  await requireTarget(context, target);
  for (const program of ['postgres', 'pg_verifybackup'] as const) await findPostgresProgram(program, major, 'same');
  findProgram('tar');
  const groups = manifest.groups.map(({ group, index, plainBytes }) => ({ group, index, plainBytes }));
  return { groups, plainBytes: groups.reduce((sum, { plainBytes }) => sum + plainBytes, 0) };
}

/** What the base's manifest says of the cluster. */
export function clusterOf(manifest: Manifest): ClusterDetail {
  requireEngine(manifest, 'postgres-physical');
  const detail = detailSchema.safeParse(manifest.units[0]?.detail);
  if (detail.success) return detail.data;
  throw new HoldfastError('Tampered', `backup ${manifest.backup}: its manifest does not say what its base needs`);
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
 * Unpacks the base into the data directory, each part authenticated before a byte of it is passed on, and has pg_verifybackup compare every file's checksum with what the
 * server said when it sent it.
 *
 * Safe to repeat: a base that was begun is thrown away, and one that was checked stays.
 *
 * @throws ToolFailed - retryable: tar. @throws Tampered - a file is not what the server sent. @throws ObjectMissing.
 */
export async function restoreGroup(
  context: SourceContext,
  { target, point, group }: { target: TargetRef; point: RecoveryPoint; group: { group: string; index: ObjectRef } },
): Promise<{ documents: number; plainBytes: number }> {
  const manifest = await readManifest(context, point);
  const { major } = clusterOf(manifest);
  const index = await readGroupIndex(context, manifest.backup, group);
  const key = await openBackupKey(context.store, context.keys, manifest, manifest.key);
  const place = await requireTarget(context, target);
  const plainBytes = index.parts.reduce((sum, part) => sum + part.plainBytes, 0);
  const before = await readRecord(place);
  if (before?.backup === manifest.backup && before.state === 'checked') return { documents: 0, plainBytes };
  if (before?.backup !== manifest.backup || before.state !== 'unpacked') {
    await unpack(context, place, manifest.backup, { store: context.store, key, scope: manifest, signal: context.signal }, index);
  }
  context.progress({ phase: 'check every file with pg_verifybackup', done: plainBytes, of: plainBytes, unit: 'bytes', group: group.group });
  const verify = await findPostgresProgram('pg_verifybackup', major, 'same');
  await runTool({ path: verify.path }, ['--quiet', '--exit-on-error', place.data], { signal: context.signal }).catch((error: unknown) => {
    context.signal.throwIfAborted();
    throw new HoldfastError('Tampered', `backup ${manifest.backup} is not what its server sent: ${(error as Error).message}`, { hint: 'take another recovery point', cause: error });
  });
  // From here on whoever starts it is given a standby, until it is promoted.
  await writeFile(join(place.data, standbySignal), '', { mode: 0o600 });
  await forgetReached(place);
  giveTo(place.account, place.data);
  await writeRecord(place, { backup: manifest.backup, state: 'checked' });
  return { documents: 0, plainBytes };
}

async function unpack(context: SourceContext, place: PhysicalPlace, backup: string, parts: PartStore, index: Parameters<typeof feedParts>[1]): Promise<void> {
  // Another base, of a choice that was given up, may run in it.
  await stopPostgres(place);
  await writeRecord(place, { backup, state: 'begun' });
  await rm(place.data, { recursive: true, force: true, maxRetries: 5 });
  await mkdir(place.data, { mode: 0o700 });
  const of = index.parts.reduce((sum, part) => sum + part.plainBytes, 0);
  const spec = { name: 'tar', path: findProgram('tar'), args: ['-x', '-f', '-', '-C', place.data, '--no-same-owner'], env: {}, secrets: {}, files: {} };
  await runProgram(context, spec, async (running) => await feedParts(parts, index, { running, spec }, (done) => context.progress({ phase: 'unpack the base', done, of, unit: 'bytes', group: index.group })));
  await writeRecord(place, { backup, state: 'unpacked' });
}

interface Restored {
  backup: string;
  state: 'begun' | 'unpacked' | 'checked';
}

const recordFile = (place: PhysicalPlace): string => join(place.directory, 'base.json');

async function readRecord(place: PhysicalPlace): Promise<Restored | undefined> {
  try {
    return JSON.parse(await readFile(recordFile(place), 'utf8')) as Restored;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeRecord(place: PhysicalPlace, record: Restored): Promise<void> {
  await writeFile(`${recordFile(place)}.new`, JSON.stringify(record));
  await rename(`${recordFile(place)}.new`, recordFile(place));
}

/** @throws TargetNotEmpty - no checked base of this backup lies there. */
export async function requireBase(place: PhysicalPlace, backup: string): Promise<void> {
  const record = await readRecord(place);
  if (record?.backup === backup && record.state === 'checked') return;
  throw new HoldfastError('TargetNotEmpty', `${place.data} holds ${record ? `base ${record.backup}, ${record.state}` : 'no base'}, and not base ${backup}, checked`, { hint: 'run the step that restores first' });
}
