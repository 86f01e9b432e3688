import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { verificationSchema, type Verification } from '../../workflows/domain/source-records.ts';
import type { SampleDone } from '../../workflows/domain/verification.ts';
import { keysUnder } from './keys-under.ts';
import type { MarkRoom } from './marks.ts';
import { findSigned, putSigned } from './signed-object.ts';

/**
 * What verifications read and found, each an object of its own, signed, never rewritten: a rotating sample goes on by them, whichever worker it runs on, and a
 * damage that one of them has told of is no news.
 */
export type VerificationToWrite = Omit<Verification, 'format' | 'kind' | 'at'>;

/** So many are looked at, the newest: two weeks of eight a day. */
const newestRead = 120;

/**
 * Writes one, behind those that are there, by the store's clock. Killed before the put: nothing was read, and the next sample reads the same share again. Tried again
 * after it: a second object of one run, which says the same.
 */
export async function writeVerification({ store, keys, signal }: MarkRoom, said: VerificationToWrite): Promise<Verification> {
  for (let afterMs = 0; ; afterMs += 1) {
    const at = new Date((await store.now({ signal })).getTime() + afterMs).toISOString();
    const body: Verification = { format: formatVersion, kind: 'verification', ...said, at };
    try {
      await putSigned(store, keys, layout.verification(said, at), body, { ifAbsent: true, signal });
      return body;
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    }
  }
}

/**
 * The newest that are believed, the oldest of them first. One that is not believed is as if it were not there: then more is read, not less.
 * @param known - what was read before, by key (null: not believed); what is read now is added to it, and none of it is opened again.
 */
export async function readVerifications({ store, keys, signal }: MarkRoom, of: { system: string; source: string }, known?: Map<string, Verification | null>): Promise<Verification[]> {
  let names: string[] = [];
  for await (const key of keysUnder(store, layout.verifications(of.system, of.source), signal)) names = [...names.slice(1 - newestRead), key];
  const all: Verification[] = [];
  for (const key of names) {
    const body = known?.get(key) ?? (known?.has(key) ? null : ((await findSigned(store, keys, verificationSchema, key, { signal })).found?.body ?? null));
    known?.set(key, body);
    if (body) all.push(body);
  }
  return all;
}

/** The newest that found all that it read whole, and what that was. Null: none among those that were looked at is believed and says so. @param names - keys, the oldest first. */
export async function lastWhole({ store, keys, signal }: MarkRoom, names: readonly string[]): Promise<Pick<Verification, 'at' | 'scope'> | null> {
  for (const key of [...names].reverse()) {
    const { found } = await findSigned(store, keys, verificationSchema, key, { signal });
    if (found?.body.ok) return { at: found.body.at, scope: found.body.scope };
  }
  return null;
}

/** Samples of so many shares; one that read everything read every share. */
export function samplesOf(all: readonly Verification[], shares: number): SampleDone[] {
  return all.flatMap(({ at, shares: done }) => {
    if (done?.of === shares) return [{ at, read: done.read }];
    return done?.of === 1 ? [{ at, read: Array.from({ length: shares }, (_, share) => share) }] : [];
  });
}
