import type { DumpPlanRef, SourceRef } from '../../../workflows/contract.ts';
import type { BackupScope } from '../../../workflows/domain/layout.ts';
import type { SourceContext } from '../../context.ts';
import { assertEpoch } from '../../store/epoch.ts';
import { createBackupKey } from '../../stream/backup-key.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { findPlan, planHead, planRef, putPlan } from '../base/plan.ts';
import { isExcluded, largeObjects, listLargeObjects, listTables, refuseUnreadable } from './catalogue.ts';
import { sourcePlace, withClient } from './connect.ts';
import { refuseKinds } from './refused-kinds.ts';
import { ownUnits, planSchema, type PlanUnit } from './plan.ts';
import { readServerFacts, sourceTimeline } from './server-facts.ts';
import { findSnapshot, importSnapshot } from './snapshot.ts';
import { splitGroups } from './split-groups.ts';

/**
 * Lists what the holder's snapshot has, splits it into groups, and writes that down.
 *
 * Safe to repeat: the plan is put only where none is, and a second call returns the first one's, so that groups that were dumped by it stay valid.
 *
 * @throws SourceUnavailable, StoreUnavailable - retryable. @throws SnapshotLost, EpochSuperseded. @throws Unsupported, NotPermitted, ToolMissing - what
 * keeps a base from being whole, by name.
 */
export async function planDump(context: SourceContext, input: SourceRef & { backup: string; epoch: number; why: string; requestedBy: string }): Promise<DumpPlanRef> {
  return await withClient(context, await sourcePlace(context), async (client) => {
    const facts = await readServerFacts(client);
    const program = await findPostgresProgram('pg_dump', facts.major);
    // A plan makes the timeline of a source that has none yet.
    await assertEpoch(context.store, input.system, input.epoch, { signal: context.signal });
    const timeline = await sourceTimeline(context, { identity: facts.identity, epoch: input.epoch, why: input.why });
    const scope: BackupScope = { system: input.system, source: input.source, timeline, backup: input.backup };
    const adopted = await findPlan(context, planSchema, scope);
    if (adopted) return planRef(adopted);
    const { snapshot, at } = await findSnapshot(context, client, input.backup);
    await importSnapshot(client, snapshot);
    context.progress({ phase: 'list tables', done: 0, of: 0, unit: 'objects' });
    await refuseKinds(client);
    const { contents = 'all' } = context.source;
    const own = Object.values(ownUnits).filter((id) => contents !== 'rows' || id !== ownUnits.definitions);
    const large = await listLargeObjects(client);
    const tables = contents === 'definitions' ? [] : [...(await listTables(client)).filter((table) => !isExcluded(table, context.source)), ...(large ? [large] : [])];
    await refuseUnreadable(client, tables);
    const groups = splitGroups(tables, own);
    if (groups.length > 1) context.groupsFollow?.();
    const { manifestKey } = await createBackupKey(context.store, context.keys, scope);
    return planRef(await putPlan(context, planSchema, {
      ...planHead(scope, input),
      startedAt: new Date().toISOString(),
      versions: { postgresql: facts.version, pg_dump: program.version, encoding: facts.encoding, node: process.versions.node },
      logFrom: at,
      readAt: at,
      snapshot,
      ...(contents === 'all' ? {} : { contents }),
      key: manifestKey,
      units: [
        ...own.map((id): PlanUnit => ({ id, name: id, kind: id, estimatedBytes: 0, detail: null })),
        ...tables.map(({ oid, sql, bytes, columns, condition, diskBytes }): PlanUnit => ({ id: oid, name: sql, kind: oid === largeObjects ? largeObjects : 'table', estimatedBytes: bytes, detail: { columns, condition, diskBytes } })),
      ],
      groups,
    }));
  }, { name: `holdfast ${input.backup}` });
}
