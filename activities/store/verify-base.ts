import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, type BackupScope } from '../../workflows/domain/layout.ts';
import { groupIndexSchema, manifestSchema, type GroupIndex, type Manifest, type Part } from '../../workflows/domain/manifest.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { SourceContext } from '../context.ts';
import { openBackupKey } from '../stream/backup-key.ts';
import { partContext } from '../stream/contexts.ts';
import type { DataKey } from '../stream/keys.ts';
import { letGo } from '../stream/let-go.ts';
import { open } from '../stream/sealed.ts';
import { sha256Hex } from './checks.ts';
import { readOrNote, untilTime, type Findings, type ReadLimits } from './findings.ts';
import { inParallel } from './in-parallel.ts';
import { readSigned } from './signed-object.ts';

/** A base without its parts: what says where they are, and what opens them. */
export interface OpenedBase {
  manifest: Manifest;
  /** undefined: none of its objects opens, which is noted */
  key: DataKey | undefined;
  /** of the indexes that could be read */
  parts: Part[];
}

/** Stored bytes that a job has read, of all that it reads so, however many bases that is: what people are shown of it. */
export interface BytesRead {
  done: number;
  of: number;
}

/** Verifies all that a manifest names; adds what is wrong to `found`. @returns whether the base is whole, as far as it was read. */
export async function verifyBase(context: SourceContext, scope: BackupScope, ref: ObjectRef, found: Findings, limits: ReadLimits, read?: BytesRead): Promise<boolean> {
  const before = found.problems.length;
  const base = await openBase(context, scope, ref, found);
  if (base) await verifyParts(context, scope, base, ref, found, limits, read);
  return found.problems.length === before;
}

/** Verifies manifest, key and indexes, and that their counts add up. Undefined: the manifest is damaged, which is noted. */
export async function openBase(context: SourceContext, scope: BackupScope, ref: ObjectRef, found: Findings): Promise<OpenedBase | undefined> {
  const attempt = attemptsOf(context, found, ref);
  const manifest = await attempt(ref, () => readSigned(context.store, context.keys, manifestSchema, ref, { signal: context.signal }));
  if (!manifest) return undefined;
  const key = await verifyKey(context, scope, manifest, found, attempt);
  const indexes: GroupIndex[] = [];
  for (const group of manifest.groups) {
    const index = await readIndex(context, manifest, group, attempt);
    if (index) indexes.push(index);
  }
  if (indexes.length === manifest.groups.length) compareCounts(ref.key, manifest, indexes, found);
  return { manifest, key, parts: indexes.flatMap((index) => index.parts) };
}

/**
 * Reads and opens each part. Those for which there is no time are looked for in a listing: each at its version, of its size.
 *
 * @param read - of a job that reads more than these; left out: they are all.
 */
export async function verifyParts(
  context: SourceContext,
  scope: BackupScope,
  { key, parts }: OpenedBase,
  ref: ObjectRef,
  found: Findings,
  { atOnce, untilMs }: ReadLimits,
  read: BytesRead = { done: 0, of: bytesOf(parts) },
): Promise<void> {
  const attempt = attemptsOf(context, found, ref);
  const begun = new Set<Part>();
  const verify = async (part: Part): Promise<void> => {
    begun.add(part);
    await attempt(part.object, () => readPart(context, scope, key, part));
    found.parts += 1;
    read.done += part.object.bytes;
    context.progress({ phase: 'verify base', done: read.done, of: read.of, unit: 'bytes' });
  };
  await inParallel(untilTime(parts, untilMs), atOnce, verify, context.signal);
  await lookForParts(context, scope, parts.filter((part) => !begun.has(part)), found);
}

export const bytesOf = (parts: readonly Part[]): number => parts.reduce((total, { object }) => total + object.bytes, 0);

/** Reads one object that the manifest names, and counts it. Undefined when it is damaged, which is noted under its key. */
type Attempt = <T>(ref: ObjectRef, read: () => Promise<T>) => Promise<T | undefined>;

const attemptsOf = ({ store, signal }: SourceContext, found: Findings, manifest: ObjectRef): Attempt => async (ref, read) => {
  found.objects += 1;
  const counted = async () => {
    const value = await read();
    found.bytes += ref.bytes;
    return value;
  };
  return readOrNote(found, ref.key, () => store.get(manifest, { signal }), counted);
};

/** Without the key the parts are still compared with their digests. */
async function verifyKey(context: SourceContext, scope: BackupScope, manifest: Manifest, found: Findings, attempt: Attempt): Promise<DataKey | undefined> {
  // Each on its own: one that is damaged matters, though another still opens the backup.
  const whole: ObjectRef[] = [];
  for (const object of manifest.key.objects) {
    if (await attempt(object, () => context.store.get(object, { signal: context.signal }))) whole.push(object);
  }
  const [first] = whole;
  if (!first) {
    if (manifest.key.objects.length === 0) found.problems.push({ key: manifest.key.id, problem: 'the manifest names no object of this key' });
    // One that was added since may open it: what is damaged is noted already.
    return await openBackupKey(context.store, context.keys, scope, { ...manifest.key, objects: [] }).catch(unlessRetryable);
  }
  try {
    const key = await openBackupKey(context.store, context.keys, scope, { ...manifest.key, objects: whole });
    if (key.id === manifest.key.id) return key;
    found.problems.push({ key: first.key, problem: `holds key ${key.id}, the manifest names ${manifest.key.id}` });
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.retryable) throw error;
    found.problems.push({ key: first.key, problem: error.message, type: error.type });
  }
  return undefined;
}

