import { layout, parseHeadKey, parseRangeKey, type TimelineScope } from '../../workflows/domain/layout.ts';
import { previousLogPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import { approvedRetentionSchema, expiredBaseSchema, type ApprovedRetention, type ExpiredBase, type ExpiredLog } from '../../workflows/domain/retention/records.ts';
import { formatVersion, type ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { Expired } from '../../workflows/domain/retention/describe-retention.ts';
import { mayGo } from '../../workflows/domain/retention/judge-log.ts';
import type { BaseVerdict, RetentionFacts, RetentionPlan, UnfinishedVerdict } from '../../workflows/domain/retention/plan.ts';
import { planRetention } from '../../workflows/domain/retention/plan-retention.ts';
import { abilitiesOf } from '../../workflows/domain/engines.ts';
import { addsTo, type CatalogBase } from '../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../context.ts';
import { assertEpoch } from '../store/epoch.ts';
import { foldersUnder, keysUnder } from '../store/keys-under.ts';
import { listByTime } from '../store/list-by-time.ts';
import { findSigned, putSigned, readSigned } from '../store/signed-object.ts';
import type { ObjectVersion } from '../store/store.ts';
import { currentTimeline } from '../store/timelines.ts';
import { Deleter } from './delete-versions.ts';
import { readFacts } from './read-facts.ts';
import { HeldLog } from './held-log.ts';
import { hasVersion } from './read-unfinished.ts';
import { deleteRest, takeBase, unlessThere } from './take-base.ts';

/**
 * Carries out what was approved, and of it only what a plan that is made here, right before the act, lets go too: a hold, a mark or a run that came meanwhile counts.
 *
 * Bases first, the oldest first; then log that no base needs any more. Killed anywhere, a new try goes by the bucket:
 *
 * | killed | left behind | the next try, or the next run |
 * |---|---|---|
 * | before a base's note (`expired/<backup>.json`) | nothing | begins with it |
 * | after the note, before its manifest is gone | a whole base, and the note | goes on; where it is kept by now, takes the note away |
 * | after the manifest | parts that nothing sees, and the note | deletes them, takes the base off the list of bases, the note last |
 * | after the note of the log (`<timeline>/expired/<position>.json`) | a note that says of a hole that it is no loss, and no hole | goes on |
 * | before the note of what was never sealed, or after it | its parts, with or without a note | with a note: deletes the rest, the note last |
 * | among heads | slices without a head | goes on |
 * | among slices | fewer of those that no base needs | goes on |
 *
 * Of what was never sealed only that is taken which nobody wrote to for a week, and none while a backup of the system runs (`backupRuns`); whoever seals is refused once there is a note.
 * While slices go the holds are read again every so often: a run that begins to read an older moment meanwhile keeps what is there of it.
 *
 * A base goes after those that add to it, and not where one of them stays: killed in between, what is left is whole. A backup that begins to add to it meanwhile puts its plan before it looks for the
 * note, and the note is put before the plans are looked at: one of the two meets the other.
 *
 * What the store does not let go, since it is locked, is named and left for the next run; a base that stays for that keeps its log.
 *
 * @param plan - as `planForRun` wrote it.
 * @throws EpochSuperseded - another control plane commands the system. StoreUnavailable - retryable.
 */
export async function expire(context: SourceContext, { plan: ref, run, backupRuns }: { plan: ObjectRef; run: string; backupRuns: boolean }): Promise<Expired> {
  const approved = await readSigned(context.store, context.keys, approvedRetentionSchema, ref, { signal: context.signal });
  const rules = context.system.retention?.sources[context.sourceName];
  const deleter = new Deleter(context);
  const refused = new Set<string>();
  // Before the facts: what is said while they are read counts too.
  let marks = await marksOf(context);
  const begun = new BegunBackups(context);
  await begun.look();
  const facts = await readFacts(context, rules);
  const now = planRetention(facts, rules);
  const going = agreed(approved, now, deleter);
  await finishBegun(context, deleter, facts, new Set(going.map(({ backup }) => backup)));
  let current = now;
  // A mark that was said since, a disposal's among them, may have made another base the one that has to stay.
  const stays = async (backup: string): Promise<string | null> => {
    const said = await marksOf(context);
    if ((await begun.look()) || said !== marks) current = planRetention(await readFacts(context, rules, refused), rules);
    marks = said;
    const verdict = current.bases.find((one) => one.backup === backup);
    return verdict?.goes ? null : (verdict?.why.join('; ') ?? 'a disposal takes it');
  };
  const basesOf = new Map(facts.catalog.bases.map((base) => [base.backup, base]));
  for (const base of addersFirst(going, basesOf)) {
    const adder = [...refused].find((one) => addsTo(basesOf.get(one) ?? {}, base.backup));
    if (adder !== undefined) {
      deleter.leave(`base ${base.backup}`, `it was to go, and stays: base ${adder} adds to it`);
      refused.add(base.backup);
    } else if (!(await takeBase(context, deleter, base, { run, at: facts.now, stays }))) refused.add(base.backup);
  }
  if (!backupRuns) for (const one of agreedUnfinished(approved, now)) await takeUnfinished(context, deleter, one, { run, at: facts.now });
  const left = await readFacts(context, rules, refused);
  const after = planRetention(left, rules);
  // By the store: a try that went on where another was killed has not seen all of them go.
  const there = new Set([...after.bases, ...(left.catalog.disposed ?? [])].map(({ backup }) => backup));
  deleter.done.bases = approved.bases.filter(({ backup, goes }) => goes && !there.has(backup)).length;
  for (const timeline of Object.keys(after.logEnds)) await expireLog(context, deleter, timeline, [approved, after], { run, at: after.at });
  return deleter.done;
}

/** Before each base those that add to it. */
function addersFirst(going: readonly BaseVerdict[], bases: ReadonlyMap<string, CatalogBase>): BaseVerdict[] {
  const depth = ({ backup }: BaseVerdict): number => bases.get(backup)?.parents?.length ?? 0;
  const ordered = new Set<BaseVerdict>();
  for (const one of going) {
    for (const adder of going.filter(({ backup }) => addsTo(bases.get(backup) ?? {}, one.backup)).sort((a, b) => depth(b) - depth(a))) ordered.add(adder);
    ordered.add(one);
  }
  return [...ordered];
}

/** Backups by their plans, of an engine whose bases add to others. */
class BegunBackups {
  readonly #context: SourceContext;
  readonly #known = new Set<string>();

  constructor(context: SourceContext) {
    this.#context = context;
  }

  /** @returns whether one has begun since it was looked for the last time. */
  async look(): Promise<boolean> {
    const { store, keys, signal, system, sourceName, source } = this.#context;
    if (abilitiesOf(source.engine).increments !== true) return false;
    const of = { system: system.system, source: sourceName };
    const timeline = (await currentTimeline(store, keys, of, { signal }))?.timeline;
    if (timeline === undefined) return false;
    let isNew = false;
    for await (const backup of foldersUnder(store, layout.backups({ ...of, timeline }), signal)) {
      if (this.#known.has(backup) || !(await hasVersion(this.#context, layout.plan({ ...of, timeline, backup })))) continue;
      this.#known.add(backup);
      isNew = true;
    }
    return isNew;
  }
}

/** All that was ever said of the source's points, by its names: as long as they are the same, nothing was said. */
async function marksOf({ store, signal, system, sourceName }: SourceContext): Promise<string> {
  const keys: string[] = [];
  for await (const key of keysUnder(store, layout.marks(system.system, sourceName), signal)) keys.push(key);
  return keys.join('\n');
}

/** The oldest first. What was to go and stays now is said. */
function agreed(approved: ApprovedRetention, now: RetentionPlan, deleter: Deleter): BaseVerdict[] {
  const ids = new Set(approved.bases.filter(({ goes }) => goes).map(({ backup }) => backup));
  for (const { backup, goes, why } of now.bases) if (!goes && ids.has(backup)) deleter.leave(`base ${backup}`, `it was to go, and stays: ${why.join('; ')}`);
  return now.bases.filter(({ backup, goes }) => goes && ids.has(backup)).reverse();
}

/** What was never sealed, and was as quiet when the plan was approved. */
function agreedUnfinished(approved: ApprovedRetention, now: RetentionPlan): UnfinishedVerdict[] {
  return now.unfinished.filter((one) => one.goes && approved.unfinished.some(({ backup, goes, lastAt }) => backup === one.backup && goes && lastAt === one.lastAt));
}

/** The note first: from here on nobody seals it. */
async function takeUnfinished(context: SourceContext, deleter: Deleter, { timeline, backup }: UnfinishedVerdict, { run, at }: { run: string; at: string }): Promise<void> {
  const { store, keys, signal, system, sourceName, epoch } = context;
  const note: ExpiredBase = { format: formatVersion, kind: 'expired-base', system: system.system, source: sourceName, timeline, backup, epoch, run, at };
  await putSigned(store, keys, layout.expiredBase(note), note, { ifAbsent: true, lockUntil: new Date(0), signal }).catch(unlessThere);
  await assertEpoch(store, system.system, epoch, { signal });
  if (await hasVersion(context, layout.manifest(note))) {
    deleter.leave(`what was written of ${backup}`, 'it was sealed meanwhile');
    return void (await deleter.deleteKey(layout.expiredBase(note)));
  }
  deleter.done.unfinished += 1;
  await deleteRest(context, deleter, note);
}

/** What an earlier try or run has begun: where the manifest is gone the rest goes too, and where the base is to stay by now the note goes. */
async function finishBegun(context: SourceContext, deleter: Deleter, { catalog, imports }: RetentionFacts, going: ReadonlySet<string>): Promise<void> {
  const { store, keys, signal } = context;
  for await (const key of keysUnder(store, layout.expiredBases(catalog.system, catalog.source), signal)) {
    const { found } = await findSigned(store, keys, expiredBaseSchema, key, { signal });
    // What is being disposed of its own run ends.
    if (!found || going.has(found.body.backup) || catalog.disposed?.some(({ backup }) => backup === found.body.backup)) continue;
    if ([...catalog.bases, ...imports].some(({ backup }) => backup === found.body.backup)) await deleter.deleteKey(key);
    else if (!(await hasVersion(context, layout.manifest(found.body)))) await deleteRest(context, deleter, found.body);
    else deleter.leave(layout.manifest(found.body), 'it is not believed: somebody has to look');
  }
}

/** Log of one timeline that may go by both plans. A head that stays names a slice that has to: so heads go first, and where one is refused the log stays. */
async function expireLog(context: SourceContext, deleter: Deleter, timeline: string, plans: Pick<RetentionPlan, 'keptLog' | 'logEnds'>[], { run, at }: { run: string; at: string }): Promise<void> {
  const { store, keys, signal, system, sourceName, epoch } = context;
  const scope: TimelineScope = { system: system.system, source: sourceName, timeline };
  const held = new HeldLog(context, timeline);
  const goes = (range: { from: LogPosition; to: LogPosition }): boolean => mayGo(plans, timeline, range) && !held.keeps(range);
  await held.refresh();
  let before: LogPosition | undefined;
  for await (const slice of slicesOf(context, scope)) if (goes(slice) && (before === undefined || slice.to > before)) before = slice.to;
  if (before === undefined) return;
  await assertEpoch(store, system.system, epoch, { signal });
  const note: ExpiredLog = { format: formatVersion, kind: 'expired-log', ...scope, epoch, before, run, at };
  await putSigned(store, keys, layout.expiredLog(scope, before), note, { ifAbsent: true, lockUntil: new Date(0), signal }).catch(unlessThere);
  for await (const key of keysUnder(store, layout.expiredLogs(scope), signal)) if (key < layout.expiredLog(scope, before)) await deleter.deleteKey(key);
  let headsGone = true;
  for await (const key of keysUnder(store, layout.heads(scope), signal)) {
    const to = parseHeadKey(key);
    await held.look();
    if (to !== undefined && goes({ from: previousLogPosition(to), to })) headsGone = (await deleter.deleteKey(key)) && headsGone;
  }
  if (!headsGone) return deleter.leave(`the log of ${timeline} up to ${before}`, 'a head that names it is locked');
  const { objects, leftCount: refusedBefore } = deleter.done;
  await deleter.deleteAll(versionsThatGo(context, scope, held, goes));
  deleter.done.slices += deleter.done.objects - objects;
  if (deleter.done.leftCount > refusedBefore) return;
  // By the store: what was deleted is gone.
  for await (const slice of slicesOf(context, scope)) if (goes(slice)) deleter.leave(slice.key, 'it is there, though it was deleted: the next run looks again');
}

async function* slicesOf({ store, signal }: SourceContext, scope: TimelineScope): AsyncGenerator<ObjectVersion & { from: LogPosition; to: LogPosition }> {
  for await (const version of listByTime(store, layout.slices(scope), { signal })) {
    const range = parseRangeKey(version.key);
    if (range && version.key === layout.slice(scope, range.from, range.to)) yield { ...version, ...range };
  }
}

async function* versionsThatGo(context: SourceContext, scope: TimelineScope, held: HeldLog, goes: (range: { from: LogPosition; to: LogPosition }) => boolean): AsyncGenerator<ObjectVersion> {
  for await (const slice of slicesOf(context, scope)) {
    if (!goes(slice)) continue;
    await held.look();
    if (goes(slice)) yield slice;
  }
}
