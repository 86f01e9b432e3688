import { HoldfastError } from '../../workflows/domain/errors.ts';
import { nameOf, type RotationKeys } from '../../workflows/domain/keys/describe.ts';
import { keyRotationSchema, type KeyRotation } from '../../workflows/domain/keys/records.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion, type ObjectRef } from '../../workflows/domain/stored-object.ts';
import { recordAct } from '../audit/record-act.ts';
import { unlessThere } from '../retention/take-base.ts';
import { assertEpoch } from '../store/epoch.ts';
import { findSigned, putSigned } from '../store/signed-object.ts';
import type { Store } from '../store/store.ts';
import type { Keys } from '../stream/keys.ts';
import { requireSameKeys } from './rotation-keys.ts';

export type RotationToRecord = Pick<KeyRotation, 'system' | 'run' | 'workflowId' | 'epoch' | 'by' | 'reason' | 'sources'> & { began: RotationKeys };

/**
 * Writes down, signed and locked as evidence is, who opens every kept key from now on, and which keys of `key.retiring` nothing depends on any more; the audit names it.
 *
 * Killed before the put: nothing is retired. After it: a record that the audit does not name; the next try adopts it, and the audit names it. Twice: the same one.
 * @throws EpochSuperseded. BadSystemFile - this worker's file names others than the rotation began with.
 */
export async function recordRotation(room: { store: Store; keys: Keys; signal: AbortSignal }, { began, ...said }: RotationToRecord): Promise<{ ref: ObjectRef; record: KeyRotation }> {
  const { store, keys, signal } = room;
  const { system, run, by } = said;
  requireSameKeys(keys, began);
  await assertEpoch(store, system, said.epoch, { signal });
  const key = layout.keyRotation(system, run);
  const record: KeyRotation = {
    format: formatVersion, kind: 'key-rotation', ...said,
    at: (await store.now({ signal })).toISOString(),
    recipients: began.recipients,
    retired: began.retiring,
  };
  await putSigned(store, keys, key, record, { ifAbsent: true, signal }).catch(unlessThere);
  const { found } = await findSigned(store, keys, keyRotationSchema, key, { signal });
  if (!found) throw new HoldfastError('Tampered', `${key} was written, and is not believed`);
  const { recipients, retired } = found.body;
  const about = `every kept key is wrapped for ${recipients.map(nameOf).join(', ')}${retired.length === 0 ? '' : `; retired: ${retired.map(nameOf).join(', ')}`}: ${said.reason}; ${found.ref.key} ${found.ref.sha256}`;
  await recordAct(room, { system, by, act: 'rotate', outcome: 'done', about, workflow: 'rotateKeys', workflowId: said.workflowId, runId: run });
  return { ref: found.ref, record: found.body };
}
