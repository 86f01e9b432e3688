import { randomUUID } from 'node:crypto';
import { recordAct } from '../../activities/audit/record-act.ts';
import { openSystem } from '../../activities/open-context.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import type { ActToRecord } from '../../workflows/contract.ts';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { viewPeople } from '../../workflows/domain/people.ts';
import { permissions, permit, type Act } from '../../workflows/domain/permissions.ts';
import { seconds } from '../../workflows/domain/units.ts';

const withinMs = seconds(20);

/** Writes into the system's audit what a person does by the command line itself, of which no workflow of ours could tell. @throws whatever keeps the store from taking it. */
export async function recordByCommand(act: Omit<ActToRecord, 'from' | 'runId'>): Promise<void> {
  const { store, keys } = await openSystem(act.system);
  await recordAct({ store, keys, signal: AbortSignal.timeout(withinMs) }, { ...act, from: 'the command line', runId: randomUUID() });
}

/**
 * Asked before a command hands out data of the bucket itself: whether whoever asks may, and the audit's record of that. Nothing may be handed out before this has returned.
 *
 * Killed before the record is put: nothing was handed out. Killed after it: the record says that it was let, and not how much of it was seen.
 *
 * @param command - as it was typed, without its arguments: `diverged`.
 * @param about - what is handed out.
 * @throws NotPermitted - the audit has it. Otherwise what keeps the store from taking the record, or this machine from signing it: its type is kept.
 */
export async function admitCommand({ system, by, act, command, about }: { system: string; by: string; act: Act; command: string; about: string }): Promise<void> {
  const { system: file } = await loadSystemFile(system);
  const permission = permit(viewPeople(file.people), act, by);
  const refused = permission.may === true ? undefined : permission.may === false ? permission.why : `${by} may ${permissions[act].about} by elevation only, and an elevation is of one run. An administrator may without.`;
  const name = `holdfast ${command}`;
  try {
    await recordByCommand({ system, by, act, outcome: refused === undefined ? 'permitted' : 'refused', about: refused ?? about, workflow: name, workflowId: name });
  } catch (error) {
    const { message, hint } = describeError(error);
    throw new HoldfastError(error instanceof HoldfastError ? error.type : 'StoreUnavailable', `${name}: nothing is handed out, since the audit of ${system} does not take the record of it: ${message}`, {
      hint: hint ?? 'it takes the signing key, and credentials that may write below the system’s audit/ in the bucket',
      cause: error,
    });
  }
  if (refused !== undefined) throw new HoldfastError('NotPermitted', `${name} of ${system}: ${refused}`, { hint: 'give your name by --by, as people of the system file has it' });
}
