import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { JobReading, SourceContext } from '../../activities/context.ts';
import { postgresEngine } from '../../activities/engines/postgres/index.ts';
import { openContext } from '../../activities/open-context.ts';
import { openProvisioner } from '../../activities/provision/provisioner.ts';
import type { BackupSummary, DumpPlanRef, GroupRef, TargetRef } from '../../workflows/contract.ts';
import { makeId } from '../../workflows/domain/make-id.ts';
import { nextLogPosition } from '../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import type { RestoreMode } from '../../workflows/domain/restore-mode.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import type { Owner } from './cleanup.ts';
import { newSecrets } from './keys.ts';
import { startPostgres, type Postgres, type PostgresOptions } from './postgres.ts';
import { tempDir } from './temp-dir.ts';
import { until } from './until.ts';

export const pgRef = { system: 'books', source: 'ledger' };
export const pgTarget: TargetRef = { ...pgRef, environment: 'dr', run: 'run-1' };

export interface PostgresPlace {
  directory: string;
  source: Postgres;
  /** where restores go to: another server, or the source's own */
  target: Postgres;
  file: SystemFile;
  /** Writes the system file anew. */
  change(change: (file: SystemFile) => void): void;
  /** A job's context as a worker opens it; what it says is added to `said`. */
  open(job?: { signal?: AbortSignal; progress?: SourceContext['progress'] }): Promise<SourceContext>;
  said: JobReading[];
}

export const database = 'ledger';
const uri = ({ port }: Postgres, name: string): string => `postgres://127.0.0.1:${port}/${name}`;

/** A server with a database `ledger`, and what a restore of it needs: another server, or the same one, where it is to be called `ledger_dr`. */
export async function postgresPlace(t: Owner, { beside = false, target: targetOptions, ...options }: PostgresOptions & { beside?: boolean; target?: PostgresOptions } = {}): Promise<PostgresPlace> {
  const source = await startPostgres(t, options);
  const target = beside ? source : await startPostgres(t, targetOptions ?? {});
  await source.query(`CREATE DATABASE ${database}`);
  const directory = tempDir(t, 'holdfast-postgres-place-');
  mkdirSync(join(directory, 'store'));
  const secrets = newSecrets();
  for (const [ref, name] of [['${AES}', 'aes'], ['${PRIVATE}', 'private'], ['${PUBLIC}', 'public']] as const) writeFileSync(join(directory, name), secrets[ref]!);
  const before = process.env['HOLDFAST_SYSTEMS'];
  process.env['HOLDFAST_SYSTEMS'] = directory;
  t.after(() => void (before === undefined ? delete process.env['HOLDFAST_SYSTEMS'] : (process.env['HOLDFAST_SYSTEMS'] = before)));
  const file: SystemFile = {
    system: pgRef.system,
    title: 'Books',
    objectives: { rto: '1h', rpo: '24h' },
    environments: {
      production: { protection: 'production', endpoints: { ledger: { uri: uri(source, database) } } },
      dr: { protection: 'production', endpoints: { ledger: { uri: uri(target, `${database}_dr`) } } },
    },
    sources: { ledger: { engine: 'postgres', environment: 'production' } },
    stores: [{ name: 'main', kind: 'local', path: join(directory, 'store'), lock: { retain: '1h' } }],
    key: { id: 'test', aes256: 'file:aes', signing: { privateKey: 'file:private', publicKeys: ['file:public'] } },
    standby: { environment: 'dr', provision: { ledger: { uses: 'database', directory: join(directory, 'claim') } } },
    fence: {},
    traffic: { uses: 'nginx', directory, url: 'http://127.0.0.1:1', sides: { production: '127.0.0.1:1', dr: '127.0.0.1:2' } },
    runbook: { steps: [{ id: 'find-point', uses: 'find-recovery-point' }] },
  };
  const change: PostgresPlace['change'] = (alter) => {
    alter(file);
    writeFileSync(join(directory, `${pgRef.system}.yaml`), stringify(file));
  };
  change(() => undefined);
  const said: JobReading[] = [];
  return {
    directory, source, target, file, change, said,
    open: async ({ signal = new AbortController().signal, progress = (reading: JobReading) => void said.push(reading) } = {}) => await openContext({ ...pgRef, epoch: 1 }, { signal, progress }),
  };
}

