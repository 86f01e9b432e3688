import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../workflows/domain/find-recovery-point.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { nextLogPosition } from '../../workflows/domain/log-position.ts';
import { timeOfId } from '../../workflows/domain/make-id.ts';
import type { CheckedPoint, PointCheck } from '../../workflows/domain/point-check.ts';
import { describeDoubt } from '../../workflows/domain/point-mark.ts';
import { isMark, momentAsked, type Catalog, type RecoveryPoint, type RecoveryTarget } from '../../workflows/domain/recovery-point.ts';
import { seconds } from '../../workflows/domain/units.ts';
import type { SourceContext } from '../context.ts';
import type { Engine, MarkedPlace } from '../engines/engine.ts';
import { openEngine } from '../engines/open-engine.ts';
import type { Findings } from './findings.ts';
import { listSlices } from './list-slices.ts';
import { findMissingBases } from './missing-bases.ts';
import { staleListing } from './record-chain.ts';
import { readCatalogOf } from './read-catalog.ts';
import { openBase, verifyParts } from './verify-base.ts';
import { missingSlice, verifyLog } from './verify-log.ts';

/**
 * Chooses a recovery point and checks it, before anything is touched:
 *
 * - By listing alone, always: every slice from the base to the limit is there and touches the next; every part is there at
 *   its version, of its size.
 * - By opening, always: timelines, manifests and gaps (signed); the list of the bases that there should be; the base's key, and the indexes
 *   of its parts; slices that overlap, and the last one of each unbroken span.
 * - By reading and authenticating every byte, while there is time (`readForMs`): the log, from the base on, since it decides
 *   which moment can be reached; then the parts. What is not read is authenticated when it is used, and the result says so.
 *
 * Damage is not believed, and the choice is made again: another base that reaches the same moment is as good, and the
 * result names what was passed over. A moment that nothing good reaches is refused, with the nearest good points.
 * Reads only; safe to repeat.
 *
 * @throws Tampered, ObjectMissing, … - what is damaged, by key; `details.nearestBefore` and `nearestAfter` are target positions.
 * @throws WrongKey - nothing of the base opens with the key of the system file.
 * @param options.avoid - ids of bases that were given up for an older one.
 * @throws what `findRecoveryPoint` throws, when nothing is damaged.
 */
export async function findCheckedPoint(
  context: SourceContext,
  asked: RecoveryTarget,
  { readForMs, engine, avoid = [] }: { readForMs: number; engine?: Pick<Engine, 'verifySlice'>; avoid?: readonly string[] },
): Promise<CheckedPoint> {
  const startedMs = performance.now();
  const of = { system: context.system.system, source: context.sourceName };
  const { verifySlice } = engine ?? (await openEngine(context.source.engine));
  const mark = isMark(asked.point) ? await findMark(context, asked.point) : undefined;
  const target: RecoveryTarget = mark?.target ?? asked;
  const damage: Damage = new Map();
  for (;;) {
    const catalog = await readWhatThereWas(context, of, target, reasonsOf(damage)).catch((error: unknown) => {
      throw damage.size > 0 && error instanceof HoldfastError ? refused(damage, error) : error;
    });
    const point = await chooseBefore(mark, withoutBases(catalog, avoid), target, damage);
    const { checked, inBase, inLog } = await checkPoint(context, point, { verifySlice, distrust: reasonsOf(damage), untilMs: startedMs + readForMs });
    if (inBase.problems.length + inLog.problems.length === 0) return { ...point, ...(mark ? { stop: mark.stop } : {}), log: await sizeLog(context, point), checked: { ...checked, tookMs: Math.round(performance.now() - startedMs), ...passedOver(catalog, point, await goneAndKnown(context, catalog, target, point)) } };
    const known = damage.size;
    for (const { key, problem, type = 'Tampered' } of inLog.problems) damage.set(key, { why: problem, type });
    const [first] = inBase.problems;
    // Any damaged object makes the whole base useless: its manifest stands for it.
    if (first) damage.set(point.base.manifest.key, { why: `its ${nameIn(first.problem, first.key)}`, type: first.type ?? 'Tampered' });
    // The store says one thing and then another: choosing again would go on for ever.
    if (damage.size === known) throw refused(damage, undefined);
  }
}

/**
 * The catalog, with the bases that are gone and should be there as ones that are not believed: what lies at their moment is not passed over in silence. Who names a base that is there is given it.
 * @throws StoreUnavailable - retryable: "the latest" is asked for, of a listing that is older than what the store holds. Who names a moment is given it where what is listed reaches it.
 */
