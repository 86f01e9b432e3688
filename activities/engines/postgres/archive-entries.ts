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

/** The entries of a section, in the order in which they are to be made. */
export async function listEntries(context: SourceContext, archive: Archive, section: Section): Promise<ArchiveEntry[]> {
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

/** These entries as SQL, without what stands before and behind all of them: those settings every session of ours has, as far as the server knows them. */
export async function entriesAsSql(context: SourceContext, archive: Archive, entries: readonly ArchiveEntry[]): Promise<string> {
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
