import type { DumpPlanRef, GroupRef, SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Part } from '../../../workflows/domain/manifest.ts';
import { kib } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { putIndex } from '../base/put-index.ts';
import { nextPartName, putPart, type PartName, type PartStore } from '../base/stored-parts.ts';
import { StoredProgress } from '../base/stored-progress.ts';
import { StreamCutter } from '../tool/cut-stream.ts';
import { isAgain, startsAgain } from '../tool/dump-group.ts';
import type { ProgramSpec } from '../tool/program-spec.ts';
import { storeOutput } from '../tool/store-output.ts';
import { libpqVariables, type Place } from '../postgres/connect.ts';
import { withSource } from './connect.ts';
import { dumpTars } from './dump-tars.ts';
import { cluster, listRange, planSchema, rangeOfTablespace, type Passed, type PhysicalPlan } from './plan.ts';
import { openParents } from './increment.ts';
import { identityOf, readServerFacts, type ServerFacts, type Tablespace } from './server.ts';
import { checkList, prefixOfTablespace, TarWatch, type BackupManifest } from './tar-watch.ts';
import { sessionOf, watchStop } from './watch-stop.ts';

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
  const { spec, place, increment } = await withSource(context, async (client, place) => {
    requireSame(plan, await readServerFacts(client));
    const found = plan.parents && (await openParents(context, client, { timeline: plan.server.timeline, scope: plan, parents: plan.parents }));
    const list = found && 'list' in found ? found.list : undefined;
    return { place, spec: await baseBackupProgram(context, place, plan, list), increment: found === undefined ? false : 'list' in found ? true : found.instead };
  });
  if (typeof increment === 'string') context.log?.('warn', `a full base of ${plan.system}/${plan.source} is taken, and no incremental one: ${increment}`);
  const again = await isAgain(context, plan, cluster);
  if (again) context.log?.('warn', `base of ${plan.system}/${plan.source} by ${spec.name} ${startsAgain}`);
  const what = increment === true ? 'incremental base' : 'base';
  const phase = again ? `${what} by ${spec.name}, which ${startsAgain}` : `${what} by ${spec.name}`;
  const fromAt = new Date().toISOString();
  const progress = new StoredProgress(plan.groups[0]!.estimatedBytes, (reading) => context.progress({ ...reading, phase, group: cluster.group }));
  const to: PartStore = { store, key, scope: plan, signal };
  const stopped = watchStop(context, plan.backup);
  const dumped = plan.tablespaces.length === 0 ? dumpOne(context, to, spec, progress) : dumpSeveral(context, to, { spec, place, plan }, progress);
  let stoppedAt: string | undefined;
  const { ranges, list, said: { timeline, startLsn, endLsn, files }, exitedAt } = await dumped.finally(async () => void (stoppedAt = await stopped()));
  if (timeline !== plan.server.timeline) throw new HoldfastError('BadInput', `backup ${plan.backup} was planned of PostgreSQL timeline ${plan.server.timeline}, and the server was promoted to ${timeline} meanwhile`, { hint: 'start another backup' });
  // By the clock that stamps the commits, once everything that is in the base was logged.
  const passed: Passed = { timeline, startLsn, endLsn, files, tablespaces: plan.tablespaces, list, increment, endedAt: stoppedAt ?? (await withSource(context, async (client) => (await readServerFacts(client)).at)) };
  const common = { unit: cluster.unit, documents: 0, hashSum: null, fuzzy: null, gone: false, ran: { fromAt, toAt: exitedAt } };
  return await putIndex(context, plan, cluster.group, ranges.map(({ range, parts }) => ({
    parts,
    summary: () => ({ ...common, range, plainBytes: parts.reduce((sum, part) => sum + part.plainBytes, 0), ...(range === cluster.range ? { detail: passed } : {}) }),
  })));
}

interface Dumped {
  ranges: { range: string; parts: Part[] }[];
  list: Passed['list'];
  said: BackupManifest;
  exitedAt: string;
}