async function readWhatThereWas({ store, keys, signal, progress }: SourceContext, of: { system: string; source: string }, target: RecoveryTarget, distrust: ReadonlyMap<string, string>): Promise<Catalog> {
  const { point } = target;
  const catalog = await readCatalogOf({ store, keys, signal, progress, distrust }, of, point);
  if (point !== undefined && catalog.bases.some(({ backup }) => backup === point)) return catalog;
  const missing = await findMissingBases({ store, keys, signal }, catalog);
  const stale = missing.find(({ type }) => type === 'StoreUnavailable');
  if (stale && !momentAsked(target)) throw staleListing(store, stale.key);
  return { ...catalog, rejected: [...catalog.rejected, ...missing.map(({ key, problem }) => ({ key, why: problem }))] };
}

/**
 * The catalog knows the bytes of whole unbroken stretches of log, and guesses a part of one by its seconds: wrong by any factor where writes come in
 * bursts, and with it the time left of a replay. So the names are listed once more, and their bytes added up.
 */
async function sizeLog(context: SourceContext, { system, source, timeline, log, limit }: RecoveryPoint): Promise<RecoveryPoint['log']> {
  if (log.slices === 0) return log;
  const size = { from: log.from, slices: 0, storedBytes: 0 };
  for await (const { bytes } of listSlices(context, { system, source, timeline }, { after: log.from, limit })) {
    size.slices += 1;
    size.storedBytes += bytes;
  }
  return size;
}

/** @throws Unsupported - the source's engine knows no such places. */
async function findMark(context: SourceContext, mark: string): Promise<MarkedPlace> {
  const { findMark: find } = await openEngine(context.source.engine);
  if (find) return await find(context, mark);
  throw new HoldfastError('Unsupported', `${context.system.system}/${context.sourceName}: the engine "${context.source.engine}" has no place "${mark}" in its log`, { hint: 'give a target time, a position, or the id of a base' });
}

type Damage = Map<string, { why: string; type: HoldfastError['type'] }>;

const reasonsOf = (damage: Damage): Map<string, string> => new Map([...damage].map(([key, { why }]) => [key, why]));

/** A log is good without the base that was taken with it, so an older one may reach the same moment. @throws NoRecoveryPoint - none is left. */
function withoutBases(catalog: Catalog, avoid: readonly string[]): Catalog {
  const bases = catalog.bases.filter(({ backup }) => !avoid.includes(backup));
  if (avoid.length > 0 && bases.length === 0) throw new HoldfastError('NoRecoveryPoint', `${catalog.system}/${catalog.source}: no base is left beside those that were given up: ${avoid.join(', ')}`, { hint: 'choose one of them by its id, or abort' });
  return { ...catalog, bases };
}

/** A position is a whole segment: a base that ends in the segment of a marked place, and behind that place, is none that its server could stop there. */
async function chooseBefore(mark: MarkedPlace | undefined, catalog: Catalog, target: RecoveryTarget, damage: Damage): Promise<RecoveryPoint> {
  const point = choose(catalog, target, damage);
  if (!mark || !(await mark.isBefore(point.base))) return point;
  return await chooseBefore(mark, { ...catalog, bases: catalog.bases.filter(({ backup }) => backup !== point.base.backup) }, target, damage);
}

function choose(catalog: Catalog, target: RecoveryTarget, damage: Damage): RecoveryPoint {
  try {
    return findRecoveryPoint(catalog, target, { now: new Date().toISOString() });
  } catch (error) {
    if (damage.size === 0 || !(error instanceof HoldfastError)) throw error;
    throw refused(damage, error);
  }
}

const nameIn = (text: string, key: string): string => (text.includes(key) ? text : `${key}: ${text}`);

const namedAtMost = 3;
const passedOverAtMost = 10;

function refused(damage: Damage, error: HoldfastError | undefined): HoldfastError {
  const all = [...damage].map(([key, { why }]) => nameIn(why, key));
  const more = all.length > namedAtMost ? `; and ${all.length - namedAtMost} more` : '';
  const so = error ? `; so: ${describeError(error).message}` : '';
  return new HoldfastError([...damage.values()][0]!.type, `damaged: ${all.slice(0, namedAtMost).join('; ')}${more}${so}`, {
    ...(error?.hint ? { hint: error.hint } : {}),
    details: { ...error?.details, damaged: [...damage.keys()].slice(0, passedOverAtMost) },
    cause: error,
  });
}

