import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { stopPlace } from '../../provision/postgres-place.ts';
import type { PhysicalPlace } from './place.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { findProgram } from '../../tool/find-tool.ts';
import { runTool } from '../../tool/run-tool.ts';
import { feedParts } from '../tool/restore.ts';
import { runProgram } from '../tool/run-program.ts';
import { bytesOf, clusterOf, type Link } from './chain.ts';

/** How far the base of a place is. */
interface Restored {
  backup: string;
  state: 'begun' | 'unpacked' | 'checked';
  /** of several that are joined: those that are unpacked, and checked, by now */
  links?: string[];
}

/**
 * Puts a base into the data directory, every file of it compared with what the server said when it sent it. An incremental one is unpacked beside, as are those that it adds to, each checked; then
 * pg_combinebackup joins them, and what it made is checked too. Until they are joined they take as much room again.
 *
 * | killed | left behind | the next try |
 * |---|---|---|
 * | while one is unpacked or checked | some of it, and those before it | throws that one away, and goes on behind those that are checked |
 * | while they are joined, pg_combinebackup too | some of the data directory | throws that away, and joins again |
 * | after that, before what was joined is deleted | both | checks, and deletes |
 *
 * @throws ToolFailed - retryable: tar, or pg_combinebackup. @throws Tampered - a file is not what the server sent. @throws ObjectMissing.
 */
export async function unpackChain(context: SourceContext, place: PhysicalPlace, links: readonly Link[], group: string): Promise<void> {
  const { backup } = links.at(-1)!.manifest;
  const before = await readRecord(place);
  if (before?.backup !== backup || before.state === 'begun') {
    // Another base, of a choice that was given up, may run in it.
    await stopPlace(place);
    const goesOn = before?.backup === backup;
    if (!goesOn) await rm(beside(place), { recursive: true, force: true, maxRetries: 5 });
    if (links.length === 1) await unpackOnly(context, place, links[0]!, group);
    else await joinLinks(context, place, links, { group, done: goesOn ? (before.links ?? []) : [] });
    await writeRecord(place, { backup, state: 'unpacked' });
  }
  await rm(beside(place), { recursive: true, force: true, maxRetries: 5 });
  await check(context, links.at(-1)!, place.dataDirectory, group);
}

const beside = (place: PhysicalPlace): string => join(place.directory, 'joined');

async function unpackOnly(context: SourceContext, place: PhysicalPlace, link: Link, group: string): Promise<void> {
  await writeRecord(place, { backup: link.manifest.backup, state: 'begun' });
  await unpack(context, link, place.dataDirectory, group);
}

async function joinLinks(context: SourceContext, place: PhysicalPlace, links: readonly Link[], { group, done }: { group: string; done: readonly string[] }): Promise<void> {
  const own = links.at(-1)!.manifest;
  const checked = [...done];
  const folder = (link: Link): string => join(beside(place), link.manifest.backup);
  await writeRecord(place, { backup: own.backup, state: 'begun', links: checked });
  await mkdir(beside(place), { recursive: true, mode: 0o700 });
  for (const link of links) {
    if (checked.includes(link.manifest.backup)) continue;
    await unpack(context, link, folder(link), group);
    await check(context, link, folder(link), group);
    checked.push(link.manifest.backup);
    await writeRecord(place, { backup: own.backup, state: 'begun', links: checked });
  }
  await rm(place.dataDirectory, { recursive: true, force: true, maxRetries: 5 });
  const whole = links.reduce((sum, link) => sum + bytesOf(link), 0);
  context.progress({ phase: `join ${links.length} bases with pg_combinebackup`, done: whole, of: whole, unit: 'bytes', group });
  const { path } = await findPostgresProgram('pg_combinebackup', clusterOf(own).major, 'same');
  // Whoever starts the server has it written to the disk first: it comes from a backup.
  await runTool({ path }, ['--no-sync', `--output=${place.dataDirectory}`, ...links.map(folder)], { signal: context.signal });
}

async function unpack(context: SourceContext, { manifest, parts, index }: Link, directory: string, group: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  await mkdir(directory, { mode: 0o700 });
  const of = index.parts.reduce((sum, part) => sum + part.plainBytes, 0);
  const spec = { name: 'tar', path: findProgram('tar'), args: ['-x', '-f', '-', '-C', directory, '--no-same-owner'], env: {}, secrets: {}, files: {} };
  const phase = manifest.parents ? `unpack the incremental base ${manifest.backup}` : 'unpack the base';
  await runProgram(context, spec, async (running) => await feedParts(parts, index, { running, spec }, (done) => context.progress({ phase, done, of, unit: 'bytes', group })));
}

async function check(context: SourceContext, link: Link, directory: string, group: string): Promise<void> {
  const bytes = bytesOf(link);
  context.progress({ phase: 'check every file with pg_verifybackup', done: bytes, of: bytes, unit: 'bytes', group });
  const { path } = await findPostgresProgram('pg_verifybackup', clusterOf(link.manifest).major, 'same');
  await runTool({ path }, ['--quiet', '--exit-on-error', directory], { signal: context.signal }).catch((error: unknown) => {
    context.signal.throwIfAborted();
    throw new HoldfastError('Tampered', `backup ${link.manifest.backup} is not what its server sent: ${(error as Error).message}`, { hint: 'take another recovery point', cause: error });
  });
}

const recordFile = (place: PhysicalPlace): string => join(place.directory, 'base.json');

export async function readRecord(place: PhysicalPlace): Promise<Restored | undefined> {
  try {
    return JSON.parse(await readFile(recordFile(place), 'utf8')) as Restored;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function writeRecord(place: PhysicalPlace, record: Restored): Promise<void> {
  await writeFile(`${recordFile(place)}.new`, JSON.stringify(record));
  await rename(`${recordFile(place)}.new`, recordFile(place));
}

/** @throws TargetNotEmpty - no checked base of this backup lies there. */
export async function requireBase(place: PhysicalPlace, backup: string): Promise<void> {
  const record = await readRecord(place);
  if (record?.backup === backup && record.state === 'checked') return;
  throw new HoldfastError('TargetNotEmpty', `${place.dataDirectory} holds ${record ? `base ${record.backup}, ${record.state}` : 'no base'}, and not base ${backup}, checked`, { hint: 'run the step that restores first' });
}
