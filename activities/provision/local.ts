import { randomBytes } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatDuration, seconds } from '../../workflows/domain/units.ts';
import { findTool } from '../tool/find-tool.ts';
import { closesWithinMs } from '../tool/knock.ts';
import { findServer, readMark, type FenceMark } from '../traffic/fenced-directory.ts';
import { readPidFile, startServer, stopByPidFile } from '../tool/start-server.ts';
import { giveLeftBack, moveLeftAside } from './left-place.ts';
import { claimDirectory, readClaim, refuseClaimed, requireClaim } from './claim.ts';
import { readMongodConfig, writeMongodConfig, type MongodConfig } from './mongod-config.ts';
import type { ProvisionContext, Provisioner } from './provisioner.ts';
import { refuseTakenPort } from './refuse-taken-port.ts';
import { removePlace } from './remove-place.ts';

/** A clean shutdown writes what is in the cache; a KILL before that would cost the next start a recovery. */
const stopWithinMs = 120_000;

/**
 * How much of the cache may hold changed pages, of the standalone that is loaded. By default the engine writes pages from 5 % on: a replay that
 * changes documents all over the data has each page compressed and written many times, which took four times the processor time of the
 * replay itself. The journal is as it always is, so a crash loses nothing that it would not lose otherwise.
 */
export const loadingEngineConfig = 'eviction_dirty_target=50,eviction_dirty_trigger=75,eviction_updates_target=40,eviction_updates_trigger=60';

interface Place {
  directory: string;
  host: string;
  port: number;
  replicaSet: string;
  cacheBytes: number | undefined;
  tls: { certificateKeyFile: string; caFile: string } | undefined;
  configFile: string;
  keyFile: string;
  pidFile: string;
  logFile: string;
}

/**
 * A mongod on the worker's own machine, in a directory that the system file names, at the port of the standby's address.
 * The server outlives the worker; all that it is started with stands in its mongod.conf.
 */
