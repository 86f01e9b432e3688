import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { JobReading, SourceContext } from '../../activities/context.ts';
import { postgresPhysicalEngine as engine } from '../../activities/engines/postgres-physical/index.ts';
import { openContext } from '../../activities/open-context.ts';
import { openProvisioner } from '../../activities/provision/provisioner.ts';
import { findCheckedPoint } from '../../activities/store/find-checked-point.ts';
import { closedTo, serverAccount } from '../../activities/tool/server-account.ts';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import type { BackupSummary, ReplayResult, TargetRef } from '../../workflows/contract.ts';
import type { CheckedPoint } from '../../workflows/domain/point-check.ts';
import type { RecoveryTarget } from '../../workflows/domain/recovery-point.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import type { Owner } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { newSecrets } from './keys.ts';
import { startObjectStore, type ObjectStore } from './object-store.ts';
import { postgresMissing, startPostgres, type Postgres, type PostgresOptions, type PostgresSettings } from './postgres.ts';
import { processesWith } from './running.ts';
import { tempDir } from './temp-dir.ts';

export const physicalRef = { system: 'physical', source: 'main' };
export const physicalTarget = (run = 'run-1'): TargetRef => ({ ...physicalRef, environment: 'dr', run });

const project = join(import.meta.dirname, '..', '..');
/** As a postgresql.conf has it. */
const archiveCommand = `"${join(project, 'holdfast')}" wal-push %p`;

export interface PhysicalPlace {
  directory: string;
  store: ObjectStore;
  source: Postgres;
  targetPort: number;
  targetDirectory: string;
  /** what the server pushes by */
  archiveCommand: string;
  said: JobReading[];
  logged: string[];
  /** A job's context as a worker opens it. */
  open(signal?: AbortSignal): Promise<SourceContext>;
}

/** Why the server's account could not run the archive_command of a test here, for `{ skip }`; false where it can. */
export async function physicalMissing(version = 17): Promise<string | false> {
  const closed = ['holdfast', 'scripts/wal/ask.cjs', 'node_modules/.bin/node', '.tools/.stamp'].map((file) => closedTo(serverAccount(), join(project, file))).find((path) => path !== undefined);
  return closed === undefined ? await postgresMissing(version) : `${closed} is closed to the account that PostgreSQL runs as here`;
}

