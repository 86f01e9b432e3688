import { layout } from '../../workflows/domain/layout.ts';
import { approvedRetentionSchema } from '../../workflows/domain/retention/records.ts';
import { foldMarks } from '../../workflows/domain/point-mark.ts';
import type { SourceContext } from '../context.ts';
import { readOrders } from '../disposal/read-disposals.ts';
import { readHistory } from '../store/marks.ts';
import { foldersUnder } from '../store/keys-under.ts';
import { findSigned } from '../store/signed-object.ts';
import type { ObjectVersion } from '../store/store.ts';

/** Runs of retention that are looked at, the newest: a base that went longer ago was missed by an earlier check. */
const newestRuns = 50;

/** Ids of the bases that retention or a disposal was let to take, by the plans and orders that they signed. Only asked where one is missing. */
export async function retiredBases({ store, keys, system: { system }, sourceName, signal }: SourceContext): Promise<Set<string>> {
  const prefix = layout.retentionPlan(system, '', '').replace(/\/+[^/]*$/, '/');
  const plans: ObjectVersion[] = [];
  for await (const version of store.list(prefix, { signal })) if (!version.isDeleteMarker && version.key.endsWith(`/${sourceName}.json`)) plans.push(version);
  plans.sort((a, b) => b.modifiedAt.localeCompare(a.modifiedAt));
  const retired = new Set<string>();
  for (const { key } of plans.slice(0, newestRuns)) {
    const { found } = await findSigned(store, keys, approvedRetentionSchema, key, { signal });
    for (const { backup, goes } of found?.body.bases ?? []) if (goes) retired.add(backup);
  }
  for await (const point of foldersUnder(store, layout.disposalsIn({ system, source: sourceName }), signal)) {
    const of = { system, source: sourceName, point };
    // What gave way, or was taken back, is given as before.
    if ((await readOrders({ store, keys, signal }, of)).length > 0 && foldMarks(await readHistory({ store, keys, signal }, of, point))?.disposal) retired.add(point);
  }
  return retired;
}