/**
 * Bases of a later moment that are gone, and that somebody knows of: a verification marks one that it misses, and takes it off the list. Where no new one could be taken,
 * since the source is lost too, "the latest" is what came before it. Who names a position, a base or a timeline has looked.
 */
async function goneAndKnown({ store, signal }: SourceContext, { gone = [], ...of }: Catalog, { targetTime, targetPosition, point, timeline }: RecoveryTarget, { reachesAt }: RecoveryPoint): Promise<{ key: string; why: string }[]> {
  if ((targetPosition ?? point ?? timeline) !== undefined) return [];
  const untilMs = targetTime === undefined ? Infinity : Date.parse(targetTime);
  const known: { key: string; why: string }[] = [];
  for (const { backup, doubt } of gone) {
    const madeAtMs = timeOfId(backup)!;
    if (madeAtMs < Date.parse(reachesAt) + seconds(1) || madeAtMs > untilMs || (await isImport({ store, signal }, of, backup))) continue;
    known.push({ key: layout.marksOf(of, backup), why: `base ${backup}, of ${new Date(madeAtMs).toISOString()}, is gone, and is ${describeDoubt(doubt)}` });
  }
  return known;
}

async function isImport({ store, signal }: Pick<SourceContext, 'store' | 'signal'>, { system, source }: Pick<Catalog, 'system' | 'source'>, backup: string): Promise<boolean> {
  for await (const _ of store.list(`${layout.imports(system, source)}${backup}/`, { signal })) return true;
  return false;
}

function passedOver({ rejected, bases }: Catalog, { base, limit }: RecoveryPoint, gone: readonly { key: string; why: string }[]): Pick<PointCheck, 'passedOver' | 'passedOverCount'> {
  // These would have been taken, or tried first, if nobody had said anything against them.
  const doubted = bases.flatMap(({ timeline, end, manifest, mark }) => (mark?.doubt && timeline === base.timeline && end > base.end && end < limit ? [{ key: manifest.key, why: `is ${describeDoubt(mark.doubt)}` }] : []));
  const damaged = [...gone, ...doubted, ...rejected.filter(({ spare }) => !spare)];
  return { passedOver: damaged.slice(0, passedOverAtMost).map(({ key, why }) => ({ key, why })), passedOverCount: damaged.length };
}

const noFindings = (): Findings => ({ objects: 0, bytes: 0, parts: 0, slices: 0, entries: 0, problems: [] });

/** A check that reads for longer than this eats up what it is to save: two minutes of an hour. */
export const checkShareOfRto = 1 / 30;

/** Objects in memory at once: each stored (16 MiB) and opened. */
const atOnce = 4;

type Checked = Omit<PointCheck, 'tookMs' | 'passedOver' | 'passedOverCount'>;

async function checkPoint(
  context: SourceContext,
  point: RecoveryPoint,
  { verifySlice, distrust, untilMs }: { verifySlice: Engine['verifySlice']; distrust: ReadonlyMap<string, string>; untilMs: number },
): Promise<{ checked: Checked; inBase: Findings; inLog: Findings }> {
  const { system, source, timeline, base, log, limit } = point;
  const scope = { system, source, timeline, backup: base.backup };
  const limits = { atOnce, untilMs };
  const inLog = noFindings();
  const inBase = noFindings();
  const opened = await openBase(context, scope, base.manifest, inBase);
  const wrong = inBase.problems.find(({ type }) => type === 'WrongKey');
  // With a wrong key nothing opens, and each object would seem damaged.
  if (wrong) throw new HoldfastError('WrongKey', wrong.problem, { details: { key: wrong.key } });
  let to = log.from;
  if (log.slices > 0) {
    const { wholeTo, hole } = await verifyLog(context, scope, { after: log.from, limit, distrust }, { verifySlice, probe: base.manifest, found: inLog, limits });
    // The catalog's listing had it a moment ago.
    if (hole) inLog.problems.push({ key: missingSlice(scope, hole), problem: hole.problem, type: 'ObjectMissing' });
    to = wholeTo;
  }
  if (opened) await verifyParts(context, scope, opened, base.manifest, inBase, limits);
  return {
    checked: {
      bytes: inBase.bytes + inLog.bytes,
      parts: { read: inBase.parts, of: opened?.parts.length ?? 0 },
      log: { slices: inLog.slices, to: inLog.slices > 0 ? to : null, whole: log.slices === 0 || nextLogPosition(to) >= limit },
    },
    inBase,
    inLog,
  };
}
