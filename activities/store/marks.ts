import { HoldfastError } from '../../workflows/domain/errors.ts';
import { importTimeline, isTimelineId, layout } from '../../workflows/domain/layout.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { markSchema, type Mark } from '../../workflows/domain/source-records.ts';
import { foldMarks, keyOfSlicePoint, type PointMark } from '../../workflows/domain/point-mark.ts';
import type { Keys } from '../stream/keys.ts';
import { isListedBase } from './base-list.ts';
import { keysUnder } from './keys-under.ts';
import { findSigned, putSigned, type Found } from './signed-object.ts';
import type { Store } from './store.ts';

/**
 * Marks: what people, or a verification, say of a base, an import or a slice. Each is an object of its own, named by the instant at which it was said,
 * signed and never rewritten: all that was ever said stays, and the latest counts.
 */
export interface MarkRoom {
  store: Store;
  keys: Keys;
  signal?: AbortSignal | undefined;
}

export type MarkToWrite = Pick<Mark, 'system' | 'source' | 'point' | 'state' | 'reason' | 'by' | 'id'>;

/**
 * Writes one mark, behind those that are there, by the store's clock. Killed before the put: nothing was said. After it, or tried again under one `id`: it
 * was said once.
 *
 * What takes a disposal back is looked at once more when it is said: a disposal looks at the marks behind its last key, so whichever of the two comes last says that it is disposed of.
 *
 * @throws NoRecoveryPoint - the store holds no such base, import or slice, and no list of bases names it. NotPermitted - it is disposed of, and nothing opens it any more.
 */
export async function writeMark(room: MarkRoom, said: MarkToWrite): Promise<Mark> {
  await refuseUnknown(room, said);
  for (;;) {
    const before = await readHistory(room, said, said.point);
    const mark = before.find(({ id }) => id === said.id) ?? (await putBehind(room, said, before));
    if (mark === undefined) continue;
    if (takesBack(said) && (await readHistory(room, said, said.point)).some(({ state }) => state === 'disposed')) await refuseRevival(room, said).catch(async (refused: unknown) => {
      await sayDisposedAgain(room, said, `${said.id}/again`);
      throw refused;
    });
    return mark;
  }
}

const takesBack = ({ state }: Pick<Mark, 'state'>): boolean => state === 'good' || state === 'kept';

/** Undefined: somebody else was faster. */
async function putBehind(room: MarkRoom, said: MarkToWrite, before: readonly Mark[]): Promise<Mark | undefined> {
  const { store, keys, signal } = room;
  if (takesBack(said) && foldMarks(before)?.disposal) await refuseRevival(room, said);
  const lastMs = Math.max(0, ...before.map(({ at }) => Date.parse(at)));
  const at = new Date(Math.max((await store.now({ signal })).getTime(), lastMs + 1)).toISOString();
  const { system, source, point, state, reason, by, id } = said;
  const mark: Mark = { format: formatVersion, kind: 'mark', system, source, point, state, reason, by, at, id };
  try {
    await putSigned(store, keys, layout.mark(said, point, at), mark, { ifAbsent: true, signal });
    return mark;
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    return undefined;
  }
}

/** Whoever took it back while its last key went would have people given what nobody can open. */
export async function sayDisposedAgain(room: MarkRoom, { system, source, point }: Pick<Mark, 'system' | 'source' | 'point'>, id: string): Promise<void> {
  if (foldMarks(await readHistory(room, { system, source }, point))?.disposal) return;
  await writeMark(room, { system, source, point, state: 'disposed', reason: 'its keys are destroyed', by: 'disposal', id }).catch((error: unknown) => {
    // Its manifest is gone too: there is nothing to be given.
    if (!(error instanceof HoldfastError) || error.type !== 'NoRecoveryPoint') throw error;
  });
}

/** All that was said of a point and is believed, the oldest first. */
export async function readHistory({ store, keys, signal }: MarkRoom, of: { system: string; source: string }, point: string): Promise<Mark[]> {
  const marks: Mark[] = [];
  for await (const key of keysUnder(store, layout.marksOf(of, point), signal)) {
    const { found } = await findSigned(store, keys, markSchema, key, { signal });
    if (found) marks.push(found.body);
  }
  return marks;
}

/**
 * What holds of each point that was ever marked.
 * @param believe - reads one by its key; undefined: it is not believed, which `believe` has told.
 */
export async function readMarks({ store, signal }: Pick<MarkRoom, 'store' | 'signal'>, of: { system: string; source: string }, believe: (key: string) => Promise<Found<Mark> | undefined>): Promise<Map<string, PointMark>> {
  const said = new Map<string, Mark[]>();
  for await (const key of keysUnder(store, layout.marks(of.system, of.source), signal)) {
    const found = await believe(key);
    if (found) said.set(found.body.point, [...(said.get(found.body.point) ?? []), found.body]);
  }
  return new Map([...said].flatMap(([point, marks]) => {
    const mark = foldMarks(marks);
    return mark ? [[point, mark] as const] : [];
  }));
}

/** A misspelt point would be a mark that nobody ever meets. */
async function refuseUnknown({ store, keys: signed, signal }: MarkRoom, { system, source, point }: MarkToWrite): Promise<void> {
  const slice = keyOfSlicePoint({ system, source }, point);
  const keys = slice !== undefined ? [slice] : (await timelinesOf({ store, signal }, { system, source }, point)).map((timeline) => layout.manifest({ system, source, timeline, backup: point }));
  for (const wanted of keys) {
    for await (const { key, isDeleteMarker } of store.list(wanted, { signal })) {
      if (key !== wanted) break;
      if (!isDeleteMarker) return;
    }
  }
  if (slice === undefined && (await isListedBase({ store, keys: signed, signal }, { system, source }, point))) return;
  throw new HoldfastError('NoRecoveryPoint', `${system}/${source}: no base, import or slice ${point}`, { hint: `holdfast points ${system} lists bases and imports; a slice is <timeline>.<from>_<to>` });
}

/** Whoever were given it could not open it. */
async function refuseRevival({ store, signal }: MarkRoom, { system, source, point }: MarkToWrite): Promise<void> {
  for (const timeline of await timelinesOf({ store, signal }, { system, source }, point)) {
    for await (const { isDeleteMarker } of store.list(layout.backupKeys({ system, source, timeline, backup: point }), { signal })) if (!isDeleteMarker) return;
  }
  throw new HoldfastError('NotPermitted', `${system}/${source}: ${point} is disposed of: no wrapping of its key is left, so nothing can be restored from it`);
}

async function timelinesOf({ store, signal }: Pick<MarkRoom, 'store' | 'signal'>, { system, source }: { system: string; source: string }, point: string): Promise<string[]> {
  const timelines = [importTimeline(point)];
  for await (const key of keysUnder(store, layout.timelines(system, source), signal)) {
    const timeline = key.slice(key.lastIndexOf('/') + 1).replace(/\.json$/, '');
    if (isTimelineId(timeline)) timelines.push(timeline);
  }
  return timelines;
}
