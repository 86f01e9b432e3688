import { createHash } from 'node:crypto';
import { ScheduleAlreadyRunning, type Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/common';
import { taskQueues } from '../../workflows/contract.ts';
import { abilitiesOf } from '../../workflows/domain/engines.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { archiveSignals } from '../../workflows/domain/messages.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { toReadinessView, type ReadinessView } from '../../workflows/domain/readiness-schema.ts';
import { readinessSignals } from '../../workflows/domain/readiness-watch.ts';
import { canonical, planPaused, planRemoved, planSchedule, type ApplyPlan, type PlanRow, type SchedulePlanRow } from '../../workflows/domain/schedules/apply-plan.ts';
import { desiredSchedules } from '../../workflows/domain/schedules/desired.ts';
import { leftOutTimes } from '../../workflows/domain/schedules/left-out-times.ts';
import type { System } from '../../workflows/domain/system.ts';
import { loadSystemFile } from '../system-files.ts';
import { findSchedule, isRunning, ownedSchedules, runningArchives } from './read-server.ts';
import { toOptions, toUpdate } from './server-schedule.ts';

export interface ApplyTo {
  system: System;
  client: Client;
  /** what people or failures paused goes on, too */
  resume?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

interface ArchivePlanRow extends PlanRow {
  what: 'archive';
  source: string;
}

interface ReadinessPlanRow extends PlanRow {
  what: 'readiness';
}

interface WholePlan extends ApplyPlan {
  rows: (SchedulePlanRow | ArchivePlanRow | ReadinessPlanRow)[];
}

/** What Temporal has of a system beside what its file asks for, and what would be done. Changes nothing. */
export async function planApply(to: ApplyTo): Promise<ApplyPlan> {
  return told(await plan(to));
}

/**
 * Makes Temporal's schedules, archives and watch on readiness of a system what its file says.
 *
 * Killed anywhere: each row is one request, and what is to be done is found by looking at the server, so another try does the rest. Two at once end at the
 * same, since both look. A schedule is never deleted.
 *
 * @param expected - digest of the plan that a person agreed to; left out: whatever the file here says.
 * @returns the plan that was carried out.
 * @throws BadSystemFile - the file here asks for something other than what was agreed to: nothing was done.
 */
export async function applySystem(to: ApplyTo, expected?: string): Promise<ApplyPlan> {
  const planned = await plan(to);
  if (expected !== undefined && expected !== planned.digest) {
    throw new HoldfastError('BadSystemFile', `${to.system.system}: the workers read another systems/${to.system.system}.yaml than the one that was applied, so nothing was done`, { hint: 'bring the file to the workers (HOLDFAST_SYSTEMS), then apply again' });
  }
  for (const row of planned.rows) {
    to.signal?.throwIfAborted();
    if (row.what === 'schedule') await carryOutSchedule(to, row);
    else if (row.what === 'archive') await carryOutArchive(to, row);
    else await carryOutReadiness(to, row);
  }
  return told(planned);
}

/**
 * Why the file of a system cannot be read here. Undefined: it can.
 * @throws whatever else keeps it from being read, which may be over in a moment.
 */
export async function fileTrouble(system: string): Promise<string | undefined> {
  try {
    await loadSystemFile(system);
    return undefined;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    if (error.type === 'UnknownSystem') return `systems/${system}.yaml is gone`;
    if (error.type === 'BadSystemFile') return `systems/${system}.yaml cannot be read: ${error.message.split('\n')[0]!}`.slice(0, 300);
    throw error;
  }
}

/** What Temporal has of a system without a file, and what would be done: its schedules are paused, its archives go on, since what they hold is kept. Changes nothing. */
export async function planWithoutFile({ client, system, why }: { client: Client; system: string; why: string }): Promise<ApplyPlan & { rows: (SchedulePlanRow | PlanRow)[] }> {
  const rows: (SchedulePlanRow | PlanRow)[] = [];
  for (const id of await ownedSchedules(client, system)) {
    const there = await findSchedule(client, id);
    if (there?.owner === system && there.found) rows.push(planPaused(there.found, why));
  }
  for (const id of await runningArchives(client, system)) rows.push({ what: 'archive', id, change: 'held', why: [`${why}; it is left as it is`] });
  return { system, digest: '', rows, notes: [] };
}

/**
 * Pauses the schedules of a system whose file cannot be read here; none is deleted, and a later apply of the file lets them go on. Killed anywhere: another try does the rest.
 * @throws BadInput - the file can be read: whoever asked looks at other files than the workers do.
 */
export async function pauseWithoutFile(client: Client, system: string, { dryRun, signal }: { dryRun: boolean; signal: AbortSignal }): Promise<ApplyPlan> {
  const why = await fileTrouble(system);
  if (why === undefined) throw new HoldfastError('BadInput', `${system}: the workers can read systems/${system}.yaml, so nothing was done`, { hint: 'bring the same files to both (HOLDFAST_SYSTEMS)' });
  const planned = await planWithoutFile({ client, system, why });
  for (const row of dryRun ? [] : planned.rows) {
    signal.throwIfAborted();
    if ('to' in row && row.to) await client.schedule.getHandle(row.id).pause(row.to.note);
  }
  return { ...planned, rows: planned.rows.map(({ what, id, change, why: said }) => ({ what, id, change, why: said })) };
}

const told = ({ system, digest, rows, notes }: WholePlan): ApplyPlan => ({ system, digest, notes, rows: rows.map(({ what, id, change, why }) => ({ what, id, change, why })) });

async function plan({ system: file, client, resume = false }: ApplyTo): Promise<WholePlan> {
  const { system } = file;
  const desired = desiredSchedules(file);
  const sources = Object.entries(file.sources).flatMap(([source, { engine }]) => (abilitiesOf(engine).log ? [source] : []));
  const rows: WholePlan['rows'] = [];
  // Side by side: of a thousand systems each question is asked thousands of times.
  const found = await Promise.all(desired.map(async (one) => ({ one, there: await findSchedule(client, one.id) })));
  for (const { one, there } of found) {
    if (there && there.owner !== system) rows.push({ what: 'schedule', id: one.id, change: 'foreign', why: ['a schedule of this id is there, and it is not of this system: left alone'] });
    else rows.push(planSchedule(one, there?.found, resume));
  }
  const known = new Set(desired.map(({ id }) => id));
  for (const id of (await ownedSchedules(client, system)).filter((owned) => !known.has(owned))) {
    const there = await findSchedule(client, id);
    if (there?.owner === system && there.found) rows.push(planRemoved(there.found, system));
  }
  rows.push(...(await planArchives(client, system, sources)));
  const readiness = toReadinessView(file.readiness);
  rows.push(await planReadiness(client, system, readiness));
  const notes = desired.flatMap(({ id, times }) => leftOutTimes(times, Date.now()).map((when) => `${id}: there is no ${when} in ${times.zone}, as the clock is put forward: nothing starts then`));
  return { system, digest: createHash('sha256').update(canonical({ desired, sources, readiness })).digest('hex'), rows, notes };
}

async function planArchives(client: Client, system: string, sources: readonly string[]): Promise<ArchivePlanRow[]> {
  const rows: ArchivePlanRow[] = [];
  const row = (source: string, change: PlanRow['change'], ...why: string[]): void => void rows.push({ what: 'archive', id: lockIds.archive(system, source), source, change, why });
  for (const source of sources) {
    if (await isRunning(client, lockIds.archive(system, source))) row(source, 'unchanged');
    // A recovery ends the archive of what it fences, and starts the one of what takes its place.
    else if (await isRunning(client, lockIds.recover(system))) row(source, 'held', `does not run, and ${lockIds.recover(system)} does: left to it`);
    else row(source, 'start', 'does not run');
  }
  const prefix = lockIds.archive(system, '');
  for (const id of await runningArchives(client, system)) {
    const source = id.slice(prefix.length);
    if (id.startsWith(prefix) && !sources.includes(source) && (await isRunning(client, id))) row(source, 'stop', `source "${source}" is not in systems/${system}.yaml any more`);
  }
  return rows;
}

/** What the file says of how often it looks, the watch reads itself, at each look. */
async function planReadiness(client: Client, system: string, { paused }: ReadinessView): Promise<ReadinessPlanRow> {
  const id = lockIds.ready(system);
  const runs = await isRunning(client, id);
  const row = (change: PlanRow['change'], ...why: string[]): ReadinessPlanRow => ({ what: 'readiness', id, change, why });
  if (paused !== null) return runs ? row('stop', `paused: ${paused}`) : row('unchanged', `paused: ${paused}`);
  return runs ? row('unchanged') : row('start', 'does not run');
}

async function carryOutSchedule({ client, system: { system } }: ApplyTo, { id, to }: SchedulePlanRow): Promise<void> {
  if (!to) return;
  const handle = client.schedule.getHandle(id);
  if (!('desired' in to)) return await handle.pause(to.note);
  const wanted = { ...to.desired, paused: to.paused, note: to.note };
  try {
    await client.schedule.create(toOptions(wanted, system));
  } catch (error) {
    // It was there, or another apply has made it meanwhile.
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await handle.update(() => toUpdate(wanted, system));
  }
}

async function carryOutArchive({ client, system: { system } }: ApplyTo, { id, source, change }: ArchivePlanRow): Promise<void> {
  try {
    if (change === 'start') await client.workflow.start('runArchive', { taskQueue: taskQueues.control, workflowId: id, args: [{ system, source }], staticSummary: `archive of ${system}/${source}` });
    if (change === 'stop') await client.workflow.getHandle(id).signal(archiveSignals.stop.name, { by: 'holdfast apply' });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError || error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** One that runs looks again, with the file as it is now. */
async function carryOutReadiness({ client, system: { system, readiness } }: ApplyTo, { id, change }: ReadinessPlanRow): Promise<void> {
  try {
    if (change === 'start') await client.workflow.start('watchReadiness', { taskQueue: taskQueues.control, workflowId: id, args: [{ system }], staticSummary: `could ${system} be recovered now?` });
    else if (change === 'stop') await client.workflow.getHandle(id).signal(readinessSignals.stop.name, { by: 'holdfast apply' });
    else if (readiness?.paused === undefined) await client.workflow.getHandle(id).signal(readinessSignals.look.name);
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError || error instanceof WorkflowNotFoundError)) throw error;
  }
}
