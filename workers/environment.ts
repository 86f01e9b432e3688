import { availableParallelism, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { HoldfastError } from '../workflows/domain/errors.ts';
import { parseDurationMs, seconds } from '../workflows/domain/units.ts';

/**
 * What a worker does. control: workflows and light activities; data: dumps and verification; archive: log tails;
 * recover: restore and replay, with slots that nothing else can take.
 */
export const roles = ['control', 'data', 'archive', 'recover'] as const;
export type Role = (typeof roles)[number];

export interface WorkerEnvironment {
  roles: readonly Role[];
  /** where reports are written for people, beside the evidence in the store */
  reportsDirectory: string;
  /** where people see the runs, for the links in messages; null: nobody said */
  temporalUiUrl: string | null;
  logLevel: string;
  /** activities at a time, by role; those of data and recover are a process each */
  slots: Record<Role, number>;
  /** workflows that are kept in memory between two tasks; one that is not is made anew from its history for its next */
  cachedWorkflows: number;
  identity: string;
  /** names the build of the workflows that this worker runs (docs/upgrades.md); null: workflows are not kept to a build */
  build: string | null;
  /** where /healthz, /readyz and /metrics are served; null: nowhere. `named`: somebody asked for just this address */
  http: { host: string; port: number; named: boolean } | null;
  /** the outside monitor that is to hear of us: a secret reference, as its address is its password; null: none */
  ping: { ref: string; everyMs: number } | null;
  /** host:port for the metrics of the Temporal SDK itself; null: none */
  temporalMetrics: string | null;
}

/**
 * Reads HOLDFAST_ROLES (comma-separated, default all), HOLDFAST_REPORTS, TEMPORAL_UI_URL, HOLDFAST_LOG_LEVEL, HOLDFAST_BUILD, HOLDFAST_SLOTS (processes
 * at a time for dumps, and again for restores; default: as many as processors, at least 2), HOLDFAST_ARCHIVES (logs archived at a time, a process each;
 * default 64) and HOLDFAST_CACHED_WORKFLOWS (default 100; docs/benchmarks.md has what they take). Who watches it: HOLDFAST_HTTP (host:port or off), HOLDFAST_PING
 * (the address, or file:PATH that holds it), HOLDFAST_PING_EVERY (5m), HOLDFAST_TEMPORAL_METRICS (host:port).
 * @throws BadInput - names the variable and what was expected.
 */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): WorkerEnvironment {
  const slots = numberOf(env, 'HOLDFAST_SLOTS', Math.max(2, availableParallelism()), 256);
  const build = env['HOLDFAST_BUILD'] || null;
  if (build !== null && !/^[\w.-]{1,100}$/.test(build)) throw new HoldfastError('BadInput', `HOLDFAST_BUILD=${build}: expected up to 100 letters, digits, dots, dashes and underscores`);
  return {
    build,
    roles: readRoles(env['HOLDFAST_ROLES']),
    reportsDirectory: resolve(env['HOLDFAST_REPORTS'] ?? join(import.meta.dirname, '..', 'reports')),
    temporalUiUrl: env['TEMPORAL_UI_URL'] || null,
    logLevel: env['HOLDFAST_LOG_LEVEL'] ?? 'info',
    // A log tail waits nearly all the time, and every source needs its own, for as long as the system lives.
    slots: { control: 32, data: slots, archive: numberOf(env, 'HOLDFAST_ARCHIVES', 64, 10_000), recover: slots },
    cachedWorkflows: numberOf(env, 'HOLDFAST_CACHED_WORKFLOWS', 100, 100_000),
    identity: `holdfast@${hostname()}:${process.pid}`,
    http: readHttp(env['HOLDFAST_HTTP']),
    ping: readPing(env['HOLDFAST_PING'], env['HOLDFAST_PING_EVERY']),
    temporalMetrics: env['HOLDFAST_TEMPORAL_METRICS'] ? addressOf('HOLDFAST_TEMPORAL_METRICS', env['HOLDFAST_TEMPORAL_METRICS']).text : null,
  };
}

function numberOf(env: NodeJS.ProcessEnv, name: string, leftOut: number, most: number): number {
  const number = Number(env[name] ?? leftOut);
  if (!Number.isInteger(number) || number < 1 || number > most) throw new HoldfastError('BadInput', `${name}=${env[name]}: expected a number from 1 to ${most}`);
  return number;
}

function readRoles(text: string | undefined): readonly Role[] {
  if (!text) return roles;
  const named = text.split(',').map((role) => role.trim());
  const unknown = named.filter((role) => !(roles as readonly string[]).includes(role));
  if (unknown.length > 0) {
    throw new HoldfastError('BadInput', `HOLDFAST_ROLES: unknown role ${unknown.join(', ')}; expected some of ${roles.join(', ')}`);
  }
  return roles.filter((role) => named.includes(role));
}

const usualHttpPort = 9469;

function readHttp(text: string | undefined): WorkerEnvironment['http'] {
  if (!text) return { host: '127.0.0.1', port: usualHttpPort, named: false };
  return text === 'off' ? null : { ...addressOf('HOLDFAST_HTTP', text), named: true };
}

function addressOf(variable: string, text: string): { host: string; port: number; text: string } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (!host || !digits || Number(digits) > 65_535) throw new HoldfastError('BadInput', `${variable}=${text}: expected host:port such as 127.0.0.1:${usualHttpPort}${variable === 'HOLDFAST_HTTP' ? ', or off' : ''}`);
  return { host, port: Number(digits), text };
}

function readPing(ref: string | undefined, every: string | undefined): WorkerEnvironment['ping'] {
  const everyMs = parseDurationMs(every || '5m');
  if (everyMs === undefined || everyMs < seconds(1)) throw new HoldfastError('BadInput', `HOLDFAST_PING_EVERY=${every}: expected a duration such as 5m, a second at least`);
  return ref ? { ref: ref.startsWith('file:') ? ref : '${HOLDFAST_PING}', everyMs } : null;
}
