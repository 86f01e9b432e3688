import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { stopPlace } from '../../provision/postgres-place.ts';
import { readJsonFile, replaceFile } from '../../replace-file.ts';
import type { PhysicalPlace } from './place.ts';
import { cluster, listRange, rangeOfTablespace } from './plan.ts';
import { letGo } from '../../stream/let-go.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { runTool } from '../../tool/run-tool.ts';
import { bytesUnder } from '../../store/local-tree.ts';
import { TargetDisk } from '../postgres/target-disk.ts';
import { getPart, openParts } from '../base/stored-parts.ts';
import { bytesOf, clusterOf, type Link } from './chain.ts';
import { TarFiles } from './tar-files.ts';
import { ToDisk } from './to-disk.ts';
import { findVerifier, verifyFiles } from './verify-files.ts';

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
 * Tablespaces lie beside the data directory, wherever they were on the source: whose own would be written to, where it is the same machine.
 *
 * | killed | left behind | the next try |
 * |---|---|---|
 * | while one is unpacked or checked | some of it, and those before it | throws that one away, and goes on behind those that are checked |
 * | while they are joined, pg_combinebackup too | some of the data directory | throws that away, and joins again |
 * | after that, before what was joined is deleted | both | checks, and deletes |
 *
 * @throws ToolFailed - retryable: pg_combinebackup, pg_verifybackup. @throws TargetUnavailable - retryable: its disk is full. @throws Tampered - a file is not what the server sent. @throws ObjectMissing.
 */
export async function unpackChain(context: SourceContext, place: PhysicalPlace, links: readonly Link[], group: string): Promise<void> {
  const { backup } = links.at(-1)!.manifest;
  const before = await readRecord(place);
  const toDisk = new ToDisk();
  const disk = diskOf(place);
  try {
    if (before?.backup !== backup || before.state === 'begun') {
      // Another base, of a choice that was given up, may run in it.
      await stopPlace(place);
      const goesOn = before?.backup === backup;
      if (!goesOn) await rm(beside(place), { recursive: true, force: true, maxRetries: 5 });
      if (links.length === 1) await unpackOnly(context, place, links[0]!, { group, toDisk, disk });
      else await joinLinks(context, place, links, { group, toDisk, disk, done: goesOn ? (before.links ?? []) : [] });
      await writeRecord(place, { backup, state: 'unpacked' });
    }
    await rm(beside(place), { recursive: true, force: true, maxRetries: 5 });
    await check(context, links.at(-1)!, place.dataDirectory, group);
    await toDisk.end().catch((error: unknown) => {
      throw ofDisk(place.directory, error);
    });
  } finally {
    await toDisk.leave();
  }
  await mapTablespaces(place, links.at(-1)!);
}

/** One that is full or read-only may be mended. */
const ofDisk = (directory: string, error: unknown): unknown =>
  (error instanceof HoldfastError || (error as NodeJS.ErrnoException).syscall === undefined ? error : new HoldfastError('TargetUnavailable', `${directory}: ${(error as Error).message}`, { cause: error }));

/** Everything that is restored lies on one disk. */
const diskOf = (place: PhysicalPlace): TargetDisk =>
  TargetDisk.at({ name: `${place.host}:${place.port}`, path: place.directory, hint: 'make room there: bases that are checked stay, and the one that did not fit is unpacked anew, by itself within a minute or two, or by a retry of the step' });

/** Those that are joined, and what comes of them, lie there at once: that is about as large as the full one. What earlier tries left is thrown away or taken. @throws TargetFull */
export async function requireRoom(context: SourceContext, place: PhysicalPlace, links: readonly Link[]): Promise<void> {
  const bytes = links.reduce((sum, link) => sum + bytesOf(link), links.length > 1 ? bytesOf(links[0]!) : 0);
  const before = await Promise.all([beside(place), place.dataDirectory, tablespacesOf(place)].map(async (path) => await bytesUnder(path, context.signal)));
  const left = before.reduce((sum, one) => sum + one, 0);
  await diskOf(place).requireFor(Math.max(0, bytes - left), `the base ${links.at(-1)!.manifest.backup}`);
}

const beside = (place: PhysicalPlace): string => join(place.directory, 'joined');
/** Where the tablespaces of what is restored lie. */
export const tablespacesOf = (place: PhysicalPlace): string => join(place.directory, 'tablespaces');
const oidsOf = ({ manifest }: Link): string[] => clusterOf(manifest).tablespaces.map(({ oid }) => oid);

/** The server makes its links anew from this when it starts to recover. Behind the check: it is on the list of files. */
async function mapTablespaces(place: PhysicalPlace, link: Link): Promise<void> {
  const lines = oidsOf(link).map((oid) => `${oid} ${join(tablespacesOf(place), oid).replaceAll('\\', '\\\\')}\n`);
  if (lines.length > 0) await writeFile(join(place.dataDirectory, 'tablespace_map'), lines.join(''), { mode: 0o600 });
}

interface Unpacking {
  group: string;
  toDisk: ToDisk;
  disk: TargetDisk;
}

async function unpackOnly(context: SourceContext, place: PhysicalPlace, link: Link, unpacking: Unpacking): Promise<void> {
  await writeRecord(place, { backup: link.manifest.backup, state: 'begun' });
  await unpack(context, link, { data: place.dataDirectory, tablespaces: tablespacesOf(place) }, unpacking);
}

