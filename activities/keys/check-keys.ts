import type { VerifyResult } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { nameOf } from '../../workflows/domain/keys/describe.ts';
import type { CheckedRecipient, KeyCheck } from '../../workflows/domain/keys/records.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { foldMarks } from '../../workflows/domain/point-mark.ts';
import type { SourceContext } from '../context.ts';
import { hasVersion } from '../retention/read-unfinished.ts';
import { readHistory } from '../store/marks.ts';
import { putSigned } from '../store/signed-object.ts';
import type { DataKey, KeyWrapper } from '../stream/keys.ts';
import { findRetired } from '../stream/make-key.ts';
import { keptKeysIn, keyFoldersOf, wrappingsFor, type KeptKey, type KeyFolder } from './kept-keys.ts';
import { proveWith } from './prove-keys.ts';

const problemsKept = 100;

/**
 * Looks whether the keys of a source are what a recovery will need: every kept key has a wrapping for every recipient of the system file and is opened by one of them; each recipient whose private half is here
 * opens a key of each base and import, the newest of each timeline's log, and, alone, a part of the newest base and a slice of the log. What came of it is written into the store, where readiness finds it.
 *
 * Far recipients (KMS), and slow ones (gpg), are asked for one key of an hour of log only, not for hundreds. Reads, but for the record; killed, the next try looks again; twice under a run: two records that say the same.
 */
export async function checkKeys(context: SourceContext, { run }: { run: string }): Promise<VerifyResult> {
  const of = { system: context.system.system, source: context.sourceName };
  const check = new Check(context);
  await check.lookForRetired();
  for (const folder of await keyFoldersOf(context, of)) if (!(await isGoing(context, folder))) await check.look(folder);
  for (const wrapper of context.keys.wrappers.filter(({ opens }) => opens)) await check.prove(wrapper);
  const { problems, keys, lost, recipients } = check;
  const ok = problems.length === 0;
  const record = { ...of, run, ok, keys, lost, recipients, problems: problems.slice(0, problemsKept), problemCount: problems.length };
  await writeCheck(context, record);
  const opened = recipients.reduce((sum, one) => sum + one.opened, 0);
  return { ...of, scope: 'keys', ok, backup: null, timeline: null, objects: opened, bytes: 0, parts: check.parts, slices: check.slices, entries: 0, problems: record.problems, restorable: null };
}

class Check {
  readonly #context: SourceContext;
  readonly problems: { key: string; problem: string }[] = [];
  readonly recipients: CheckedRecipient[];
  keys = 0;
  lost = 0;
  parts = 0;
  slices = 0;

  constructor(context: SourceContext) {
    this.#context = context;
    this.recipients = context.keys.wrappers.map(({ recipient, opens }) => ({ ...recipient, opens, opened: 0, missing: 0, failed: 0 }));
  }

  async lookForRetired(): Promise<void> {
    const { store, keys, system: { system }, signal } = this.#context;
    for (const { recipient, at } of await findRetired(store, keys, system, { signal })) {
      this.problems.push({ key: layout.retiredKey(system, recipient.id), problem: `${nameOf(recipient)} is being retired since ${at}, and the system file here still has new keys wrapped for it: give this worker the newer file, and a new key a new name` });
    }
  }

