import { randomUUID } from 'node:crypto';
import type { VerifyResult } from '../../workflows/contract.ts';
import { HoldfastError, type ErrorType } from '../../workflows/domain/errors.ts';
import { layout, parseRangeKey } from '../../workflows/domain/layout.ts';
import type { Verification } from '../../workflows/domain/source-records.ts';
import { slicePoint } from '../../workflows/domain/point-mark.ts';
import type { Catalog } from '../../workflows/domain/recovery-point.ts';
import type { Rotation } from '../../workflows/domain/verification.ts';
import type { SourceContext } from '../context.ts';
import type { Engine } from '../engines/engine.ts';
import { openEngine } from '../engines/open-engine.ts';
import type { Findings } from './findings.ts';
import { writeMark } from './marks.ts';
import { renewBaseList } from './missing-bases.ts';
import { readVerifications, writeVerification } from './verifications.ts';
import { verifyKept } from './verify-kept.ts';
import { verifyPoint, type WhatToVerify } from './verify.ts';

/** Who says it. */
export const byVerification = 'verification';
const reasonLength = 300;
const marksAtMost = 100;
const problemsKept = 100;

/**
 * Verifies, and marks as bad what was read and is damaged: each base of which anything is, and each slice. From then on nobody is given it who does not
 * name it, and what was found once need not be found again in the middle of a recovery. A wrong key of this worker, or a format that is newer, is no fault of what lies there.
 *
 * Where this worker's key opens nothing, nothing is marked at all. Somebody who fills a bucket with forged slices is given a hundred marks.
 *
 * | killed | left behind | the next try |
 * |---|---|---|
 * | while it reads | nothing | reads again; of a sample, the same share |
 * | after the record, or among marks | the record, some marks | reads again, and adds what its own run has told of: what is marked by now is not read again |
 * | before the list of bases | a list that is older, or has what is gone and marked | puts it |
 *
 * @param run - remembers in the store under this run what came of it, and says whether a new base is wanted; left out: does neither.
 */
export async function verifyAndMark(context: SourceContext, input: WhatToVerify | Rotation, run?: string, engine?: Pick<Engine, 'verifySlice'>): Promise<VerifyResult> {
  const of = { system: context.system.system, source: context.sourceName };
  const remembered = run === undefined ? [] : await readVerifications(context, of);
  const before = remembered.filter((one) => one.run !== run);
  const knows = engine ?? (await openEngine(context.source.engine));
  const { result, found, catalog } = 'shares' in input ? await verifyKept(context, input, before, knows) : await verifyPoint(context, input, knows);
  const answer = run === undefined ? result : await remember(context, run, remembered, result, found);
  // Without a base that this worker could read, the fault may be the worker's.
  const hasRead = result.sample ? catalog.bases.some(({ mark }) => mark?.doubt?.is !== 'bad') : result.backup !== null;
  if (!hasRead || isOfType(found, 'WrongKey')) return answer;
  await markDamage(context, found, catalog);
  if (run !== undefined) await renewBaseList(context, catalog).catch((error: unknown) => {
    // What was found counts, whether the list can be put or not: the next verification puts it.
    if (context.signal.aborted || !(error instanceof HoldfastError)) throw error;
  });
  return answer;
}

const isOfType = ({ problems }: Findings, ...types: ErrorType[]): boolean => problems.some(({ type }) => type !== undefined && types.includes(type));

/** Writes the record, before any mark: what is marked is not met again. @returns the result, with what an earlier try of this run has told of. */
async function remember(context: SourceContext, run: string, remembered: readonly Verification[], result: VerifyResult, found: Findings): Promise<VerifyResult> {
  const told = new Set(remembered.filter((one) => one.run !== run).flatMap((one) => one.problems.map(({ key }) => key)));
  const met = new Set(result.problems.map(({ key }) => key));
  const earlier = new Map(remembered.filter((one) => one.run === run).flatMap((one) => one.problems).map((one) => [one.key, one]));
  const problems = [...result.problems, ...[...earlier.values()].filter(({ key }) => !met.has(key))];
  const ok = problems.length === 0;
  const { system, source, scope, backup, objects, bytes, sample } = result;
  // What could not be opened was not read: its turn is still to come.
  const shares = sample && !isOfType(found, 'WrongKey') ? { of: sample.of, read: sample.read } : null;
  await writeVerification(context, { system, source, run, scope, shares, backup, ok, objects, bytes, problems: problems.slice(0, problemsKept), problemCount: problems.length });
  // What others may read, and what a listing lacks, is whole: a new base would lie there in the same way.
  const open = new Set(found.problems.filter(({ type }) => type === 'NotPermitted' || type === 'StoreUnavailable').map(({ key }) => key));
  const isNews = !isOfType(found, 'WrongKey', 'NewerFormat') && problems.some(({ key }) => !told.has(key) && !open.has(key));
  return { ...result, ok, problems, ...(isNews ? { newBaseWanted: true as const } : {}) };
}

async function markDamage(context: SourceContext, found: Findings, catalog: Catalog): Promise<void> {
  for (const [point, problems] of damagedPoints(found, catalog)) {
    const more = problems.length > 1 ? `; and ${problems.length - 1} more` : '';
    const said = { system: catalog.system, source: catalog.source, point, state: 'bad' as const, by: byVerification, id: randomUUID(), reason: `${problems[0]!.slice(0, reasonLength)}${more}` };
    // Of what is missing there is nothing to mark.
    await writeMark(context, said).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.type !== 'NoRecoveryPoint') throw error;
    });
  }
}

function damagedPoints({ problems }: Findings, { system, source, rejected, bases }: Catalog): Map<string, string[]> {
  const points = new Map<string, string[]>();
  // What was listed and not believed, or read and found damaged: a slice that a listing lacks may only be late in it.
  const seen = new Map(rejected.map((one) => [one.key, one]));
  for (const { key, problem, type } of problems) {
    if (type !== undefined && type !== 'Tampered' && type !== 'ObjectMissing') continue;
    const point = pointOf({ system, source }, key, type, seen.get(key));
    if (point === undefined || bases.some(({ backup, mark }) => backup === point && mark?.doubt?.is === 'bad')) continue;
    if (points.has(point) || points.size < marksAtMost) points.set(point, [...(points.get(point) ?? []), problem.includes(key) ? problem : `${key}: ${problem}`]);
  }
  return points;
}

/** What a mark calls the base or slice that an object belongs to; undefined: neither, or nothing that was read. A manifest that is not believed may lie beside the one that is. */
function pointOf(of: { system: string; source: string }, key: string, type: string | undefined, listed: { marked?: true } | undefined): string | undefined {
  const prefix = layout.source(of.system, of.source);
  const [timeline, room, name] = key.startsWith(prefix) ? key.slice(prefix.length).split('/') : [];
  if (room === 'backups') return listed ? undefined : name;
  const range = room === 'slices' && (type !== undefined || (listed && !listed.marked)) ? parseRangeKey(key) : undefined;
  return range && slicePoint({ timeline: timeline!, ...range });
}