/** What a worker of restores sees in a system whose runbook is of this mode. */
export const inMode = (context: SourceContext, mode: RestoreMode): SourceContext => ({ ...context, system: { ...context.system, runbook: { ...context.system.runbook, mode } } });

let backups = 0;
export const newBackup = (): string => makeId(Date.now(), `${String((backups += 1)).padStart(8, '0')}${'0'.repeat(24)}`);

export const planInput = (backup: string) => ({ ...pgRef, backup, epoch: 1, why: 'test', requestedBy: 'test' });

/** A snapshot that is held until it is let go of. `lost` is what its holder failed with, once it has. */
export async function hold(place: PostgresPlace, backup: string): Promise<{ letGo(): Promise<void>; lost: Promise<unknown> }> {
  const abort = new AbortController();
  const isHeld = Promise.withResolvers<void>();
  const context = await place.open({ signal: abort.signal, progress: () => isHeld.resolve() });
  const lost = postgresEngine.holdSnapshot(context, { ...pgRef, backup }).then(() => undefined, (error: unknown) => error);
  const failure = await Promise.race([isHeld.promise, lost]);
  if (failure instanceof Error) throw failure;
  return {
    lost,
    letGo: async () => {
      abort.abort(new Error('let go'));
      await lost;
    },
  };
}

/** Plan, every group, seal: what the workflow does. @param meanwhile - once the plan stands, before anything is read. */
export async function backUpPostgres(place: PostgresPlace, { context, meanwhile }: { context?: SourceContext; meanwhile?: (plan: DumpPlanRef) => Promise<void> } = {}): Promise<BackupSummary> {
  const own = context ?? (await place.open());
  const backup = newBackup();
  const held = await hold(place, backup);
  let plan: DumpPlanRef;
  const groups: GroupRef[] = [];
  try {
    plan = await postgresEngine.planDump(own, planInput(backup));
    await meanwhile?.(plan);
    for (const { group } of plan.groups) groups.push(await postgresEngine.dumpGroup(own, { ...pgRef, plan, epoch: 1, group }));
  } finally {
    await held.letGo();
  }
  return await postgresEngine.sealBackup(own, { ...pgRef, plan, epoch: 1, groups });
}

export function pgPoint(summary: BackupSummary): RecoveryPoint {
  const { timeline, backup, manifest, logFrom, end, endAt, documents, plainBytes, storedBytes } = summary;
  const base = { timeline, backup, manifest, logFrom, start: end, end, finishedAt: endAt, documents, plainBytes, storedBytes, exact: true, why: 'test' };
  return { ...pgRef, timeline, base, limit: nextLogPosition(end), reaches: end, reachesAt: endAt, log: { from: end, slices: 0, storedBytes: 0 } };
}

/** Provision, prepare, all groups, indexes: what the workflow does. */
export async function restorePostgres(context: SourceContext, summary: BackupSummary, target: TargetRef = pgTarget) {
  const point = pgPoint(summary);
  await (await openProvisioner(context)).provision(context, target);
  const { groups } = await postgresEngine.prepareRestore(context, { target, point });
  for (const group of groups) await postgresEngine.restoreGroup(context, { target, point, group });
  return await postgresEngine.buildIndexes(context, { target, point });
}

export const validatePostgres = async (context: SourceContext, summary: BackupSummary, target: TargetRef = pgTarget) =>
  await postgresEngine.validateTarget(context, { target, point: pgPoint(summary), limit: pgPoint(summary).limit, validator: 'equality' });

/** No session of ours is left on a server. */
export const noSessions = async ({ query }: Postgres): Promise<void> =>
  void (await until('our sessions are over', async () => (await query(`SELECT FROM pg_stat_activity WHERE application_name LIKE 'holdfast%' AND pid <> pg_backend_pid()`)).length === 0));