/** A server that pushes its WAL by the command line of this checkout to a real S3 store, or whose WAL is received, and a place for its copy. */
export async function physicalPlace(owner: Owner, { version = 17, settings = {}, receive = false, leastRights = false, lock = true, initdb, targetWithin, ...server }: Pick<PostgresOptions, 'configuredOutside' | 'tls'> & { version?: number; settings?: PostgresSettings; /** further arguments of initdb */ initdb?: readonly string[]; /** its log is received, and not pushed */ receive?: boolean; /** its user is `holdfast`, with what `holdfast access print` says for those who log in to it and no more; a superuser fences it */ leastRights?: boolean; /** false: what was stored can be deleted */ lock?: boolean; /** what the target's directory is made in; left out: the place's own */ targetWithin?: string | undefined } = {}): Promise<PhysicalPlace> {
  // Before the directory's own: hooks run in their order, and without its pid file the target would not be found.
  owner.after(async () => void (await stopByPidFile(join(targetDirectory, 'server.pid'), 'SIGKILL')));
  const directory = tempDir(owner, 'holdfast-physical-');
  // What the server's archive_command reads, the server's account must reach.
  chmodSync(directory, 0o755);
  const targetDirectory = join(targetWithin ?? directory, 'dr');
  const store = await startObjectStore(owner);
  await store.createBucket('physical', { lock: true });
  const secrets = newSecrets();
  for (const [name, content] of [['aes', secrets['${AES}']!], ['private', secrets['${PRIVATE}']!], ['public', secrets['${PUBLIC}']!], ['access', store.accessKeyId], ['secret', store.secretAccessKey]] as const) writeFileSync(join(directory, name), content);
  const before = { systems: process.env['HOLDFAST_SYSTEMS'], system: process.env['HOLDFAST_SYSTEM'] };
  process.env['HOLDFAST_SYSTEMS'] = directory;
  process.env['HOLDFAST_SYSTEM'] = physicalRef.system;
  owner.after(() => {
    for (const [name, value] of [['HOLDFAST_SYSTEMS', before.systems], ['HOLDFAST_SYSTEM', before.system]] as const) value === undefined ? delete process.env[name] : (process.env[name] = value);
  });
  const targetPort = await freePort();
  const source = await startPostgres(owner, { version, ...server, ...(initdb ? { initdb } : {}), settings: { ...(receive ? {} : { archive_mode: true, archive_timeout: '1s', archive_command: archiveCommand }), track_commit_timestamp: true, ...settings } });
  // Behind the server's own, who starts them: they stay for a while when nobody asks any more.
  owner.after(() => {
    for (const { pid, argv } of processesWith('HOLDFAST_SYSTEMS', directory)) if (argv.some((argument) => argument.endsWith('wal/resident.ts'))) process.kill(pid, 'SIGKILL');
  });
  // Both are let in without one.
  const as = (username: string) => (leastRights ? { credentials: { username, password: 'file:aes' } } : {});
  const file: SystemFile = {
    system: physicalRef.system,
    title: 'A server that pushes',
    objectives: { rto: '1h', rpo: '1m' },
    environments: {
      production: { protection: 'production', endpoints: { main: { uri: source.uri.replace('postgres@', ''), ...as('holdfast') } } },
      dr: { protection: 'production', endpoints: { main: { uri: `postgresql://127.0.0.1:${targetPort}/postgres`, ...as('holdfast') } } },
    },
    sources: { main: { engine: 'postgres-physical', environment: 'production', ...(receive ? { wal: { by: 'receive' }, archive: { every: '1s' } } : {}) } },
    stores: [{ name: 'main', kind: 's3', endpoint: store.endpoint, region: store.region, bucket: 'physical', credentials: { accessKeyId: 'file:access', secretAccessKey: 'file:secret' }, ...(lock ? { lock: { retain: '1h' } } : {}) }],
    key: { id: 'test', aes256: 'file:aes', signing: { privateKey: 'file:private', publicKeys: ['file:public'] } },
    standby: { environment: 'dr', provision: { main: { uses: 'local', directory: targetDirectory } } },
    fence: leastRights ? { main: { uses: 'databases', ...as('postgres') } } : {},
    traffic: { uses: 'nginx', directory, url: 'http://127.0.0.1:1', sides: { production: '127.0.0.1:1', dr: '127.0.0.1:2' } },
    validators: [],
    runbook: { steps: [{ id: 'find-point', uses: 'find-recovery-point' }] },
  };
  writeFileSync(join(directory, `${physicalRef.system}.yaml`), stringify(file));
  const said: JobReading[] = [];
  const logged: string[] = [];
  const open: PhysicalPlace['open'] = async (signal = new AbortController().signal) =>
    await openContext({ ...physicalRef, epoch: 0 }, { signal, progress: (reading) => void said.push(reading), log: (_, message) => void logged.push(message) });
  if (leastRights) {
    const { source: of, system } = await open();
    const commands = new Set((['backup', 'archive', 'restore'] as const).flatMap((role) => engine.grants(role, of, system).commands as string[]));
    for (const command of commands) await source.query(command, [], command.endsWith(' -- in database template1') ? 'template1' : 'postgres');
  }
  return {
    directory, store, source, targetPort, targetDirectory, archiveCommand, said, logged, open,
  };
}

/** Plan, the one group, seal: what the workflow does. */
export async function backUpPhysical(context: SourceContext, backup: string, { incremental }: { incremental?: true } = {}): Promise<BackupSummary> {
  const plan = await engine.planDump(context, { ...physicalRef, backup, epoch: 0, why: 'test', requestedBy: 'test', incremental });
  const group = await engine.dumpGroup(context, { ...physicalRef, plan, epoch: 0, group: plan.groups[0]!.group });
  return await engine.sealBackup(context, { ...physicalRef, plan, epoch: 0, groups: [group] });
}

export const findPoint = async (context: SourceContext, target: RecoveryTarget): Promise<CheckedPoint> => await findCheckedPoint(context, target, { readForMs: 60_000 });

/** Provision, prepare, the one group: a base that is not started yet. */
export async function restoreBase(context: SourceContext, point: CheckedPoint, target: TargetRef): Promise<void> {
  await (await openProvisioner(context)).provision(context, target);
  const { groups } = await engine.prepareRestore(context, { target, point });
  for (const group of groups) await engine.restoreGroup(context, { target, point, group });
}

/** The whole of a point, up to where its server waits. */
export async function restoreTo(context: SourceContext, wanted: RecoveryTarget, target: TargetRef): Promise<{ point: CheckedPoint; replayed: ReplayResult }> {
  const point = await findPoint(context, wanted);
  await restoreBase(context, point, target);
  return { point, replayed: await engine.replayLog(context, { target, point, limit: point.limit }) };
}
