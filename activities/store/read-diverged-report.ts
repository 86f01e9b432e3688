import type { DivergedReport } from '../../workflows/domain/diverged.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { SourceContext } from '../context.ts';
import type { ObjectVersion } from './store.ts';

/**
 * The newest report of what an old primary took that the recovered data does not hold, from the bucket alone. It is evidence and
 * not signed: what it counts is for people, and the entries that it names are authenticated when they are opened.
 * @param run - the recovery that left the old primary behind; left out: whichever has the newest report.
 * @throws ObjectMissing - no watch has written one. @throws Tampered - it is none.
 */
export async function readDivergedReport({ store, system, sourceName, signal }: SourceContext, run?: string): Promise<DivergedReport> {
  const name = `/diverged-${sourceName}.json`;
  let newest: ObjectVersion | undefined;
  for await (const version of store.list(layout.evidence(system.system, '', '').replace(/\/+$/, '/'), { signal })) {
    if (version.isDeleteMarker || !version.key.endsWith(run === undefined ? name : `/${run}${name}`)) continue;
    if (!newest || version.modifiedAt >= newest.modifiedAt) newest = version;
  }
  if (!newest) {
    throw new HoldfastError('ObjectMissing', `the store holds no report of diverged writes of ${system.system}/${sourceName}${run ? ` by run ${run}` : ''}`, {
      hint: `a watch writes one when the old primary answers again: holdfast watch status ${system.system}`,
    });
  }
  const report = JSON.parse((await store.getVersion(newest, { signal })).toString('utf8')) as DivergedReport;
  if (report.format === 1 && report.source === sourceName && Array.isArray(report.objects)) return report;
  throw new HoldfastError('Tampered', `${newest.key}: not a report of diverged writes of ${sourceName}`);
}