export const localProvisioner: Provisioner = {
  async check(context, { movesAside, run }) {
    const place = placeOf(context);
    findTool('mongod');
    const mark = await readMark(place.directory);
    if (context.inPlace) return { summary: await checkInPlace(place, mark) };
    if (mark && movesAside) return { summary: `what run ${mark.run} fenced in ${place.directory} would be moved aside` };
    if (await refuseClaimed(place.directory, run)) return { summary: `${place.directory} is this run’s own` };
    await refuseTakenPort(place.port, `the ${place.replicaSet} standby`, 0);
    return { summary: `nothing lies in ${place.directory}, and nothing serves at 127.0.0.1:${place.port}` };
  },

  async makeRoom(context, target) {
    return { summary: await moveLeftAside(placeOf(context).directory, target.run, { ownFence: context.inPlace === true }) };
  },

  async giveRoomBack(context, target) {
    return { summary: await giveLeftBack(placeOf(context).directory, target.run) };
  },

  async startAgain(context, target) {
    const place = placeOf(context);
    const { directory } = place;
    const gone = (what: string): HoldfastError => new HoldfastError('TargetUnavailable', `the server of ${directory} cannot be started again: ${what}`, { hint: 'what it held is in the store: recover it from there' });
    if ((await readClaim(directory))?.run === target.run) throw gone('the target of this run is in its place');
    if (await readMark(directory)) throw gone('it is fenced');
    if (!(await readMongodConfig(place.configFile))) throw gone(`${place.configFile} is not there`);
    const ran = findServer(directory) !== undefined;
    if (!ran) await start(place, context);
    await untilPrimary(place, context);
    return { summary: `the server of ${directory} ${ran ? 'runs' : 'was started again'}, and takes writes` };
  },

  async provision(context, target) {
    const place = placeOf(context);
    await claimDirectory(place.directory, { run: target.run, system: target.system, source: target.source });
    const config = await readMongodConfig(place.configFile);
    // A server of ours may have died just now, or been fenced here for a recovery in place: its process is gone before its port is closed.
    if (!readPidFile(place.pidFile)) await refuseTakenPort(place.port, `the ${place.replicaSet} standby`, closesWithinMs);
    if (!config) {
      await mkdir(join(place.directory, 'data'), { recursive: true });
      await writeMongodConfig(place.configFile, standaloneConfig(place), `Restore target of run ${target.run}: standalone, loopback only.`);
    }
    await start(place, context);
    const kind = config?.replication ? 'already a replica set' : 'standalone';
    return { summary: `${kind} on 127.0.0.1:${place.port}, data in ${place.directory}` };
  },

  async restartAsReplicaSet(context, target) {
    const place = placeOf(context);
    await requireClaim(place.directory, target.run);
    const config = await readMongodConfig(place.configFile);
    const asks = asksForAuthentication(context, place);
    if (!config?.replication) {
      if (asks) await writeFile(place.keyFile, randomBytes(96).toString('base64'), { mode: 0o600 });
      await stopByPidFile(place.pidFile, 'SIGTERM', stopWithinMs);
      await writeMongodConfig(place.configFile, memberConfig(place, asks), `Member of ${place.replicaSet}, restored by run ${target.run}.`);
    }
    await start(place, context);
    const address = `${place.host}:${place.port}`;
    return { summary: `replica set member ${address}, authentication ${asks ? 'on' : 'off, as its endpoint names no credentials'}`, replicaSet: place.replicaSet, address };
  },

  async remove(context, target, { discard } = {}) {
    const place = placeOf(context);
    return await removePlace(place.directory, target, { discard, stop: async () => await stopByPidFile(place.pidFile, 'SIGTERM', stopWithinMs) });
  },

  async describe(context) {
    const place = placeOf(context);
    const running = readPidFile(place.pidFile);
    const config = await readMongodConfig(place.configFile);
    const exists = await stat(place.directory).then(() => true, () => false);
    const kind = config?.replication ? 'replica-set' : 'standalone';
    return {
      state: running ? kind : exists ? 'stopped' : 'absent',
      claimedBy: (await readClaim(place.directory))?.run ?? null,
      directory: place.directory,
      address: `${config?.replication ? place.host : '127.0.0.1'}:${place.port}`,
      replicaSet: place.replicaSet,
      pid: running?.pid ?? null,
    };
  },
};

function placeOf({ system, sourceName, address }: ProvisionContext): Place {
  const settings = system.standby.provision[sourceName]!;
  if (settings.uses !== 'local') throw new HoldfastError('BadSystemFile', `standby.provision.${sourceName}: expected uses local, found ${settings.uses}`);
  const uri = address(system.environments[system.standby.environment]!.endpoints[sourceName]!.uri);
  const [, hosts] = /^mongodb:\/\/([^/?]+)/.exec(uri) ?? [];
  if (!hosts || hosts.includes(',')) {
    throw new HoldfastError('BadSystemFile', `environments.${system.standby.environment}.endpoints.${sourceName}.uri: the local provisioner needs one mongodb://host:port`);
  }
  const [host, port] = hosts.split(':');
  const directory = address(settings.directory);
  return {
    directory,
    host: host!,
    port: Number(port ?? 27017),
    replicaSet: settings.replicaSet,
    cacheBytes: settings.cache,
    tls: settings.tls && { certificateKeyFile: address(settings.tls.certificateKeyFile), caFile: address(settings.tls.caFile) },
    configFile: join(directory, 'mongod.conf'),
    keyFile: join(directory, 'key-file'),
    pidFile: join(directory, 'server.pid'),
    logFile: join(directory, 'mongod.log'),
  };
}

/** Without authentication, so on loopback only. TTL is off: it deleted restored documents within a minute. */
function standaloneConfig(place: Place): MongodConfig {
  const { storage, ...config } = commonConfig(place);
  return {
    ...config,
    storage: { ...storage, wiredTiger: { engineConfig: { ...storage?.wiredTiger?.engineConfig, configString: loadingEngineConfig } } },
    net: netOf(place, '127.0.0.1'),
    operationProfiling: { slowOpThresholdMs: seconds(10) },
    setParameter: { ttlMonitorEnabled: false, diagnosticDataCollectionEnabled: false },
  };
}

