import type pg from 'pg';
import type { DumpPlanRef, GroupRef, Lack, SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { InFlight } from '../base/in-flight.ts';
import { putIndex, type WrittenRange } from '../base/put-index.ts';
import { StoredProgress } from '../base/stored-progress.ts';
import { sourcePlace, withClient, type Place } from './connect.ts';
import { CopiedRows } from './copy-rows.ts';
import { copyOut } from './copy.ts';
import { dumpDefinitions } from './definitions.ts';
import { contentsLine, formatGlobals, lackOfPasswords, readGlobals } from './globals.ts';
import { Pace } from './pace.ts';
import { parseRangeName, planSchema, type Plan, type PlanUnit } from './plan.ts';
import { PartBuffers, RowWriter, type WriteJob } from './row-writer.ts';
import { importSnapshot } from './snapshot.ts';
import { storeBytes } from './store-bytes.ts';

/** Parts being compressed, encrypted and uploaded while the next one is read. */
const uploadsAtOnce = 2;

interface DumpJob extends WriteJob {
  context: SourceContext;
  client: pg.Client;
  place: Place;
  plan: Plan;
  pace: Pace;
  lacks?: Lack | undefined;
}

/**
 * Dumps one group of the plan, at the plan's snapshot, into parts, and writes its index.
 *
 * Safe to repeat, from the group's beginning: parts have keys of their own for each attempt, and what is not in the index that this returns is never read.
 *
 * @throws SnapshotLost - the holder is gone: no group of this backup can be read any more. @throws SourceUnavailable, StoreUnavailable - retryable.
 */
export async function dumpGroup(context: SourceContext, input: SourceRef & { plan: DumpPlanRef; epoch: number; group: string; width?: number }): Promise<GroupRef> {
  const { store, keys, signal } = context;
  const plan = await readSigned(store, keys, planSchema, input.plan.plan, { signal });
  const group = plan.groups.find((candidate) => candidate.group === input.group);
  if (!group) throw new HoldfastError('BadInput', `the plan of backup ${plan.backup} has no group ${input.group}`);
  const key = await openBackupKey(store, keys, plan, plan.key);
  const units = new Map(plan.units.map((unit) => [unit.id, unit]));
  const place = await sourcePlace(context);
  return await withClient(context, place, async (client) => {
    await importSnapshot(client, plan.snapshot);
    const uploads = new InFlight(uploadsAtOnce);
    const written: WrittenRange[] = [];
    let pieces = 0;
    const job: DumpJob = {
      context,
      client,
      place,
      plan,
      uploads,
      parts: { store, key, scope: plan, signal },
      buffers: new PartBuffers(),
      ranges: group.ranges.length,
      pace: new Pace(context, client, input.width ?? 1),
      progress: new StoredProgress(group.estimatedBytes, (reading) => context.progress({ ...reading, phase: 'dump', pieces, group: group.group })),
    };
    try {
      for (const range of group.ranges) {
        await job.pace.betweenRanges();
        written.push(await dumpRange(job, units.get(range.unit)!, range.range));
        pieces += 1;
      }
      await uploads.settle();
      return { ...(await putIndex(context, plan, group.group, written)), ...(job.lacks ? { lacks: job.lacks } : {}) };
    } finally {
      await uploads.abandon();
    }
  }, { name: `holdfast ${plan.backup}` });
}

async function dumpRange(job: DumpJob, unit: PlanUnit, range: string): Promise<WrittenRange> {
  const of = { unit: unit.id, range };
  if (unit.kind === 'definitions') return await dumpDefinitions(job, of);
  if (unit.kind === 'globals') return await dumpGlobals(job, of);
  const writer = new RowWriter(job, of);
  await dumpTable(job, writer, unit, range);
  await writer.end();
  return writer;
}

async function dumpGlobals(job: DumpJob, of: { unit: string; range: string }): Promise<WrittenRange> {
  const globals = await readGlobals(job.client);
  // Rows alone come into tables that are there, and their roles with them.
  if (job.plan.contents !== 'rows') job.lacks = lackOfPasswords(globals);
  return await storeBytes(job.parts, of, [Buffer.from(formatGlobals([...globals, ...contentsLine(job.plan)]))]);
}

async function dumpTable({ context, client, pace }: DumpJob, writer: RowWriter, unit: PlanUnit, range: string): Promise<void> {
  const rows = CopiedRows.of(client, copyOut(unit.name, unit.detail!, parseRangeName(range)));
  for await (const chunk of rows) {
    context.signal.throwIfAborted();
    await writer.write(chunk);
    await pace.spent(chunk.length);
  }
  if (rows.rowCount !== writer.rows) throw new HoldfastError('SourceUnavailable', `${unit.name}: the server sent ${rows.rowCount} rows, and ${writer.rows} arrived`);
}
