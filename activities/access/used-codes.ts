import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { usedCodeSchema, type UsedCode } from '../../workflows/domain/act-records.ts';
import { findSigned, putSigned } from '../store/signed-object.ts';
import type { Store } from '../store/store.ts';
import type { Keys } from '../stream/keys.ts';

/**
 * Notes that a person's code of one time step has been used, by one check: an object that is put only where none is, so that all workers
 * and all runs know it. Killed before the put: nobody used it. After it: the same check finds its own note.
 *
 * @returns false: another check used it. A key that is taken by what we did not write counts as used: the safe side.
 */
export async function takeCode(at: { store: Store; keys: Keys; signal: AbortSignal }, of: Pick<UsedCode, 'system' | 'person' | 'step' | 'check'>): Promise<boolean> {
  const { store, keys, signal } = at;
  const key = layout.usedCode(of.system, of.person, of.step);
  const usedBy = async (): Promise<string | undefined> => (await findSigned(store, keys, usedCodeSchema, key, { signal })).found?.body.check;
  // All versions are looked at first: a delete marker over a note would make its key look free.
  const before = await usedBy();
  if (before !== undefined) return before === of.check;
  const note: UsedCode = { format: formatVersion, kind: 'used-code', ...of, usedAt: new Date().toISOString() };
  try {
    await putSigned(store, keys, key, note, { ifAbsent: true, signal });
    return true;
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    return (await usedBy()) === of.check;
  }
}
