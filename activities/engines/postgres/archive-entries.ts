import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import type { ProgramSpec } from '../tool/program-spec.ts';
import { feed, outputOf, runProgram } from '../tool/run-program.ts';

/** An archive of pg_dump, and how new the program must be that takes it apart. */
export interface Archive {
  bytes: Buffer;
  major: number;
}

export type Section = 'pre-data' | 'post-data';

/** One entry of an archive's list: `221; 1259 16636 TABLE public orders app`. */
export interface ArchiveEntry {
  line: string;
  /** in this archive */
  id: string;
  /** of the thing at the server that the archive was made of */
  oid: string;
  /** without the numbers, which are other ones in another archive of the same things */
  name: string;
}

/** A section of an archive, taken apart once: whoever makes it in many pieces would else start a program for each, that reads all of it. */
export interface SectionScript {
  /** in the order in which they are to be made */
  entries: ArchiveEntry[];
  /** Some of them as SQL, without what stands before and behind all of them: those settings every session of ours has, as far as the server knows them. */
  sqlOf(entries: readonly ArchiveEntry[]): Promise<string>;
  /** The same, some of them otherwise. Undefined: it could not be taken apart, and the program is asked for each piece. */
  change?: (how: (entry: ArchiveEntry, sql: string) => string) => SectionScript;
}

export async function readSection(context: SourceContext, archive: Archive, section: Section): Promise<SectionScript> {
  const [entries, script] = await Promise.all([listEntries(context, archive, section), takeApart(context, archive, ['--file=-', '--verbose', `--section=${section}`], {})]);
  const blocks = blocksOf(bodyOf(script), entries);
  return blocks ? scriptOf(entries, blocks) : { entries, sqlOf: async (some) => await entriesAsSql(context, archive, some) };
}

const scriptOf = (entries: ArchiveEntry[], blocks: ReadonlyMap<string, Block>): SectionScript => ({
  entries,
  sqlOf: async (some) => await Promise.resolve(joinBlocks(some.map(({ id }) => blocks.get(id)!))),
  change: (how) => scriptOf(entries, new Map(entries.map((entry) => [entry.id, { ...blocks.get(entry.id)!, sql: how(entry, blocks.get(entry.id)!.sql) }]))),
});

/** What one entry of a script says, and the settings that it is said under. */
interface Block {
  at: number;
  settings: string[];
  sql: string;
}

const blockHeading = /^--\n-- TOC entry (\d+) \(class \d+ OID \d+\)\n(?:-- Dependencies: [\d ]+\n)?-- Name: [^\n]*\n(?:-- Data Pos: \d+\n)?--\n/gm;

/**
 * Undefined: the script's headings are not these entries', each once. So a heading that stands in a text of the database, such as the body of a function, is never taken for one: what it
 * names would be there twice, or not be of the section.
 */
export function blocksOf(body: string, entries: readonly ArchiveEntry[]): Map<string, Block> | undefined {
  const found = [...body.matchAll(blockHeading)];
  const ids = new Set(entries.map(({ id }) => id));
  if (found.length !== ids.size || !found.every(([, id]) => ids.delete(id!))) return undefined;
  const blocks = new Map<string, Block>();
  let settings = settingsIn(body.slice(0, found[0]?.index ?? 0));
  for (const [at, match] of found.entries()) {
    const sql = body.slice(match.index + match[0].length, found[at + 1]?.index ?? body.length);
    blocks.set(match[1]!, { at, settings: [...settings.values()], sql });
    // Said behind one entry for those that follow.
    settings = new Map([...settings, ...settingsIn(sql)]);
  }
  return blocks;
}

const setting = /^SET (default_tablespace|default_table_access_method) = (?:''|\w+|"(?:[^"\n]|"")*");$/;

/** Behind an entry's own statements: inside one, such as a function's body, the same words are text. */
function settingsIn(sql: string): Map<string, string> {
  const lines = sql.trimEnd().split('\n');
  const own = lines.findLastIndex((line) => line !== '' && !setting.test(line));
  return new Map(lines.slice(own + 1).flatMap((line) => (line === '' ? [] : [[setting.exec(line)![1]!, line]])));
}