const isOnLoopback = (place: Place): boolean => ['127.0.0.1', 'localhost'].includes(place.host);

/**
 * As the source had it: a source without users, restored behind authentication, lets nobody in, its application included.
 * Off loopback it always asks.
 */
const asksForAuthentication = ({ system, sourceName }: ProvisionContext, place: Place): boolean =>
  !isOnLoopback(place) || system.environments[system.standby.environment]!.endpoints[sourceName]!.credentials !== undefined;

function memberConfig(place: Place, asks: boolean): MongodConfig {
  return {
    ...commonConfig(place),
    net: { ...netOf(place, isOnLoopback(place) ? '127.0.0.1' : `127.0.0.1,${place.host}`), ...tlsOf(place) },
    replication: { replSetName: place.replicaSet },
    ...(asks ? { security: { keyFile: place.keyFile, authorization: 'enabled' } } : {}),
  };
}

/** Whoever asks for TLS is given it; whether it is asked for is the application's matter, and for Holdfast's own connections off the machine the endpoint's. */
const tlsOf = ({ tls }: Place): MongodConfig['net'] =>
  tls ? { tls: { mode: 'preferTLS', certificateKeyFile: tls.certificateKeyFile, CAFile: tls.caFile, allowConnectionsWithoutCertificates: true } } : {};

function commonConfig(place: Place): MongodConfig {
  const cacheSizeGB = place.cacheBytes === undefined ? undefined : Math.max(0.25, place.cacheBytes / 1024 ** 3);
  return {
    storage: {
      dbPath: join(place.directory, 'data'),
      ...(cacheSizeGB === undefined ? {} : { wiredTiger: { engineConfig: { cacheSizeGB } } }),
    },
  };
}

const netOf = (place: Place, bindIp: string): MongodConfig['net'] => ({ port: place.port, bindIp, unixDomainSocket: { enabled: false } });

async function start(place: Place, { system, signal }: ProvisionContext): Promise<void> {
  await startServer({
    name: `standby on 127.0.0.1:${place.port}`,
    program: findTool('mongod'),
    args: ['--config', place.configFile],
    cwd: place.directory,
    logFile: place.logFile,
    pidFile: place.pidFile,
    readyWithinMs: system.databaseReadyWithin,
    signal,
    ready: async () => await answers(place.port),
  });
}

/** What would be replaced: it must be known by its directory, and be nobody's fenced server. */
async function checkInPlace(place: Place, mark: FenceMark | undefined): Promise<string> {
  if (mark) throw new HoldfastError('TargetNotEmpty', `run ${mark.run} has fenced what lies in ${place.directory}`, { hint: 'undo that fence, or recover to another place' });
  if (!(await readMongodConfig(place.configFile))) throw new HoldfastError('TargetUnavailable', `${place.configFile} is not there: the server could neither be fenced nor started again`);
  return `the server of ${place.directory} would be fenced, and its directory moved aside: both need room on that disk`;
}

/** A member of one elects itself, a moment after its start. */
async function untilPrimary(place: Place, { system, signal }: ProvisionContext): Promise<void> {
  const client = new MongoClient(`mongodb://127.0.0.1:${place.port}/?directConnection=true`, { serverSelectionTimeoutMS: 1_000 });
  const startedMs = performance.now();
  try {
    while (!(await client.db('admin').command({ hello: 1 }).catch(() => undefined))?.['isWritablePrimary']) {
      signal.throwIfAborted();
      if (performance.now() - startedMs > system.databaseReadyWithin) throw new HoldfastError('TargetUnavailable', `the server of ${place.directory} does not take writes within ${formatDuration(system.databaseReadyWithin)}`, { hint: `look at ${place.logFile}` });
      await sleep(200);
    }
  } finally {
    await client.close();
  }
}

async function answers(port: number): Promise<boolean> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, { serverSelectionTimeoutMS: 1_000 });
  try {
    return (await client.db('admin').command({ hello: 1 })).ok === 1;
  } finally {
    await client.close();
  }
}