/** All of it is one tar, with the list of files in it. */
async function dumpOne(context: SourceContext, to: PartStore, one: ProgramSpec, progress: StoredProgress): Promise<Dumped> {
  const watch = new TarWatch();
  const spec = { ...one, args: [...one.args, '--pgdata=-'] };
  const { parts, exitedAt } = await storeOutput(context, spec, { to, of: cluster, progress, see: (chunk) => watch.add(chunk) });
  const { text, at } = watch.list();
  return { ranges: [{ range: cluster.range, parts }], list: { range: cluster.range, at, bytes: text.length }, said: checkList(text, [watch]), exitedAt };
}

/** A tar of the data directory, one of each tablespace, and the list of files beside them. */
async function dumpSeveral(context: SourceContext, to: PartStore, { spec, place, plan }: { spec: ProgramSpec; place: Place; plan: PhysicalPlan }, progress: StoredProgress): Promise<Dumped> {
  const tars = [
    { range: cluster.range as string, file: 'base.tar', watch: new TarWatch() },
    ...plan.tablespaces.map(({ oid }) => ({ range: rangeOfTablespace(oid), file: `${oid}.tar`, watch: new TarWatch(prefixOfTablespace(oid)) })),
  ];
  const { parts, list, exitedAt } = await dumpTars(context, place.address, spec, tars.map(({ range, file, watch }) => ({
    file,
    store: async (reading, cat) => (await storeOutput(reading, cat, { to, of: { unit: cluster.unit, range }, progress, see: (chunk) => watch.add(chunk) })).parts,
  })));
  const said = checkList(list, tars.map(({ watch }) => watch));
  const cutter = new StreamCutter();
  const listed: Part[] = [];
  let name: PartName | undefined;
  for (const plain of [...cutter.add(list), ...cutter.flush()]) listed.push(await putPart(to, { unit: cluster.unit, range: listRange }, (name = nextPartName(name)), plain));
  return { ranges: [...tars.map(({ range }, at) => ({ range, parts: parts[at]! })), { range: listRange, parts: listed }], list: { range: listRange, at: 0, bytes: list.length }, said, exitedAt };
}

function requireSame({ backup, server, tablespaces }: PhysicalPlan, facts: ServerFacts): void {
  const oids = (of: readonly Tablespace[]): string => of.map(({ oid }) => oid).join();
  if (oids(facts.tablespaces) !== oids(tablespaces)) throw new HoldfastError('BadInput', `backup ${backup} was planned of a server with ${tablespaces.length} tablespaces of its own, and some came or went since`, { hint: 'start another backup' });
  if (identityOf(facts) === identityOf(server)) return;
  throw new HoldfastError('BadInput', `backup ${backup} was planned of the server ${identityOf(server)}, and ${identityOf(facts)} answers`, { hint: 'start another backup' });
}

/** @source PostgreSQL manual, pg_basebackup: `-X fetch` puts the WAL into the one tar; a rate is 32 kB to 1 GB per second. */
async function baseBackupProgram({ source }: SourceContext, place: Place, plan: PhysicalPlan, list: string | undefined): Promise<ProgramSpec> {
  const { path } = await findPostgresProgram('pg_basebackup', plan.server.major);
  const { bytesPerSecond } = source.limits;
  const { env, secrets } = libpqVariables(place);
  const rate = bytesPerSecond === undefined ? [] : [`--max-rate=${Math.min(1_048_576, Math.max(32, Math.floor(bytesPerSecond / kib(1))))}k`];
  return {
    name: 'pg_basebackup',
    path,
    args: ['--format=tar', '--wal-method=fetch', '--checkpoint=fast', '--no-password', `--label=holdfast ${plan.backup}`, ...rate, ...(list === undefined ? [] : ['--incremental={{file:backup_manifest}}'])],
    env: { ...env, PGAPPNAME: sessionOf(plan.backup) },
    secrets,
    files: list === undefined ? {} : { backup_manifest: list },
  };
}
