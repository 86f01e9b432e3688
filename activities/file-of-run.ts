import { z } from 'zod';
import type { SystemFileRef } from '../workflows/contract.ts';
import { HoldfastError } from '../workflows/domain/errors.ts';
import { layout } from '../workflows/domain/layout.ts';
import { formatVersion } from '../workflows/domain/stored-object.ts';
import { wrappedKeySchema } from '../workflows/domain/keys/records.ts';
import { resolveAddress, resolveSecret } from './secrets.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { canonicalBytes } from './stream/canonical.ts';
import type { Keys } from './stream/keys.ts';
import { openKeys } from './stream/open-keys.ts';
import { open, seal } from './stream/sealed.ts';
import { signedKey } from './stream/wrapped-key.ts';
import { fileGiven } from './going-by.ts';
import { digestOfText, lastLoaded, loadSystemFile, loadText, type LoadedSystem } from './system-files.ts';

/**
 * The system file that a run goes by. Steps, gates and people are in the run itself; programs, addresses, validators, fence, provisioner and switch are read by whoever does the work. So
 * that a changed file never changes a running run, the run's start keeps the file's text in the store, sealed under the system's key, and every activity of the run is
 * given the text's digest (`goBy` in workflows/call.ts). It opens that text and no other:
 *
 * | the file here | then |
 * |---|---|
 * | has that digest | it is the one |
 * | is another, is missing, or cannot be read | the copy of this process, else the store's, believed by its digest; the store is the one that the file here names, or named when it was read last |
 * | cannot be read, and this process has read none since its start | the file's own error, with line and field: nothing says where the store is |
 * | is another, and there is no copy | BadSystemFile, which names both: nothing was done. The step fails, and a person puts the file back, or tries again with another (`retry` with `file`), which the journal has |
 *
 * The overlay is none of it: it says where things are and how to get in from this machine, and is read as it is. So are the texts that references stand for, where the receivers of messages are reached
 * (send-notice.ts), and programs on the disk. What a run starts that outlives it (archive, base, watch) goes by the file as it is.
 *
 * Killed while it is kept: the next start keeps it. Two starts at once: one put wins, and both say the same. A copy is written once, and never deleted by us.
 */
const keptSchema = z.strictObject({ format: z.literal(formatVersion), kind: z.literal('system-file'), keys: z.array(wrappedKeySchema), sealed: z.base64() });

const contextOf = ({ system, sha256 }: SystemFileRef): Record<string, string> => ({ holdfast: 'system-file', system, sha256 });

/** Texts that runs go by, as far as this process has seen them; the oldest goes first. */
const texts = new Map<string, string>();
const textsKept = 100;

function remember({ sha256 }: SystemFileRef, text: string): void {
  texts.delete(sha256);
  texts.set(sha256, text);
  for (const oldest of texts.keys()) if (texts.size > textsKept) texts.delete(oldest);
}

/** Gives the store a copy of the file's text, where it has none. Twice: there is one. */
export async function keepSystemFile({ store, keys, signal }: { store: Store; keys: Keys; signal: AbortSignal }, loaded: LoadedSystem): Promise<void> {
  const ref: SystemFileRef = { system: loaded.system.system, sha256: loaded.sha256 };
  const name = layout.systemFile(ref.system, ref.sha256);
  for await (const version of store.list(name, { signal })) if (version.key === name && !version.isDeleteMarker) return;
  const key = keys.newDataKey();
  const wrapped = await Promise.all(keys.wrappers.map(async (wrapper) => signedKey(keys.signer, await wrapper.wrap(key, contextOf(ref)))));
  const sealed = await seal(key, Buffer.from(loaded.text), contextOf(ref));
  try {
    await store.put(name, canonicalBytes({ format: formatVersion, kind: 'system-file', keys: wrapped, sealed: sealed.toString('base64') }), { ifAbsent: true, signal });
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
  }
}

/** The system file that the work at hand goes by: that of its run, or the file as it is. @throws as `loadSystemFile`. BadSystemFile - the run's can be had nowhere. */
export async function loadGivenFile(name: string): Promise<LoadedSystem> {
  const ref = fileGiven(name);
  return ref === undefined ? await loadSystemFile(name) : await loadFileOfRun(ref);
}

async function loadFileOfRun(ref: SystemFileRef): Promise<LoadedSystem> {
  let here: LoadedSystem | undefined;
  let trouble: unknown;
  try {
    here = await loadSystemFile(ref.system);
  } catch (error) {
    trouble = error;
  }
  if (here?.sha256 === ref.sha256) {
    remember(ref, here.text);
    return here;
  }
  const text = texts.get(ref.sha256) ?? (await readKept(ref, here, trouble));
  remember(ref, text);
  return await loadText(ref.system, text);
}

async function readKept(ref: SystemFileRef, here: LoadedSystem | undefined, trouble: unknown): Promise<string> {
  const known = here ?? lastLoaded(ref.system);
  // Nothing says where the store is.
  if (!known) throw trouble;
  const secret = async (reference: string): Promise<string> => await resolveSecret(reference, known.directory);
  const store = await openStore(known.system.stores[0]!, { secret, address: resolveAddress });
  try {
    const keys = await openKeys(known.system.key, secret);
    const name = layout.systemFile(ref.system, ref.sha256);
    let unopened: unknown;
    for await (const version of store.list(name)) {
      if (version.key !== name || version.isDeleteMarker) continue;
      try {
        const text = await openKept(keys, await store.getVersion(version), ref, name);
        if (text !== undefined) return text;
      } catch (error) {
        // A version that somebody put beside it hides nothing.
        unopened ??= error;
      }
    }
    if (unopened !== undefined) throw unopened;
  } finally {
    store.close();
  }
  const now = here ? `has the digest ${here.sha256} now` : 'cannot be read now';
  throw new HoldfastError('BadSystemFile', `systems/${ref.system}.yaml ${now}, this run goes by ${ref.sha256}, and the store has no copy of that: nothing was done.`, {
    hint: `put the file back as it was (sha256sum) and retry; or go on by another: retry with "file": "<digest>" and a reason`,
  });
}

/** Undefined: it is not what the run goes by, whoever put it there. */
async function openKept(keys: Keys, bytes: Buffer, ref: SystemFileRef, name: string): Promise<string | undefined> {
  const kept = keptSchema.safeParse(parseJson(bytes));
  if (!kept.success) return undefined;
  const key = await keys.open(kept.data.keys.map((wrapped) => ({ bytes: canonicalBytes(wrapped), key: name })), contextOf(ref));
  const text = (await open(key, Buffer.from(kept.data.sealed, 'base64'), contextOf(ref))).toString('utf8');
  return digestOfText(text) === ref.sha256 ? text : undefined;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
