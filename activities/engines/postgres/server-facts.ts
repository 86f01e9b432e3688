import type pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Timeline } from '../../../workflows/domain/source-records.ts';
import type { SourceContext } from '../../context.ts';
import { currentOrFirstTimeline } from '../base/timelines.ts';

/** Majors that the tests run against. */
const testedMajors = new Set([14, 15, 17]);
const oldestMajor = 14;

export interface ServerFacts {
  /** 17.10 */
  version: string;
  major: number;
  encoding: string;
  /** what tells this database from another at the same address: the cluster's own id, and the database's in it */
  identity: string;
}

/** Encodings whose every text is one text in UTF-8, and the other way round. Of SQL_ASCII only what is UTF-8 can be read at all: the server says so of anything else. */
const knownEncodings = /^(UTF8|SQL_ASCII|LATIN\d+|ISO_8859_\d|WIN\d+|KOI8[RU])$/;

/**
 * What the server is, and the database that the session is in.
 * @throws Unsupported - older than 14, another program that speaks the protocol, or an encoding that does not survive UTF-8.
 */
export async function readServerFacts(client: pg.Client): Promise<ServerFacts> {
  const { rows } = await client.query<{ number: string; version: string; encoding: string; identity: string; banner: string; block: string }>(`
    SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS version, current_setting('server_encoding') AS encoding, version() AS banner, current_setting('block_size') AS block,
      (SELECT system_identifier::text FROM pg_control_system()) || '/' || (SELECT oid::text FROM pg_database WHERE datname = current_database()) AS identity`);
  const { number, version, encoding, identity, banner, block } = rows[0]!;
  const major = Math.floor(Number(number) / 10_000);
  if (!banner.startsWith('PostgreSQL ')) throw new HoldfastError('Unsupported', `the source is no PostgreSQL: it says ${banner.slice(0, 80)}`);
  if (major < oldestMajor) throw new HoldfastError('Unsupported', `PostgreSQL ${version} is not supported`, { hint: `${oldestMajor} is the oldest: a range of a table cannot be read by its pages before` });
  if (!testedMajors.has(major) && process.env['HOLDFAST_FORCE_SERVER'] !== '1') {
    throw new HoldfastError('Unsupported', `PostgreSQL ${version} is experimental: only ${[...testedMajors].join(', ')} are tested`, { hint: 'set HOLDFAST_FORCE_SERVER=1 to go on, and drill the restore' });
  }
  if (block !== '8192') throw new HoldfastError('Unsupported', `the server was built with blocks of ${block} bytes`, { hint: 'only the usual 8192 are supported' });
  if (!knownEncodings.test(encoding)) throw new HoldfastError('Unsupported', `the database is encoded in ${encoding}, of which not every text survives UTF-8`);
  return { version: version.split(' ')[0]!, major, encoding, identity };
}

/**
 * The timeline that this source lives in: the current one, or the first one when there is none. Safe to repeat, and from two jobs at once.
 * @throws BadInput - the database is another one than the timeline's.
 */
export async function sourceTimeline(context: SourceContext, of: { identity: string; epoch: number; why: string }): Promise<string> {
  const timeline = await currentOrFirstTimeline(context, of);
  requireIdentity(context, timeline, of.identity);
  return timeline.timeline;
}

function requireIdentity(context: SourceContext, { sourceIdentity, timeline, environment }: Timeline, identity: string): void {
  if (sourceIdentity === identity) return;
  const where = environment ?? context.source.environment;
  throw new HoldfastError('BadInput', `${context.sourceName} in ${where} is database ${identity} (cluster/oid), and timeline ${timeline} is of ${sourceIdentity}`, {
    hint: `correct the endpoint of ${context.sourceName} in ${where} if that is the wrong database; one that was made anew on purpose is another source: give it a name of its own in the system file, or bring the old data back with recoverSystem`,
  });
}
