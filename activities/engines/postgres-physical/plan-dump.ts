import type { DumpPlanRef, PlanDumpInput } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { assertEpoch } from '../../store/epoch.ts';
import { createBackupKey } from '../../stream/backup-key.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { findPlan, planHead, planRef, putPlan } from '../base/plan.ts';
import { filesOutside, outsideHint, tellOutside } from './configuration.ts';
import { withSource } from './connect.ts';
import { keepHistoryOf } from './history.ts';
import { chooseParents, requireIncrements } from './increment.ts';
import { cluster, listRange, planSchema, rangeOfTablespace } from './plan.ts';
import { positionNow, readServerFacts, type ServerFacts } from './server.ts';
import { openTimeline } from './timeline.ts';

/**
 * Writes down which server will be read, and from where on its log is needed. Asks the server, and the program its version.
 *
 * Safe to repeat: the plan is put only where none is, and a second call returns the first one's.
 *
 * Of an incremental one what it adds to is chosen here; where there is nothing that it could add to a full one is planned, and says so.
 *
 * @throws ToolMissing - no pg_basebackup here that is as new as the server. @throws Unsupported - a standby, or `wal_level = minimal`; an incremental base of a server that takes none.
 */
export async function planDump(context: SourceContext, input: PlanDumpInput): Promise<DumpPlanRef> {
  return await withSource(context, async (client, place) => {
    const facts = await readServerFacts(client);
    refuse(facts);
    if (input.incremental) await requireIncrements(client, facts.major);
    const program = await findPostgresProgram('pg_basebackup', facts.major);
    const outside = await filesOutside(client);
    if (outside.length > 0) context.log?.('warn', `base of ${input.system}/${input.source}: ${tellOutside(outside)} HINT: ${outsideHint(input.source)}`);
    await assertEpoch(context.store, input.system, input.epoch, { signal: context.signal });
    const opened = await openTimeline(context, facts, input.why);
    await keepHistoryOf(context, place, opened, facts);
    const { timeline } = opened;
    const scope = { system: input.system, source: input.source, timeline, backup: input.backup };
    const adopted = await findPlan(context, planSchema, scope);
    if (adopted) return planRef(adopted);
    const increment = input.incremental ? await chooseParents(context, client, facts, scope) : undefined;
    const { manifestKey } = await createBackupKey(context.store, context.keys, scope);
    const { rows } = await client.query<{ bytes: string }>('SELECT coalesce(sum(pg_database_size(oid)), 0)::text AS bytes FROM pg_database WHERE has_database_privilege(oid, \'CONNECT\')');
    const wholeBytes = Number(rows[0]!.bytes);
    // What was logged since is about what changed.
    const estimatedBytes = increment && 'parents' in increment ? Math.min(wholeBytes, Number(facts.lsn - increment.since)) : wholeBytes;
    return planRef(await putPlan(context, planSchema, {
      ...planHead(scope, input),
      startedAt: new Date().toISOString(),
      versions: { postgresql: facts.version, pg_basebackup: program.version, node: process.versions.node },
      // Asked anew: the timeline is there by now, and the log of a base does not begin before its timeline.
      logFrom: positionNow(await readServerFacts(client)),
      key: manifestKey,
      units: [{ id: cluster.unit, name: input.source, kind: 'cluster' }],
      groups: [{ group: cluster.group, estimatedBytes, ranges: rangesOf(facts).map((range) => ({ unit: cluster.unit, range, estimatedBytes: range === cluster.range ? estimatedBytes : 0 })) }],
      server: { system: facts.system, timeline: facts.timeline, major: facts.major, segmentBytes: facts.segmentBytes },
      tablespaces: facts.tablespaces,
      ...(increment && ('parents' in increment ? { parents: increment.parents } : increment)),
    }));
  });
}

const rangesOf = ({ tablespaces }: ServerFacts): string[] => (tablespaces.length === 0 ? [cluster.range] : [cluster.range, ...tablespaces.map(({ oid }) => rangeOfTablespace(oid)), listRange]);

/** Known before anything is written. */
function refuse({ walLevel }: ServerFacts): void {
  if (walLevel === 'minimal') throw new HoldfastError('Unsupported', 'the server has wal_level = minimal: it logs too little to be restored from', { hint: 'set wal_level = replica, and restart it' });
}
