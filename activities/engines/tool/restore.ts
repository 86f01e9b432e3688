import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Lack, TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { GroupIndex } from '../../../workflows/domain/manifest.ts';
import type { ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { readClaim } from '../../provision/claim.ts';
import { readJsonFile, replaceFile } from '../../replace-file.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import type { RunningStream } from '../../tool/start-stream.ts';
import { readGroupIndex, readManifest, requireEngine } from '../base/read-base.ts';
import { endpointOf } from '../base/source-environment.ts';
import { openParts, type PartStore } from '../base/stored-parts.ts';
import { startsAgain } from './dump-group.ts';
import { addressOf, type ProgramSpec } from './program-spec.ts';
import { foreignOf, prepareForeign, restoreForeign } from './pgbackrest/restore.ts';
import { lackOfPart, requirePart } from './pg-dump.ts';
import { restoreProgram, toolOf } from './programs.ts';
import { feed, runProgram } from './run-program.ts';
import { refuseLivingSource } from './same-place.ts';

type Groups = { group: string; index: ObjectRef; plainBytes: number }[];

/**
 * Checks the base (signature, key, indexes), that the target is this run's and not the living source, and that the program
 * and its secrets are here. Touches nothing; safe to repeat.
 *
 * @throws TargetNotEmpty - the target is the living source, or not this run's. @throws Tampered, WrongKey, ObjectMissing, ToolMissing, BadSystemFile.
 */
export async function prepareRestore(context: SourceContext, { target, point }: { target: TargetRef; point: RecoveryPoint }): Promise<{ groups: Groups; plainBytes: number; lacks?: Lack }> {
  const manifest = await readManifest(context, point);
  requireEngine(manifest, 'tool');
  await openBackupKey(context.store, context.keys, manifest, manifest.key);
  const indexes = [];
  for (const group of manifest.groups) indexes.push(await readGroupIndex(context, manifest.backup, group));
  await requireTarget(context, target);
  const tool = toolOf(context);
  requirePart(manifest, context.sourceName, tool);
  const lacks = lackOfPart(manifest);
  if (tool.uses === 'pgbackrest') await prepareForeign(context, tool, foreignOf(indexes[0]!, manifest.backup));
  else await restoreProgram(context, endpointOf(context, target.environment));
  const groups = manifest.groups.map(({ group, index, plainBytes }) => ({ group, index, plainBytes }));
  return { groups, plainBytes: groups.reduce((sum, { plainBytes }) => sum + plainBytes, 0), ...(lacks ? { lacks } : {}) };
}

async function requireTarget(context: SourceContext, target: TargetRef): Promise<void> {
  await refuseLivingSource(context, target);
  const directory = directoryOf(context);
  const claim = await readClaim(directory);
  if (claim?.run === target.run) return;
  throw new HoldfastError('TargetNotEmpty', `the target in ${target.environment} ${claim ? `belongs to run ${claim.run}` : 'is no target of any run'}, not to ${target.run} (${directory})`);
}

const directoryOf = (context: SourceContext): string => context.address(context.system.standby.provision[context.sourceName]!.directory);

/**
 * Feeds the parts, in order, to the restore program's standard input; each is authenticated before a byte of it is passed on.
 *
 * Safe to repeat, from the beginning: the program is told (or, for a command, configured) to replace what is there. Once it has ended well that
 * is noted in the target's directory, and a second call does nothing.
 *
 * @throws ToolFailed - retryable: it ended badly, or before it had read everything. @throws Tampered, ObjectMissing - the program is ended, its work is void.
 */
export async function restoreGroup(
  context: SourceContext,
  { target, point, group }: { target: TargetRef; point: RecoveryPoint; group: { group: string; index: ObjectRef } },
): Promise<{ documents: number; plainBytes: number }> {
  const manifest = await readManifest(context, point);
  const index = await readGroupIndex(context, manifest.backup, group);
  const key = await openBackupKey(context.store, context.keys, manifest, manifest.key);
  await requireTarget(context, target);
  const plainBytes = index.parts.reduce((sum, part) => sum + part.plainBytes, 0);
  const endpoint = endpointOf(context, target.environment);
  const record: Restored = { run: target.run, backup: manifest.backup, group: group.group, address: createHash('sha256').update(addressOf(context, endpoint)).digest('hex') };
  const before = await readRecord(context);
  const isOurs = before?.run === record.run && before.backup === record.backup && before.group === record.group && before.address === record.address;
  if (isOurs && before.state === 'done') return { documents: 0, plainBytes };
  const tool = toolOf(context);
  const spec = tool.uses === 'pgbackrest' ? undefined : await restoreProgram(context, endpoint);
  const name = spec?.name ?? tool.uses;
  if (isOurs) context.log?.('warn', `restore of ${point.system}/${point.source} by ${name} ${startsAgain}`);
  const phase = isOurs ? `restore by ${name}, which ${startsAgain}` : `restore by ${name}`;
  await writeRecord(context, { ...record, state: 'begun' });
  const parts: PartStore = { store: context.store, key, scope: manifest, signal: context.signal };
  if (tool.uses === 'pgbackrest') await restoreForeign(context, tool, foreignOf(index, manifest.backup), phase);
  if (spec) await runProgram(context, spec, async (running) => await feedParts(parts, index, { running, spec }, (done) => context.progress({ phase, done, of: plainBytes, unit: 'bytes', group: group.group })));
  await writeRecord(context, { ...record, state: 'done' });
  return { documents: 0, plainBytes };
}

/** The next part is fetched while the program reads the one before it: two in memory at once. */
async function feedParts(from: PartStore, index: GroupIndex, { running, spec }: { running: RunningStream; spec: ProgramSpec }, advance: (bytes: number) => void): Promise<void> {
  // What it prints is nobody's; unread it would hold the program up.
  running.stdout.resume();
  for await (const { bytes, done } of openParts(from, index)) {
    await feed(running, spec, bytes, from.signal);
    advance(done);
  }
  running.stdin.end();
}

interface Restored {
  run: string;
  backup: string;
  group: string;
  /** digest of the server's address: what was done to another one is not done */
  address: string;
}

const recordFile = (context: SourceContext): string => join(directoryOf(context), 'tool-restore.json');

const readRecord = async (context: SourceContext): Promise<(Restored & { state: 'begun' | 'done' }) | undefined> => await readJsonFile(recordFile(context));

const writeRecord = async (context: SourceContext, record: Restored & { state: 'begun' | 'done' }): Promise<void> => await replaceFile(recordFile(context), JSON.stringify(record));
