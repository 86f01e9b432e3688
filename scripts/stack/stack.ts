import { existsSync, globSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { isFree } from '../../activities/tool/free-port.ts';
import { readPidFile, stopByPidFile } from '../../activities/tool/start-server.ts';
import { stackDirectory } from '../stack-address.ts';
import { startApp } from './apps.ts';
import { startFrontDoor } from './front-door.ts';
import { createBucket, removeObjectStoreSockets, startObjectStoreServer } from './object-store.ts';
import { startPrimary } from './primary.ts';
import { directoryOf, ensureStackFile, partDirectories, pidFileOf, readStackFile, type Part, type StackFile } from './stack-file.ts';
import { ensureSecrets, readSecret } from './stack-secrets.ts';
import { isPromoted, startStandby } from './standby.ts';
import { startTemporal } from './temporal.ts';

export interface StartOptions {
  /** Everything dies with this process, however it dies. Left out, the stack outlives us. */
  tiedToUs?: boolean;
  /** Told as each part is up. */
  onReady?: (part: Part, tookMs: number) => void;
}

const parts = Object.keys(partDirectories) as Part[];

/** A store that is killed loses nothing that was acknowledged; asked nicely it takes 15 s to go. */
const graceMs: Partial<Record<Part, number>> = { objectStore: 1_000, worker: 40_000 };

/**
 * Starts the embedded stack: Temporal with its UI, the primary, the object store, the application of each side, nginx in
 * front. The standby's server is made by a recovery; one that was promoted is started again. The worker is a call of its own (`startWorker`).
 *
 * Safe to repeat: what runs is left alone, what is missing is started on its own port.
 *
 * @throws TargetUnavailable - a part does not come up; the tail of its log is in the message, and what was started stays up.
 */
export async function startStack(options: StartOptions = {}): Promise<StackFile> {
  const stack = await ensureStackFile();
  ensureSecrets(stack);
  // Where the demo's system file lets dumps come from and go to; an export is not encrypted.
  mkdirSync(join(stack.directory, 'exchange'), { recursive: true, mode: 0o700 });
  await refuseTakenPorts(stack);
  const tied = { tiedToUs: options.tiedToUs ?? false };
  const start = async (part: Part, work: () => Promise<unknown>): Promise<void> => {
    const startedAt = Date.now();
    await work();
    options.onReady?.(part, Date.now() - startedAt);
  };
  const ends = await Promise.allSettled([
    start('temporal', async () => await startTemporal(stack, tied)),
    start('objectStore', async () => await startObjectStore(stack, tied)),
    // Fenced by a recovery: it must not come up again; the application of its side waits for the data to come home.
    isFenced(stack) ? undefined : start('primary', async () => await startPrimary(stack, tied)).then(async () => await start('app-production', async () => await startApp(stack, 'production', { ...tied, serving: true }))),
    isFenced(stack) ? start('app-production', async () => await startApp(stack, 'production', tied)) : undefined,
    isPromoted(stack) ? start('standby', async () => await startStandby(stack, tied)) : undefined,
    start('app-dr', async () => await startApp(stack, 'dr', tied)),
    start('frontDoor', async () => await startFrontDoor(stack, tied)),
  ]);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
  return stack;
}

/**
 * Stops everything that runs under the state directory, also what a recovery started there, and returns the names of
 * what was stopped. Data stays. Safe to repeat.
 */
export async function stopStack(): Promise<string[]> {
  const directory = stackDirectory();
  const stopped: string[] = [];
  const stop = async (pidFile: string): Promise<void> => {
    const path = join(directory, pidFile);
    const server = readPidFile(path);
    const part = parts.find((name) => pidFile === join(partDirectories[name], 'server.pid'));
    if (await stopByPidFile(path, 'SIGTERM', (part && graceMs[part]) ?? 15_000)) stopped.push(server?.name ?? pidFile);
  };
  // The worker before what it works with: it ends its activities in order, and says so to Temporal.
  await stop(join(partDirectories.worker, 'server.pid'));
  for (const part of ['frontDoor', 'app-production', 'app-dr', 'temporal'] as const) await stop(join(partDirectories[part], 'server.pid'));
  // A restore target that was moved aside, or made for a drill, lies deeper or under another name.
  const rest = globSync(['*/server.pid', '*/*/server.pid'], { cwd: directory });
  await Promise.all(rest.map(stop));
  const stack = readStackFile();
  if (stack) removeObjectStoreSockets(stack.objectStore.ports);
  return stopped;
}

/** Stops everything and deletes the state directory: data, history, keys and all. */
export async function wipeStack(): Promise<void> {
  await stopStack();
  rmSync(stackDirectory(), { recursive: true, force: true, maxRetries: 5 });
}

export interface PartStatus {
  part: Part;
  running: boolean;
  pid: number | null;
  startedAt: string | null;
  address: string | null;
  directory: string;
}

/** What runs now, a line a part; empty when no stack was made here. */
export function stackStatus(): PartStatus[] {
  const stack = readStackFile();
  if (!stack) return [];
  const addresses = addressesOf(stack);
  return parts.map((part) => {
    const server = readPidFile(pidFileOf(stack, part));
    return {
      part,
      running: server !== undefined,
      pid: server?.pid ?? null,
      startedAt: server?.startedAt ?? null,
      address: addresses[part] ?? null,
      directory: directoryOf(stack, part),
    };
  });
}

const isFenced = (stack: StackFile): boolean => existsSync(join(directoryOf(stack, 'primary'), 'FENCED.json'));

async function startObjectStore(stack: StackFile, options: { tiedToUs: boolean }): Promise<void> {
  const identity = { accessKeyId: readSecret(stack, 's3-access-key-id'), secretAccessKey: readSecret(stack, 's3-secret-access-key') };
  await startObjectStoreServer(directoryOf(stack, 'objectStore'), stack.objectStore.ports, identity, options);
  const { endpoint, region, bucket } = stack.objectStore;
  await createBucket({ endpoint, region, ...identity }, bucket, { lock: true });
}

function addressesOf(stack: StackFile): Partial<Record<Part, string>> {
  return {
    temporal: stack.temporal.uiUrl,
    primary: `127.0.0.1:${stack.primary.port}`,
    standby: `127.0.0.1:${stack.standby.port}`,
    objectStore: stack.objectStore.endpoint,
    frontDoor: stack.frontDoor.url,
    'app-production': `127.0.0.1:${stack.apps.production.port}`,
    'app-dr': `127.0.0.1:${stack.apps.dr.port}`,
  };
}

/** How long a port may stay taken by what was just stopped: the kernel closes a killed server's sockets a moment after it is gone. */
const portLingersMs = 10_000;

async function isFreeSoon(port: number): Promise<boolean> {
  const endsAt = Date.now() + portLingersMs;
  while (!(await isFree(port))) {
    if (Date.now() > endsAt) return false;
    await sleep(100);
  }
  return true;
}

/** Somebody else's server at one of our ports would answer in our part's name. */
async function refuseTakenPorts(stack: StackFile): Promise<void> {
  const ports: [Part, number][] = [
    ['temporal', stack.temporal.port],
    ['temporal', stack.temporal.uiPort],
    ['primary', stack.primary.port],
    ['objectStore', stack.objectStore.ports.s3],
    ['frontDoor', stack.frontDoor.port],
    ['app-production', stack.apps.production.port],
    ['app-dr', stack.apps.dr.port],
  ];
  for (const [part, port] of ports) {
    if (readPidFile(pidFileOf(stack, part)) || (await isFreeSoon(port))) continue;
    throw new HoldfastError('TargetUnavailable', `port ${port} of the embedded stack’s ${part} is taken by another program.`, {
      hint: `stop that program, or delete ${stack.directory} for a new stack on other ports (its backups and history go with it)`,
    });
  }
}