  async look(folder: KeyFolder): Promise<void> {
    let newest: { kept: KeptKey; at: string; key: DataKey } | undefined;
    for await (const kept of keptKeysIn(this.#context, folder)) {
      this.keys += 1;
      this.#context.progress({ phase: 'check keys', done: this.keys, of: 0, unit: 'objects' });
      const key = await this.#context.keys.open(kept.objects, folder.context, kept.id).catch((error: unknown) => this.#note(kept, 'nothing here opens it', error, 'lost'));
      for (const [index, wrapper] of this.#context.keys.wrappers.entries()) if ((await wrappingsFor(this.#context.keys.signer, kept, wrapper)).length === 0) this.#missing(kept, index);
      if (!key) continue;
      const at = kept.objects.map(({ modifiedAt }) => modifiedAt).sort()[0]!;
      if (folder.of === 'base') await this.#openWithEach(kept, key);
      else if (!newest || at > newest.at) newest = { kept, at, key };
    }
    if (newest) await this.#openWithEach(newest.kept, newest.key);
  }

  /** One recipient alone, as in a disaster that has taken all others. */
  async prove(wrapper: KeyWrapper): Promise<void> {
    const of = { system: this.#context.system.system, source: this.#context.sourceName };
    try {
      const { part, slice } = await proveWith(this.#context, of, wrapper);
      if (part !== null) this.parts += 1;
      if (slice !== null) this.slices += 1;
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type === 'StoreUnavailable') throw error;
      // What was found key by key is told by name already.
      if (this.problems.length === 0) this.problems.push({ key: layout.source(of.system, of.source), problem: `the newest base does not open with ${nameOf(wrapper.recipient)} alone: ${error.message}` });
    }
  }

  async #openWithEach(kept: KeptKey, key: DataKey): Promise<void> {
    for (const [index, wrapper] of this.#context.keys.wrappers.entries()) {
      if (!wrapper.opens) continue;
      try {
        if (await isOpenedBy(this.#context, kept, wrapper, key)) this.recipients[index]!.opened += 1;
      } catch (error) {
        this.recipients[index]!.failed += 1;
        this.#note(kept, `${nameOf(wrapper.recipient)} does not open it`, error);
      }
    }
  }

  #missing({ folder, id }: KeptKey, index: number): void {
    const one = this.recipients[index]!;
    one.missing += 1;
    // Of a recipient that was named yesterday all of them are missing: one line says so.
    const what = `is not wrapped for ${nameOf(one)}: holdfast key rotate ${this.#context.system.system} wraps it`;
    const said = this.problems.find(({ problem }) => problem.includes(what));
    if (said) said.problem = `${what}; and ${one.missing - 1} more keys`;
    else this.problems.push({ key: `${folder.prefix}${id}`, problem: what });
  }

  #note({ folder, id }: KeptKey, what: string, error: unknown, lost?: 'lost'): undefined {
    if (!(error instanceof HoldfastError) || error.type === 'StoreUnavailable') throw error;
    // Whoever is asked and does not answer has lost nothing: the next try asks again.
    if (lost && error.retryable) throw error;
    if (lost) this.lost += 1;
    this.problems.push({ key: `${folder.prefix}${id}`, problem: `${what}: ${error.type}: ${error.message}`.slice(0, 500) });
  }
}

/** What disposal or retention is taking is no key that anybody will need. */
async function isGoing(context: SourceContext, { backup }: KeyFolder): Promise<boolean> {
  const of = { system: context.system.system, source: context.sourceName };
  if (backup === null) return false;
  return (await hasVersion(context, layout.expiredBase({ ...of, backup }))) || foldMarks(await readHistory(context, of, backup))?.disposal !== undefined;
}

/** False: it is not wrapped for this recipient, which was told. @throws - why the last of its objects does not open. */
async function isOpenedBy({ keys }: SourceContext, kept: KeptKey, wrapper: KeyWrapper, key: DataKey): Promise<boolean> {
  let failure: unknown;
  for (const { wrapped } of await wrappingsFor(keys.signer, kept, wrapper)) {
    try {
      if (Buffer.from((await wrapper.unwrap(wrapped, kept.folder.context)).bytes).equals(key.bytes)) return true;
      failure = new HoldfastError('WrongKey', `key ${kept.id} opens to another key`);
    } catch (error) {
      failure = error;
    }
  }
  if (failure) throw failure;
  return false;
}

async function writeCheck({ store, keys, signal }: SourceContext, said: Omit<KeyCheck, 'format' | 'kind' | 'at'>): Promise<void> {
  for (let afterMs = 0; ; afterMs += 1) {
    const at = new Date((await store.now({ signal })).getTime() + afterMs).toISOString();
    try {
      return void (await putSigned(store, keys, layout.keyCheck(said, at), { format: formatVersion, kind: 'key-check' as const, ...said, at }, { ifAbsent: true, signal }));
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    }
  }
}
