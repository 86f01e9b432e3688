import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { epochSchema, type Epoch } from '../../workflows/domain/source-records.ts';
import type { Keys } from '../stream/keys.ts';
import { findSigned, putSigned, type Rejected } from './signed-object.ts';
import type { ReadOptions, Store } from './store.ts';

/**
 * Which control plane commands a system: the highest epoch's owner. The bucket says so, because two control planes that
 * cannot see each other (a bootstrap beside a surviving one) both see the bucket.
 */
export interface EpochClaim {
  why: string;
  /** take the command from another owner; without it another owner's epoch is an error */
  takeOver: boolean;
  signal?: AbortSignal;
}

/**
 * The epoch that `owner` commands under; claims the next one when it has none.
 * Safe to repeat and to race: each epoch has one owner, and an owner who has the highest one keeps it.
 *
 * @param owner - identifies the control plane, for example the id of its Temporal namespace.
 * @throws EpochSuperseded - another owner holds the highest epoch and `takeOver` is not set; names that owner.
 */
export async function claimEpoch(store: Store, keys: Keys, system: string, owner: string, { why, takeOver, signal }: EpochClaim): Promise<number> {
  const options: ReadOptions = signal ? { signal } : {};
  for (;;) {
    const highest = await readHighestEpoch(store, system, options);
    const { found, rejected } = highest === 0 ? nobody : await findSigned(store, keys, epochSchema, layout.epoch(system, highest), options);
    if (found?.body.owner === owner) return highest;
    if (highest > 0 && !takeOver) throw superseded(system, highest, found?.body ?? rejected[0]);
    const claim: Epoch = { format: 1, kind: 'epoch', system, epoch: highest + 1, owner, claimedAt: new Date().toISOString(), why };
    try {
      await putSigned(store, keys, layout.epoch(system, claim.epoch), claim, { ifAbsent: true, ...options });
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
      // Somebody was faster. Having asked to take over was aimed at who commanded before, not at him.
      takeOver = false;
    }
  }
}

/**
 * One short listing. Whoever writes asks right before what makes something visible or cannot be taken back: plan, manifest, slice,
 * gap, timeline, fence, admission. Between the answer and the act another may still take over: so each of these objects is put only
 * where none is, and who takes over reads them again.
 *
 * @param epoch - 0: nobody's command is needed (a runbook that never claimed one).
 * @throws EpochSuperseded - a higher epoch exists, whoever wrote it: stop writing.
 */
export async function assertEpoch(store: Store, system: string, epoch: number, options: ReadOptions = {}): Promise<void> {
  if (epoch === 0) return;
  for await (const version of store.list(layout.epochs(system), { ...options, startAfter: layout.epoch(system, epoch) })) {
    if (!version.isDeleteMarker) throw superseded(system, numberOf(version.key), undefined, epoch);
  }
}

const nobody = { found: undefined, rejected: [] };

/** The highest epoch that anybody claimed; 0: nobody did. */
export async function readHighestEpoch(store: Store, system: string, options: ReadOptions): Promise<number> {
  let highest = 0;
  for await (const version of store.list(layout.epochs(system), options)) {
    if (!version.isDeleteMarker && Number.isInteger(numberOf(version.key))) highest = Math.max(highest, numberOf(version.key));
  }
  return highest;
}

const numberOf = (key: string): number => Number(key.slice(key.lastIndexOf('-') + 1));

function superseded(system: string, highest: number, held: Epoch | Rejected | undefined, ours?: number): HoldfastError {
  const by = !held ? '' : 'owner' in held ? `, held by ${held.owner} since ${held.claimedAt} (${held.why})` : `, whose object is not believed: ${held.key}: ${held.why}`;
  return new HoldfastError('EpochSuperseded', `system ${system} is commanded under epoch ${highest}${by}${ours === undefined ? '' : `; ours is ${ours}`}`, {
    hint: 'stop the other control plane, or start this run with takeOver: true to take the command from it',
    details: { system, epoch: highest },
  });
}
