import { readFileSync } from 'node:fs';
import pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { historySchema, type History, type Timeline } from '../../../workflows/domain/source-records.ts';
import { formatVersion } from '../../../workflows/domain/stored-object.ts';
import type { SourceContext } from '../../context.ts';
import { findSigned, putSigned } from '../../store/signed-object.ts';
import { listTimelines } from '../../store/timelines.ts';
import type { Store } from '../../store/store.ts';
import { configOf, withoutValues, type Place } from '../postgres/connect.ts';
import { historyName } from './segment.ts';
import { identityOf } from './server.ts';

/**
 * What the server's own history file says of its timeline: which ones it came from, and where it left each. A timeline of ours is the log of one of PostgreSQL's, so one history lies beside its
 * slices, from the first segment on.
 *
 * Two servers that were promoted apart from each other may both be on "timeline 2" of the same cluster: by its number nobody can tell them apart, by where it branched off one can. So log, bases and
 * history files of a timeline are taken only of a server that tells the same history; and who recovers by hand is given it, so that its server follows the timeline, or takes another number than it.
 * Two that branched off at the very same place, for the same reason, are told apart by the first segment that both push.
 */

/** Answers of this process: the same store need not be asked for each segment. */
const known = new WeakMap<Store, Map<string, string>>();

/**
 * Keeps the history of a timeline of ours, or sees that it is the one that is kept: once this returns, it is durable in the store. Safe to repeat, and from two servers at once: the first is kept.
 * @throws AlreadyExists - it is another one: of another server that was promoted to the same number. Tampered - what lies there is not believed.
 */
export async function keepHistory(context: SourceContext, { timeline, startedAt }: Pick<Timeline, 'timeline' | 'startedAt'>, { file, content }: Pick<History, 'file' | 'content'>): Promise<'stored' | 'known'> {
  const { store, keys, signal } = context;
  const scope = { system: context.system.system, source: context.sourceName, timeline };
  const ofStore = known.get(store) ?? new Map<string, string>();
  known.set(store, ofStore);
  const name = `${scope.system}/${scope.source}/${timeline} of ${startedAt}`;
  let state: 'stored' | 'known' = 'known';
  let kept = ofStore.get(name) ?? (await findHistory(context, scope));
  if (kept === undefined) {
    const body: History = { format: formatVersion, kind: 'history', ...scope, file, content };
    await putSigned(store, keys, layout.history(scope), body, { ifAbsent: true, signal }).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    });
    state = 'stored';
    kept = await findHistory(context, scope);
  }
  if (kept !== content) {
    throw new HoldfastError('AlreadyExists', `${layout.history(scope)} holds another history of PostgreSQL's timeline than the server's ${file}: two servers were promoted to one number, and this one is not the source`, {
      hint: 'correct the endpoint, or the archive_command of the server that is not the source; one that was promoted without Holdfast is another source: give it a name of its own in the system file',
      details: { key: layout.history(scope) },
    });
  }
  ofStore.set(name, kept);
  return state;
}

/** As the store has it; undefined: nobody has told it yet. @throws Tampered - something is there that is not believed. */
export async function findHistory({ store, keys, signal }: SourceContext, scope: TimelineScope): Promise<string | undefined> {
  const { found, rejected } = await findSigned(store, keys, historySchema, layout.history(scope), { signal });
  if (!found && rejected.length > 0) throw new HoldfastError('Tampered', `${layout.history(scope)} is not believed: ${rejected[0]!.why}`, { details: { key: layout.history(scope) } });
  return found?.body.content;
}

/** As the server tells it to who streams from it. @throws SourceUnavailable - it does not. */
export async function readHistory(place: Place, timeline: number): Promise<Pick<History, 'file' | 'content'>> {
  // What it sends is text or bytes by its version: taken as it comes.
  const client = new pg.Client({ ...configOf(place), replication: 'true', types: { getTypeParser: () => (value: string) => value } } as unknown as pg.ClientConfig);
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows: [row] } = await client.query<{ content: string }>(`TIMELINE_HISTORY ${timeline}`);
    return { file: historyName(timeline), content: row!.content };
  } catch (error) {
    throw new HoldfastError(place.unavailable, `the server does not tell the history of its timeline ${timeline}: ${error instanceof pg.DatabaseError ? withoutValues(error) : (error as Error).message}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Of a server that is read by the network, as `keepHistory`. The first timeline has none. */
export async function keepHistoryOf(context: SourceContext, place: Place, timeline: Timeline, { timeline: number }: { timeline: number }): Promise<void> {
  if (number > 1) await keepHistory(context, timeline, await readHistory(place, number));
}

/** The history that lies beside a segment, as in any server's own directory. Undefined: it lies alone. */
export function historyBeside(directory: string, timeline: number): Pick<History, 'file' | 'content'> | undefined {
  const file = historyName(timeline);
  try {
    return { file, content: readFileSync(`${directory}/${file}`, 'utf8') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The newest timeline of ours that is the log of this one of PostgreSQL's. @param system - of which cluster; left out: any. */
export async function timelineOf(context: SourceContext, { system, timeline }: { system?: string; timeline: number }): Promise<Timeline | undefined> {
  const { store, keys, signal } = context;
  const of = { system: context.system.system, source: context.sourceName };
  const timelines = await listTimelines(store, keys, of, { signal });
  if (timelines.length === 0) throw new HoldfastError('NoRecoveryPoint', `${layout.timelines(of.system, of.source)}: the store holds no timeline of it`);
  return timelines.findLast(({ body: { sourceIdentity } }) => (system === undefined ? sourceIdentity.split('/')[1] === String(timeline) : sourceIdentity === identityOf({ system, timeline })))?.body;
}