async function joinLinks(context: SourceContext, place: PhysicalPlace, links: readonly Link[], { done, ...unpacking }: Unpacking & { done: readonly string[] }): Promise<void> {
  const { group, toDisk, disk } = unpacking;
  const own = links.at(-1)!.manifest;
  const checked = [...done];
  const folder = (link: Link): string => join(beside(place), link.manifest.backup);
  const spaces = (link: Link): string => `${folder(link)}.tablespaces`;
  await writeRecord(place, { backup: own.backup, state: 'begun', links: checked });
  await mkdir(beside(place), { recursive: true, mode: 0o700 });
  for (const link of links) {
    if (checked.includes(link.manifest.backup)) continue;
    await unpack(context, link, { data: folder(link), tablespaces: spaces(link) }, unpacking);
    await check(context, link, folder(link), group);
    await toDisk.end().catch((error: unknown) => {
      throw ofDisk(folder(link), error);
    });
    checked.push(link.manifest.backup);
    await writeRecord(place, { backup: own.backup, state: 'begun', links: checked });
  }
  for (const path of [place.dataDirectory, tablespacesOf(place)]) await rm(path, { recursive: true, force: true, maxRetries: 5 });
  await disk.requireNext(bytesOf(links[0]!));
  const whole = links.reduce((sum, link) => sum + bytesOf(link), 0);
  context.progress({ phase: `join ${links.length} bases with pg_combinebackup`, done: whole, of: whole, unit: 'bytes', group });
  const { path } = await findPostgresProgram('pg_combinebackup', clusterOf(own).major, 'same');
  const last = links.at(-1)!;
  const moved = oidsOf(last).map((oid) => `--tablespace-mapping=${join(spaces(last), oid)}=${join(tablespacesOf(place), oid)}`);
  // Whoever starts the server has it written to the disk first: it comes from a backup.
  await runTool({ path }, ['--no-sync', `--output=${place.dataDirectory}`, ...moved, ...links.map(folder)], { signal: context.signal });
}

async function unpack(context: SourceContext, link: Link, { data, tablespaces }: { data: string; tablespaces: string }, { group, toDisk, disk }: Unpacking): Promise<void> {
  const { manifest, parts, index } = link;
  for (const path of [data, tablespaces]) await rm(path, { recursive: true, force: true, maxRetries: 5 });
  const of = bytesOf(link);
  const phase = manifest.parents ? `unpack the incremental base ${manifest.backup}` : 'unpack the base';
  let before = 0;
  const untar = async (range: string, directory: string): Promise<void> => {
    await mkdir(directory, { mode: 0o700, recursive: true });
    const tar = { ...index, parts: index.parts.filter((part) => part.range === range) };
    const files = new TarFiles(directory, `the tar of ${range} of backup ${manifest.backup}`, toDisk);
    try {
      // Every file is held against the server's own list behind this.
      for await (const { bytes, done } of openParts(parts, tar, { ahead: 2, checkedLater: true })) {
        await disk.requireNext(bytes.length);
        await files.add(bytes);
        // Written: the reader of the tar copies what it keeps.
        letGo(bytes);
        context.progress({ phase, done: before + done, of, unit: 'bytes', group });
      }
      files.end();
    } catch (error) {
      await files.leave();
      throw ofDisk(directory, error);
    }
    before += tar.parts.reduce((sum, part) => sum + part.plainBytes, 0);
  };
  await untar(cluster.range, data);
  for (const oid of oidsOf(link)) {
    const path = join(tablespaces, oid);
    await untar(rangeOfTablespace(oid), path);
    await rm(join(data, 'pg_tblspc', oid), { recursive: true, force: true });
    await symlink(path, join(data, 'pg_tblspc', oid));
  }
  const list = index.parts.filter(({ range }) => range === listRange);
  for (const [at, part] of list.entries()) await writeFile(join(data, 'backup_manifest'), await getPart(parts, part), { mode: 0o600, flag: at === 0 ? 'w' : 'a' });
}

async function check(context: SourceContext, link: Link, directory: string, group: string): Promise<void> {
  const bytes = bytesOf(link);
  const { major } = clusterOf(link.manifest);
  const { backup } = link.manifest;
  const program = await findVerifier(major);
  const phase = `check every file with pg_verifybackup${program.readsLog ? '' : ` ${program.major}, but not its WAL`}`;
  context.progress({ phase, done: bytes, of: bytes, unit: 'bytes', group });
  if (!program.readsLog) context.log?.('warn', `the files of backup ${backup} are checked by pg_verifybackup ${program.version}, which does not read the WAL of PostgreSQL ${major}: that is left to the server that replays it`);
  await verifyFiles(program, { backup, signal: context.signal }, directory);
}

const recordFile = (place: PhysicalPlace): string => join(place.directory, 'base.json');

export const readRecord = async (place: PhysicalPlace): Promise<Restored | undefined> => await readJsonFile<Restored>(recordFile(place));

export const writeRecord = async (place: PhysicalPlace, record: Restored): Promise<void> => await replaceFile(recordFile(place), JSON.stringify(record));

/** @throws TargetNotEmpty - no checked base of this backup lies there. */
export async function requireBase(place: PhysicalPlace, backup: string): Promise<void> {
  const record = await readRecord(place);
  if (record?.backup === backup && record.state === 'checked') return;
  throw new HoldfastError('TargetNotEmpty', `${place.dataDirectory} holds ${record ? `base ${record.backup}, ${record.state}` : 'no base'}, and not base ${backup}, checked`, { hint: 'run the step that restores first' });
}
