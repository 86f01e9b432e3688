import type { MongoClient, ReadPreferenceMode } from 'mongodb';
import type { DumpPlanRef, GroupRef, SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { timestampOf } from './bson-position.ts';
import { adminOf, withSource } from './connect.ts';
import { listBegunRanges } from './adopt-parts.ts';
import { PartCutter } from './cut-parts.ts';
import { dumpRange } from './dump-range.ts';
import { InFlight } from '../base/in-flight.ts';
import { putIndex, type WrittenRange } from '../base/put-index.ts';
import { StoredProgress } from '../base/stored-progress.ts';
import { openBounds, planSchema, rangeName } from './plan.ts';
import { paceOf, shareOf, Throttle } from './throttle.ts';

export interface DumpGroupInput extends SourceRef {
  plan: DumpPlanRef;
  epoch: number;
  group: string;
  /** groups that are dumped side by side: this one takes its share of the source's limits. Left out: it is alone */
  width?: number;
}

/** Parts being compressed, encrypted and uploaded while the next one is read: up to 100 MiB each, before they are collected. */
const uploadsAtOnce = 2;

/** A group of more ranges asks once what earlier attempts left, and not for each: thousands of small collections would be as many listings. */
const askedOneByOne = 20;

/**
 * Dumps one group of the plan into parts and writes its index.
 *
 * Safe to repeat: parts have keys of their own for each attempt; whole ones of earlier attempts are adopted, and what is
 * not in the index that this returns is never read again.
 *
 * @throws SourceUnavailable, StoreUnavailable - retryable.
 */
export async function dumpGroup(context: SourceContext, input: DumpGroupInput): Promise<GroupRef> {
  const { store, keys, signal } = context;
  const plan = await readSigned(store, keys, planSchema, input.plan.plan, { signal });
  const group = plan.groups.find((candidate) => candidate.group === input.group);
  if (!group) throw new HoldfastError('BadInput', `the plan of backup ${plan.backup} has no group ${input.group}`);
  const key = await openBackupKey(store, keys, plan, plan.key);
  const bounds = await openBounds(key, plan);
  const units = new Map(plan.units.map((unit) => [unit.id, unit]));

  const limits = shareOf(context.source.limits, input.width ?? 1);
  return await withSource(context, async (client) => {
    await findSecondary(client, context.source.limits.readPreference);
    const uploads = new InFlight(uploadsAtOnce);
    const parts = { store, key, scope: plan, signal };
    const begun = group.ranges.length > askedOneByOne ? await listBegunRanges(parts) : undefined;
    const written: WrittenRange[] = [];
    let pieces = 0;
    const job = {
      context,
      client,
      uploads,
      parts,
      begun,
      ranges: group.ranges.length,
      throttle: new Throttle(context, client, limits, paceOf(plan.backup, limits, input.plan.quietWriteUs ?? null)),
      cutter: new PartCutter(),
      readAt: timestampOf(plan.readAt),
      progress: new StoredProgress(group.estimatedBytes, (reading) => context.progress({ ...reading, phase: 'dump', pieces, group: group.group })),
    };
    try {
      for (const range of group.ranges) {
        written.push(...await dumpRange(job, units.get(range.unit)!, range, bounds.get(rangeName(range)) ?? {}));
        pieces += 1;
      }
      await uploads.settle();
      return await putIndex(context, plan, group.group, written);
    } finally {
      await uploads.abandon();
    }
  }, { maxPoolSize: limits.connections });
}

/**
 * Waits until the driver knows a secondary, where there is one and it is preferred: a preference is kept among the
 * members that are known, and at first that is the primary alone.
 */
async function findSecondary(client: MongoClient, mode: ReadPreferenceMode): Promise<void> {
  if (mode !== 'secondaryPreferred') return;
  const { hosts = [], passives = [] } = await adminOf(client).command({ hello: 1 }) as { hosts?: string[]; passives?: string[] };
  if (hosts.length + passives.length < 2) return;
  // None answers: the primary it is.
  await adminOf(client).command({ ping: 1 }, { readPreference: 'secondary' }).catch(() => undefined);
}
