import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import type { Worker } from '@temporalio/worker';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Logger } from 'pino';
import { listSystems, loadSystemFile } from '../../activities/system-files.ts';
import { readFires } from '../../activities/watch/read-fires.ts';
import { resolveSecret, scrub } from '../../activities/secrets.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { describeLate } from '../../workflows/domain/schedules/judge-fire.ts';
import { askAgain } from '../ask-again.ts';
import type { WorkerConnection } from '../connection.ts';
import type { WorkerEnvironment } from '../environment.ts';
import type { QueuePlan } from '../run-workers.ts';
import { FactsKeeper } from './facts-keeper.ts';
import { renderMetrics } from './metrics.ts';
import { keepPinging } from './ping.ts';
import { readRoles, type RoleState } from './role-readiness.ts';
import { serveWatch } from './serve-watch.ts';

export interface Watched {
  temporal: WorkerConnection;
  dataConverter: DataConverter;
  plans: readonly QueuePlan[];
  /** filled once they are made */
  workers: readonly Worker[];
  environment: WorkerEnvironment;
  log: Logger;
}

/** Beside the work, never in its way: whatever fails here is a line in the log. */
export interface Watch {
  /** Begins to tell the outside monitor, where there is one. */
  ping(): Promise<void>;
}

/** Until every role polls: an alarm at each start would be none. */
const startsWithinMs = 60_000;

/**
 * Who watches this worker: its HTTP server, from now on, and its ping.
 *
 * @param signal - both end with it.
 * @throws BadInput - the address that HOLDFAST_HTTP names cannot be listened on. One that nobody named may be taken: another worker of this machine has it.
 */
export async function startWatch(watched: Watched, signal: AbortSignal): Promise<Watch> {
  const { temporal, dataConverter, plans, workers, environment, log } = watched;
  const client = new Client({ connection: temporal.connection, namespace: temporal.namespace, dataConverter, interceptors: { workflow: [askAgain] } });
  const roles = sharedFor(2_000, async () => await readRoles({ temporal, plans, workers, identity: environment.identity }));
  await serve(watched, client, roles, signal);
  return {
    async ping() {
      if (environment.ping === null) return;
      const url = await resolveSecret(environment.ping.ref, process.cwd());
      const startedMs = performance.now();
      while (!signal.aborted && performance.now() - startedMs < startsWithinMs && !(await roles()).every(({ ready }) => ready)) await sleep(500, undefined, { signal }).catch(() => undefined);
      await keepPinging({ url, everyMs: environment.ping.everyMs, log, look: async () => await lookAround(client, await roles()) }, signal);
    },
  };
}

async function serve({ environment: { http }, plans, log }: Watched, client: Client, roles: () => Promise<RoleState[]>, signal: AbortSignal): Promise<void> {
  if (http === null) return;
  const own = ofProcess(roles);
  const keeper = new FactsKeeper(client, signal);
  // Every worker would say the same of the systems; those that run their workflows do.
  const tellsSystems = plans.some(({ role }) => role === 'control');
  const metrics = async (): Promise<string> => [await own.metrics(), ...(tellsSystems ? [await renderMetrics(await keeper.facts())] : [])].join('\n');
  try {
    const server = await serveWatch({ host: http.host, port: http.port, roles, metrics });
    signal.addEventListener('abort', () => server.close(), { once: true });
    log.info({ url: `http://${http.host}:${(server.address() as AddressInfo).port}` }, 'worker is watched');
  } catch (error) {
    const why = `${http.host}:${http.port} cannot be listened on: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
    if (http.named) throw new HoldfastError('BadInput', `HOLDFAST_HTTP: ${why}`, { hint: 'name another address, or off', cause: error });
    log.info({ why }, 'worker is not watched over HTTP: name an address in HOLDFAST_HTTP');
  }
}

/** What is of this process alone. */
function ofProcess(roles: () => Promise<RoleState[]>): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'holdfast_worker_ready',
    help: 'Whether a role of this worker can do its work: 1 or 0.',
    labelNames: ['role'],
    registers: [registry],
    async collect() {
      for (const { role, ready: is } of await roles()) this.set({ role }, is ? 1 : 0);
    },
  });
  return registry;
}

/** What an outside monitor is to hear of: roles that cannot work, and schedules that do not start what they should. */
async function lookAround(client: Client, roles: readonly RoleState[]): Promise<string[]> {
  const wrong = roles.flatMap(({ role, why }) => why.map((line) => `${role}: ${line}`));
  for (const name of await listSystems()) {
    try {
      wrong.push(...describeLate(await readFires(client, (await loadSystemFile(name)).system)));
    } catch (error) {
      wrong.push(`${name}: ${scrub((error as Error).message.split('\n')[0]!)}`);
    }
  }
  return wrong;
}

/** One look for all who ask within this time: asking often must not cost more. */
function sharedFor<T>(ms: number, look: () => Promise<T>): () => Promise<T> {
  let last: { atMs: number; answer: Promise<T> } | undefined;
  return async () => {
    if (!last || performance.now() - last.atMs > ms) last = { atMs: performance.now(), answer: look() };
    return await last.answer;
  };
}
