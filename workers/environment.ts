import { availableParallelism, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { HoldfastError } from '../workflows/domain/errors.ts';

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
  identity: string;
  /** names the build of the workflows that this worker runs (docs/upgrades.md); null: workflows are not kept to a build */
  build: string | null;
}

/**
 * Reads HOLDFAST_ROLES (comma-separated, default all), HOLDFAST_REPORTS, TEMPORAL_UI_URL, HOLDFAST_LOG_LEVEL, HOLDFAST_BUILD and HOLDFAST_SLOTS (processes
 * at a time for dumps, and again for restores; default: as many as processors, at least 2).
 * @throws BadInput - names the variable and what was expected.
 */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): WorkerEnvironment {
  const slots = Number(env['HOLDFAST_SLOTS'] ?? Math.max(2, availableParallelism()));
  if (!Number.isInteger(slots) || slots < 1 || slots > 256) {
    throw new HoldfastError('BadInput', `HOLDFAST_SLOTS=${env['HOLDFAST_SLOTS']}: expected a number from 1 to 256`);
  }
  const build = env['HOLDFAST_BUILD'] || null;
  if (build !== null && !/^[\w.-]{1,100}$/.test(build)) throw new HoldfastError('BadInput', `HOLDFAST_BUILD=${build}: expected up to 100 letters, digits, dots, dashes and underscores`);
  return {
    build,
    roles: readRoles(env['HOLDFAST_ROLES']),
    reportsDirectory: resolve(env['HOLDFAST_REPORTS'] ?? join(import.meta.dirname, '..', 'reports')),
    temporalUiUrl: env['TEMPORAL_UI_URL'] || null,
    logLevel: env['HOLDFAST_LOG_LEVEL'] ?? 'info',
    // A log tail waits nearly all the time, and every source needs its own, for as long as the system lives.
    slots: { control: 32, data: slots, archive: 64, recover: slots },
    identity: `holdfast@${hostname()}:${process.pid}`,
  };
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
