import { z } from 'zod';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { PgBackRestConfig } from '../../../../workflows/domain/tool-source.ts';
import type { ProgramContext } from '../program-spec.ts';
import { ask, pgbackrest } from './run.ts';

/** One backup of pgBackRest, as it lies in its own repository: what we store of it. */
export const foreignSchema = z.strictObject({
  program: z.literal('pgbackrest'),
  stanza: z.string(),
  label: z.string(),
  type: z.enum(['full', 'diff', 'incr']),
  /** UTC ISO, by the clock of the machine that it ran on */
  startedAt: z.string(),
  stoppedAt: z.string(),
  lsn: z.strictObject({ start: z.string(), stop: z.string() }),
  /** WAL segments that it needs from the repository to be consistent */
  wal: z.strictObject({ start: z.string(), stop: z.string() }),
  /** of PostgreSQL */
  major: z.number().int(),
  systemId: z.string(),
  databaseBytes: z.number().int(),
  repositoryBytes: z.number().int(),
});
export type Foreign = z.infer<typeof foreignSchema>;

const range = z.object({ start: z.string().nullable(), stop: z.string().nullable() });
/** @source pgBackRest 2.45, `info --output=json`; numbers that JavaScript cannot hold are taken from the text */
const infoSchema = z.array(z.object({
  name: z.string(),
  db: z.array(z.object({ id: z.number(), version: z.string(), 'system-id': z.union([z.string(), z.number()]) })).default([]),
  backup: z.array(z.object({
    label: z.string(),
    type: z.enum(['full', 'diff', 'incr']),
    error: z.boolean().nullish(),
    archive: range,
    lsn: range.nullish(),
    database: z.object({ id: z.number() }),
    info: z.object({ size: z.number(), repository: z.object({ size: z.number().nullish(), delta: z.number().nullish() }) }),
    timestamp: z.object({ start: z.number(), stop: z.number() }),
  })).default([]),
}));

type Stanza = z.infer<typeof infoSchema>[number];

/** A backup as `info` lists it, and the server that it is of; undefined: the repository has no such backup (any more). @throws ToolFailed - it cannot be asked, or answers otherwise than expected. */
async function findBackup(context: ProgramContext, tool: PgBackRestConfig, label: string): Promise<{ backup: Stanza['backup'][number]; database: Stanza['db'][number] | undefined } | undefined> {
  // 2.45 has --set for its text output alone.
  const said = await ask(context, pgbackrest(tool, '--log-level-console=off', '--output=json', 'info'));
  // A system id has more digits than a number of JavaScript's.
  const info = infoSchema.safeParse(parseJson(said.replace(/("system-id":)(\d+)/g, '$1"$2"')));
  if (!info.success) throw new HoldfastError('ToolFailed', `pgbackrest info says something else than expected: ${said.slice(0, 200)}`);
  const stanza = info.data.find(({ name }) => name === tool.stanza);
  const backup = stanza?.backup.find((one) => one.label === label);
  return stanza && backup && { backup, database: stanza.db.find(({ id }) => id === backup.database.id) };
}

/** What the repository has under this label; undefined: it has no such backup (any more). @throws ToolFailed - it cannot be asked, or answers otherwise than expected. */
export async function readForeign(context: ProgramContext, tool: PgBackRestConfig, label: string): Promise<Foreign | undefined> {
  const found = await findBackup(context, tool, label);
  if (!found) return undefined;
  const { backup, database } = found;
  if (backup.error) throw new HoldfastError('ToolFailed', `pgbackrest says that pages of backup ${label} have errors`, { hint: 'see its log; the source’s own pages are damaged' });
  const at = (seconds: number): string => new Date(seconds * 1000).toISOString();
  return {
    program: 'pgbackrest',
    stanza: tool.stanza,
    label,
    type: backup.type,
    startedAt: at(backup.timestamp.start),
    stoppedAt: at(backup.timestamp.stop),
    lsn: { start: backup.lsn?.start ?? '', stop: backup.lsn?.stop ?? '' },
    wal: { start: backup.archive.start ?? '', stop: backup.archive.stop ?? '' },
    major: Number.parseInt(database?.version ?? '0', 10),
    systemId: String(database?.['system-id'] ?? ''),
    databaseBytes: backup.info.size,
    repositoryBytes: backup.info.repository.delta ?? backup.info.repository.size ?? 0,
  };
}

/**
 * Which of the first and the last WAL segment that a backup needs to be consistent is not in the repository: a gap between two that are there `verify` finds itself, and does not look for these.
 * @throws ToolFailed
 */
export async function missingWal(context: ProgramContext, tool: PgBackRestConfig, { label, wal }: Foreign): Promise<string[]> {
  const database = (await findBackup(context, tool, label))?.database;
  if (!database || wal.start === '') return [];
  const missing: string[] = [];
  for (const segment of new Set([wal.start, wal.stop])) {
    const names = await ask(context, pgbackrest(tool, '--log-level-console=off', 'repo-ls', `archive/${tool.stanza}/${database.version}-${database.id}/${segment.slice(0, 16)}`));
    // A checksum follows the name, and the suffix of what compressed it.
    if (!names.split('\n').some((name) => name.startsWith(`${segment}-`))) missing.push(segment);
  }
  return missing;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws ObjectMissing - its own retention, or a person, has removed it. */
export async function requireForeign(context: ProgramContext, tool: PgBackRestConfig, { label, systemId }: Foreign): Promise<Foreign> {
  const found = await readForeign(context, tool, label);
  if (found?.systemId === systemId) return found;
  throw new HoldfastError('ObjectMissing', found ? `backup ${label} in the repository of pgBackRest (stanza ${tool.stanza}) is of another server than the one that was stored` : `pgBackRest has no backup ${label} in stanza ${tool.stanza} any more`, {
    hint: 'what it keeps, its own configuration says (repo1-retention-full): take another recovery point',
  });
}