function unlessRetryable(error: unknown): undefined {
  if (!(error instanceof HoldfastError) || error.retryable) throw error;
}

async function readIndex(context: SourceContext, manifest: Manifest, group: Manifest['groups'][number], attempt: Attempt): Promise<GroupIndex | undefined> {
  return attempt(group.index, async () => {
    const { key } = group.index;
    const parsed = groupIndexSchema.safeParse(JSON.parse((await context.store.get(group.index, { signal: context.signal })).toString('utf8')));
    if (!parsed.success) throw new HoldfastError('Tampered', `${key}: not the index of a group: ${parsed.error.issues[0]?.path.join('.')} ${parsed.error.issues[0]?.message}`);
    const index = parsed.data;
    if (index.backup !== manifest.backup || index.group !== group.group) {
      throw new HoldfastError('Tampered', `${key}: is the index of ${index.backup}/${index.group}, expected ${manifest.backup}/${group.group}`);
    }
    return index;
  });
}

/** What a listing alone shows of parts: a missing version, another size. A thousand parts a request. */
export async function lookForParts({ store, signal }: SourceContext, scope: BackupScope, parts: Part[], found: Findings): Promise<void> {
  if (parts.length === 0) return;
  const nameOf = ({ key, versionId }: { key: string; versionId: string }): string => `${key} ${versionId}`;
  const wanted = new Map(parts.map(({ object }) => [nameOf(object), object]));
  for await (const version of store.list(layout.allParts(scope), { signal })) {
    const object = wanted.get(nameOf(version));
    if (!object || version.isDeleteMarker) continue;
    wanted.delete(nameOf(version));
    if (version.bytes !== object.bytes) found.problems.push({ key: object.key, problem: `${object.key} version ${object.versionId}: ${version.bytes} bytes, expected ${object.bytes}` });
  }
  for (const { key, versionId } of wanted.values()) found.problems.push({ key, problem: `${key} version ${versionId} is not in store ${store.name}`, type: 'ObjectMissing' });
}

/** Parts to ranges to units to totals: what the manifest promises is what the indexes hold. */
function compareCounts(manifestKey: string, manifest: Manifest, indexes: GroupIndex[], found: Findings): void {
  const compare = (key: string, what: string, counted: number, said: number): void => {
    if (counted !== said) found.problems.push({ key, problem: `${what}: counted ${counted}, expected ${said}` });
  };
  const sum = <T>(list: T[], of: (one: T) => number): number => list.reduce((total, one) => total + of(one), 0);
  for (const index of indexes) {
    const group = manifest.groups.find((one) => one.group === index.group)!;
    compare(group.index.key, 'parts of the group', index.parts.length, group.parts);
    compare(group.index.key, 'bytes of the group', sum(index.parts, (part) => part.plainBytes), group.plainBytes);
    compare(group.index.key, 'stored bytes of the group', sum(index.parts, (part) => part.object.bytes), group.storedBytes);
    const partsOf = Map.groupBy(index.parts, ({ unit, range }) => `${unit}/${range}`);
    for (const range of index.ranges) {
      const parts = partsOf.get(`${range.unit}/${range.range}`) ?? [];
      compare(group.index.key, `documents of ${range.unit} range ${range.range}`, sum(parts, (part) => part.documents), range.documents);
      parts.forEach((part, position) => compare(group.index.key, `place of part ${part.object.key}`, part.index, position));
    }
  }
  const rangesOf = Map.groupBy(indexes.flatMap((index) => index.ranges), ({ unit }) => unit);
  for (const unit of manifest.units) {
    compare(manifestKey, `documents of ${unit.name}`, sum(rangesOf.get(unit.id) ?? [], (range) => range.documents), unit.documents);
  }
  compare(manifestKey, 'parts', sum(indexes, (index) => index.parts.length), manifest.totals.parts);
  compare(manifestKey, 'documents', sum(manifest.units, (unit) => unit.documents), manifest.totals.documents);
}

/** Without a key what is stored is compared with its digest, which is half of the proof. */
async function readPart({ store, signal }: SourceContext, scope: BackupScope, key: DataKey | undefined, part: Part): Promise<void> {
  const stored = await store.get(part.object, { signal });
  if (!key) return letGo(stored);
  const plain = await open(key, stored, partContext(scope, part));
  const [bytes, digest] = [plain.length, sha256Hex(plain)];
  letGo(stored, plain);
  if (bytes !== part.plainBytes || digest !== part.plainSha256) {
    throw new HoldfastError('Tampered', `${part.object.key}: opens to other bytes than its index says (${bytes}, expected ${part.plainBytes})`);
  }
}
