import type { DumpPlanRef, GroupRef, SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { kib } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { putIndex } from '../base/put-index.ts';
import { StoredProgress } from '../base/stored-progress.ts';
import { isAgain, startsAgain, storeStream } from '../tool/dump-group.ts';
import type { ProgramSpec } from '../tool/program-spec.ts';
import { runProgram } from '../tool/run-program.ts';
import { libpqVariables, type Place } from '../postgres/connect.ts';
import { withSource } from './connect.ts';
import { cluster, planSchema, type Passed, type PhysicalPlan } from './plan.ts';
import { openParents } from './increment.ts';
import { identityOf, readServerFacts, type ServerFacts } from './server.ts';
import { TarWatch } from './tar-watch.ts';

/**
 * Runs pg_basebackup to its standard output, with the WAL that the base itself needs, and cuts what comes into parts. Its index is put once the program has ended
 * well and everything on the server's own list has passed. Of an incremental one only what changed since the newest of its parents comes: where that one cannot be added to any more, all of it.
 *
 * Safe to repeat, from the beginning: parts have keys of their own for each attempt, and those of one that was killed are named by nobody.
 *
 * @throws ToolFailed - retryable: it ended badly, or something is missing. BadInput - another server answers than was planned.
 */
export async function dumpGroup(context: SourceContext, input: SourceRef & { plan: DumpPlanRef; epoch: number; group: string }): Promise<GroupRef> {
  const { store, keys, signal } = context;
  const plan = await readSigned(store, keys, planSchema, input.plan.plan, { signal });
  if (input.group !== cluster.group) throw new HoldfastError('BadInput', `the plan of backup ${plan.backup} has no group ${input.group}`);
  const key = await openBackupKey(store, keys, plan, plan.key);
  const { spec, increment } = await withSource(context, async (client, place) => {
    requireSame(plan, await readServerFacts(client));
    const found = plan.parents && (await openParents(context, client, { timeline: plan.server.timeline, scope: plan, parents: plan.parents }));
    const list = found && 'list' in found ? found.list : undefined;
    return { spec: await baseBackupProgram(context, place, plan, list), increment: found === undefined ? false : 'list' in found ? true : found.instead };
  });
  if (typeof increment === 'string') context.log?.('warn', `a full base of ${plan.system}/${plan.source} is taken, and no incremental one: ${increment}`);
  const again = await isAgain(context, plan, cluster);
  if (again) context.log?.('warn', `base of ${plan.system}/${plan.source} by ${spec.name} ${startsAgain}`);
  const what = increment === true ? 'incremental base' : 'base';
  const phase = again ? `${what} by ${spec.name}, which ${startsAgain}` : `${what} by ${spec.name}`;
  const fromAt = new Date().toISOString();
  const progress = new StoredProgress(plan.groups[0]!.estimatedBytes, (reading) => context.progress({ ...reading, phase, group: cluster.group }));
  const watch = new TarWatch();
  const { parts, exitedAt } = await runProgram(context, spec, async (running) => ({
    parts: await storeStream({ store, key, scope: plan, signal }, cluster, { running, spec }, progress, (chunk) => watch.add(chunk)),
    exitedAt: running.exitedAt,
  }));
  const { timeline, startLsn, endLsn, files, list } = watch.end();
  if (timeline !== plan.server.timeline) throw new HoldfastError('BadInput', `backup ${plan.backup} was planned of PostgreSQL timeline ${plan.server.timeline}, and the server was promoted to ${timeline} meanwhile`, { hint: 'start another backup' });
  // By the clock that stamps the commits, once everything that is in the base was written.
  const passed: Passed = { timeline, startLsn, endLsn, files, list, increment, endedAt: await withSource(context, async (client) => (await readServerFacts(client)).at) };
  const range = {
    unit: cluster.unit,
    range: cluster.range,
    documents: 0,
    plainBytes: parts.reduce((sum, part) => sum + part.plainBytes, 0),
    hashSum: null,
    fuzzy: null,
    gone: false,
    ran: { fromAt, toAt: await exitedAt },
    detail: passed,
  };
  return await putIndex(context, plan, cluster.group, [{ parts, summary: () => range }]);
}

function requireSame({ backup, server }: PhysicalPlan, facts: ServerFacts): void {
  if (identityOf(facts) === identityOf(server)) return;
  throw new HoldfastError('BadInput', `backup ${backup} was planned of the server ${identityOf(server)}, and ${identityOf(facts)} answers`, { hint: 'start another backup' });
}

/** @source PostgreSQL manual, pg_basebackup: `-X fetch` puts the WAL into the one tar; a rate is 32 kB to 1 GB per second. */
async function baseBackupProgram({ source }: SourceContext, place: Place, plan: PhysicalPlan, list: string | undefined): Promise<ProgramSpec> {
  const { path } = await findPostgresProgram('pg_basebackup', plan.server.major);
  const { bytesPerSecond } = source.limits;
  const rate = bytesPerSecond === undefined ? [] : [`--max-rate=${Math.min(1_048_576, Math.max(32, Math.floor(bytesPerSecond / kib(1))))}k`];
  return {
    name: 'pg_basebackup',
    path,
    args: ['--pgdata=-', '--format=tar', '--wal-method=fetch', '--checkpoint=fast', '--no-password', `--label=holdfast ${plan.backup}`, ...rate, ...(list === undefined ? [] : ['--incremental={{file:backup_manifest}}'])],
    ...libpqVariables(place),
    files: list === undefined ? {} : { backup_manifest: list },
  };
}