/** In the order of the script: what takes rights away stands behind all that needs them. */
function joinBlocks(blocks: readonly Block[]): string {
  return [...blocks].sort((a, b) => a.at - b.at).map(({ settings, sql }) => `${settings.join('\n')}\n${sql}`).join('');
}

/** The entries of a section, in the order in which they are to be made. */
async function listEntries(context: SourceContext, archive: Archive, section: Section): Promise<ArchiveEntry[]> {
  const listed = await takeApart(context, archive, ['--list', `--section=${section}`], {});
  return listed.split('\n').flatMap(entryOf);
}

function entryOf(line: string): ArchiveEntry[] {
  const [, id, oid, name] = /^(\d+); \d+ (\d+) (.*)$/s.exec(line) ?? [];
  return id === undefined ? [] : [{ line, id, oid: oid!, name: name!.trimEnd() }];
}

/** Every entry of an archive, by its id, and the ids of those that have to be there before it. */
export async function listNeeds(context: SourceContext, archive: Archive): Promise<Map<string, { entry: ArchiveEntry; needs: string[] }>> {
  const listed = new Map<string, { entry: ArchiveEntry; needs: string[] }>();
  let last: { entry: ArchiveEntry; needs: string[] } | undefined;
  for (const line of (await takeApart(context, archive, ['--list', '--verbose'], {})).split('\n')) {
    const needs = /^;\s+depends on:((?: \d+)+)\s*$/.exec(line)?.[1];
    if (needs !== undefined) last?.needs.push(...needs.trim().split(' '));
    const [entry] = entryOf(line);
    if (entry) listed.set(entry.id, (last = { entry, needs: [] }));
  }
  return listed;
}

/** As a section's own `sqlOf`, by the program. */
async function entriesAsSql(context: SourceContext, archive: Archive, entries: readonly ArchiveEntry[]): Promise<string> {
  const script = await takeApart(context, archive, ['--file=-', '--use-list={{file:list}}'], { list: entries.map(({ line }) => line).join('\n') });
  return bodyOf(script);
}

/** What an archive says of each thing, as SQL, by the heading that pg_restore gives it: equal for equal things, whatever archive they are in. */
export async function describeEntries(context: SourceContext, archive: Archive): Promise<Map<string, string>> {
  const body = bodyOf(await takeApart(context, archive, ['--file=-'], {}));
  const described = new Map<string, string>();
  for (const block of `\n${body}`.split(heading).slice(1)) {
    const end = block.indexOf('\n--\n');
    const name = block.slice(0, end);
    // Said of the entry that follows, whose heading says it too.
    const text = block.slice(end + 4).replace(/^SET default_\w+ = .*;$/gm, '').trim();
    described.set(name, `${described.get(name) ?? ''}${text}\n`);
  }
  return described;
}

const heading = '\n--\n-- Name: ';
const lastSetting = '\nSET row_security = off;\n';
const ending = '\n--\n-- PostgreSQL database dump complete\n--\n';

/** @throws ToolFailed - it is no script as pg_restore of 14 to 17 writes them. */
function bodyOf(script: string): string {
  const from = script.indexOf(lastSetting);
  const to = script.lastIndexOf(ending);
  if (from < 0 || to < from) throw new HoldfastError('ToolFailed', 'pg_restore wrote a script whose beginning or end is not where it is expected');
  return script.slice(from + lastSetting.length, to);
}

/** A whole section as SQL. */
export const sectionAsSql = async (context: SourceContext, archive: Archive, section: Section): Promise<string> => bodyOf(await takeApart(context, archive, ['--file=-', `--section=${section}`], {}));

/** Runs pg_restore on the archive; it connects to nothing. */
async function takeApart(context: SourceContext, { bytes, major }: Archive, args: string[], files: Record<string, string>): Promise<string> {
  const spec: ProgramSpec = { name: 'pg_restore', path: (await findPostgresProgram('pg_restore', major)).path, args, env: {}, secrets: {}, files };
  return await runProgram(context, spec, async (running) => {
    const said: Buffer[] = [];
    const read = (async () => {
      for await (const chunk of outputOf(running, spec)) said.push(chunk);
    })();
    // Heard from the beginning: it may fail while the archive is still being fed.
    read.catch(() => undefined);
    await feed(running, spec, bytes, context.signal);
    running.stdin.end();
    await read;
    return Buffer.concat(said).toString('utf8');
  });
}
