import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import pg from 'pg';
import type { ExportTo, SourceRef, WrittenExport } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Part, Unit } from '../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { unreadable } from '../../exchange/allowed-path.ts';
import { openPartial } from '../../exchange/publish-export.ts';
import { writeFile } from '../../exchange/write-file.ts';
import { readGroupIndex } from '../base/read-base.ts';
import { getPart } from '../base/stored-parts.ts';
import { sectionAsSql, type Section } from './archive-entries.ts';
import { openBase, type BaseContents } from './base-contents.ts';
import { largeObjects } from './catalogue.ts';
import { copyIn } from './copy.ts';
import { globalsOf } from './globals.ts';
import { withoutTriggers } from './into-tables.ts';
import { pageBytes } from './large-objects.ts';
import { tableDetail } from './plan.ts';
import { sessionAsScript } from './session.ts';

const { escapeLiteral: literal } = pg;

/**
 * Writes a base as a script for psql, under a hidden name; `publishExport` gives it its own. From the bucket alone: it asks no server.
 *
 * Safe to repeat: it begins again under another name, and removes what earlier attempts of the run left.
 *
 * @throws BadInput - the path is not allowed or taken, or the disk is full. Unsupported - a folder. Tampered, WrongKey. Whatever it throws, nothing of this attempt is left.
 */
export async function writeExport(context: SourceContext, input: SourceRef & ExportTo & { point: RecoveryPoint }): Promise<WrittenExport> {
  const { path, form, gzip, point } = input;
  if (form !== 'archive') throw new HoldfastError('Unsupported', `${input.system}/${input.source}: a PostgreSQL is exported as one script for psql`, { hint: 'export it as an archive' });
  const partial = await openPartial(context, input);
  try {
    const base = await openBase(context, point);
    const writtenBytes = await writeFile(partial, script(context, base), { gzip, signal: context.signal });
    return { partial: basename(partial), writtenBytes, collections: base.manifest.units.filter(({ kind }) => kind === 'table').length, hasLog: false, restoreCommand: restoreCommand(input) };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    context.signal.throwIfAborted();
    throw unreadable(path, error);
  }
}

export function restoreCommand({ path, gzip }: Pick<ExportTo, 'path' | 'gzip'>): string {
  const quoted = /^[A-Za-z0-9._/-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
  const psql = 'psql --no-psqlrc --set=ON_ERROR_STOP=1 --dbname=DATABASE';
  return gzip ? `gzip --decompress --stdout ${quoted} | ${psql}` : `${psql} --file=${quoted}`;
}

/** Definitions that rows need, rows, what rows have to be there for: the order of a restore. */
async function* script(context: SourceContext, base: BaseContents): AsyncGenerator<Buffer> {
  const { manifest, globals } = base;
  const text = (sql: string): Buffer => Buffer.from(`${sql}\n`);
  yield text(`-- Backup ${manifest.backup} of ${manifest.system}/${manifest.source}, PostgreSQL ${manifest.versions['postgresql']}, as it was at ${new Date(manifest.startedAt).toISOString()}.`);
  yield text(`-- Roles that it names have to be there: ${globalsOf(globals, 'role').map(({ row }) => JSON.stringify(String(row['rolname']))).join(', ')}.`);
  yield text(sessionAsScript);
  if (base.contents === 'rows') yield text(`${withoutTriggers};`);
  if (base.contents !== 'rows') yield text(await definitions(context, base, 'pre-data'));
  if (base.contents !== 'definitions') for (const { oid } of globalsOf(globals, 'large-object')) yield text(`SELECT pg_catalog.lo_create(${Number(oid)});`);
  yield* rows(context, base);
  if (base.contents !== 'definitions') for (const { sql, lastValue, isCalled } of globalsOf(globals, 'sequence')) yield text(`SELECT pg_catalog.setval(${literal(sql)}, ${BigInt(lastValue)}, ${isCalled});`);
  if (base.contents !== 'rows') yield text(await definitions(context, base, 'post-data'));
  if (base.contents !== 'definitions') for (const { sql } of globalsOf(globals, 'view').filter(({ filled }) => filled)) yield text(`REFRESH MATERIALIZED VIEW ${sql};`);
}

const definitions = async (context: SourceContext, { definitions: bytes, manifest }: BaseContents, section: Section): Promise<string> =>
  await sectionAsSql(context, { bytes, major: Number.parseInt(manifest.versions['postgresql']!) }, section);

/** Table after table: its parts may lie in several groups. */
async function* rows(context: SourceContext, { manifest, parts: from }: BaseContents): AsyncGenerator<Buffer> {
  const partsOf = new Map<string, Part[]>();
  for (const group of manifest.groups) {
    for (const part of (await readGroupIndex(context, manifest.backup, group)).parts) partsOf.set(part.unit, [...(partsOf.get(part.unit) ?? []), part]);
  }
  const of = manifest.totals.plainBytes;
  let done = 0;
  for (const unit of manifest.units) {
    const parts = partsOf.get(unit.id) ?? [];
    if (parts.length === 0 || !isRows(unit)) continue;
    if (unit.kind === 'table') yield Buffer.from(`\n${copyIn(unit.name, tableDetail(unit.detail)).replace(/STDIN$/, 'stdin')};\n`);
    for (const part of parts) {
      const bytes = await getPart(from, part);
      yield unit.kind === 'table' ? bytes : Buffer.from(pagesAsSql(bytes.toString('latin1')));
      done += bytes.length;
      context.progress({ phase: 'export', done, of, unit: 'bytes' });
    }
    if (unit.kind === 'table') yield Buffer.from('\\.\n');
  }
}

const isRows = ({ kind }: Unit): boolean => kind === 'table' || kind === largeObjects;

/** Rows of large objects' pages, as COPY writes them: number, page, bytes in hex behind an escaped backslash. */
const pagesAsSql = (lines: string): string =>
  lines.replace(/^(\d+)\t(\d+)\t\\\\x([0-9a-f]*)$/gm, (_, oid: string, page: string, hex: string) => `SELECT pg_catalog.lo_put(${oid}, ${BigInt(page) * BigInt(pageBytes)}, '\\x${hex}');`);
