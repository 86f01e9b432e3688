import { randomUUID } from 'node:crypto';
import type { VerifyResult } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, parseRangeKey } from '../../workflows/domain/layout.ts';
import { slicePoint } from '../../workflows/domain/point-mark.ts';
import type { Catalog } from '../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../context.ts';
import type { Engine } from '../engines/engine.ts';
import type { Findings } from './findings.ts';
import { writeMark } from './marks.ts';
import { verifyPoint, type WhatToVerify } from './verify.ts';

/** Who says it. */
export const byVerification = 'verification';
const reasonLength = 300;
const marksAtMost = 100;

/**
 * Verifies, and marks as bad what was read and is damaged: the base, if anything of it is, and each slice. From then on nobody is given it who does not
 * name it, and what was found once need not be found again in the middle of a recovery. A wrong key of this worker, or a format that is newer, is no fault of what lies there.
 *
 * Safe to repeat: what is marked bad already is not marked again.
 *
 * Where this worker's key opens nothing, nothing is marked at all. Somebody who fills a bucket with forged slices is given a hundred marks.
 */
export async function verifyAndMark(context: SourceContext, input: WhatToVerify, engine?: Pick<Engine, 'verifySlice'>): Promise<VerifyResult> {
  const { result, found, catalog, base } = await verifyPoint(context, input, engine);
  for (const [point, problems] of damagedPoints(result, found, catalog, base?.mark?.doubt?.is === 'bad')) {
    const more = problems.length > 1 ? `; and ${problems.length - 1} more` : '';
    const said = { system: result.system, source: result.source, point, state: 'bad' as const, by: byVerification, id: randomUUID(), reason: `${problems[0]!.slice(0, reasonLength)}${more}` };
    // Of what is missing there is nothing to mark.
    await writeMark(context, said).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.type !== 'NoRecoveryPoint') throw error;
    });
  }
  return result;
}

function damagedPoints({ system, source, backup, timeline }: VerifyResult, { problems }: Findings, { rejected }: Catalog, baseIsMarked: boolean): Map<string, string[]> {
  const points = new Map<string, string[]>();
  if (backup === null || timeline === null || problems.some(({ type }) => type === 'WrongKey')) return points;
  const scope = { system, source, timeline };
  const base = layout.backupFolder({ ...scope, backup });
  // What was listed and not believed, or read and found damaged: a slice that a listing lacks may only be late in it.
  const seen = new Map(rejected.map((one) => [one.key, one]));
  for (const { key, problem, type } of problems) {
    if (type !== undefined && type !== 'Tampered' && type !== 'ObjectMissing') continue;
    const listed = seen.get(key);
    const isSlice = key.startsWith(layout.slices(scope)) && (type !== undefined || (listed && !listed.marked));
    const range = isSlice ? parseRangeKey(key) : undefined;
    const point = range ? slicePoint({ timeline, ...range }) : key.startsWith(base) && !baseIsMarked ? backup : undefined;
    if (point !== undefined && (points.has(point) || points.size < marksAtMost)) points.set(point, [...(points.get(point) ?? []), problem.includes(key) ? problem : `${key}: ${problem}`]);
  }
  return points;
}
