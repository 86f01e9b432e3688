import { layout } from '../../workflows/domain/layout.ts';
import { manifestSchema } from '../../workflows/domain/manifest.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { MarkRoom } from './marks.ts';
import { readSigned } from './signed-object.ts';
import { writeVerification } from './verifications.ts';

/**
 * A drill restored all of a recovery point and compared it: the strongest verification that there is, so it is remembered as one, beside those that only read. It is no share of a sample:
 * it read one base and its log, whatever else is kept. What it found different is told under the report's name, and not under the base's: a later reading that finds an object of
 * the base damaged has news.
 *
 * Killed before a put: none, and the next try of the report writes it. After it: a second object of one run, which says the same.
 */
export async function rememberDrill(room: MarkRoom, { system, runId, compared = [] }: Pick<RunReport, 'system' | 'runId' | 'compared'>): Promise<void> {
  const key = layout.evidence(system, runId, 'report.json');
  for (const { source, backup, manifest, ok, slices, bytes, problems } of compared) {
    const objects = slices + (await objectsOfBase(room, manifest));
    await writeVerification(room, { system, source, run: runId, scope: 'restore', shares: null, backup, ok, objects, bytes, problems: problems.map((problem) => ({ key, problem })), problemCount: problems.length });
  }
}

/** The manifest, the indexes and parts that it names; of one that retention took meanwhile nobody knows. */
async function objectsOfBase({ store, keys, signal }: MarkRoom, manifest: NonNullable<RunReport['compared']>[number]['manifest']): Promise<number> {
  const read = await readSigned(store, keys, manifestSchema, manifest, { signal }).catch(() => undefined);
  return read ? 1 + read.groups.length + read.totals.parts : 0;
}
