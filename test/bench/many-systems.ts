import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { SystemFile } from '../../workflows/domain/system.ts';

/** Files of many systems, made from the shipped one that has most in it: people, messages, runbooks and their owners are as large as theirs are. */
const template = parse(readFileSync(join(import.meta.dirname, '../../systems/ai-writing.yaml'), 'utf8')) as SystemFile;

/** Somebody of the template who may apply. */
export const applier = 'ops-lead@example.com';

export const systemName = (n: number): string => `system-${String(n).padStart(4, '0')}`;

export type Schedules = NonNullable<SystemFile['schedules']>;

/** Far from now: nothing of it starts while something else is measured. */
export function quietSchedules(nowMs: number): Schedules {
  const at = [`${String((new Date(nowMs).getUTCHours() + 12) % 24).padStart(2, '0')}:00`];
  return { 'full-backup': { does: 'backup', at }, integrity: { does: 'verification', at }, retention: { does: 'retention', at } };
}

/** @param schedulesOf - those of the system of a number. */
export function writeSystems(directory: string, count: number, schedulesOf: (n: number) => Schedules): void {
  mkdirSync(directory, { recursive: true });
  for (let n = 0; n < count; n += 1) {
    const system = systemName(n);
    writeFileSync(join(directory, `${system}.yaml`), stringify({ ...template, system, title: `System ${n}`, schedules: schedulesOf(n) }));
  }
}

/** Once, at this second, and not again for an hour. */
export const onceAt = (atMs: number): { every: string; offset: string } => ({ every: '1h', offset: `${Math.floor(atMs / 1_000) % 3_600}s` });
