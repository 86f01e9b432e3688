import type { KeyProof, RotationKeys } from '../../workflows/domain/keys/describe.ts';
import { layout, parseRangeKey, type TimelineScope } from '../../workflows/domain/layout.ts';
import type { LogPosition } from '../../workflows/domain/log-position.ts';
import { groupIndexSchema, manifestSchema, type Manifest, type Part } from '../../workflows/domain/manifest.ts';
import type { CatalogBase } from '../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../context.ts';
import { getPart } from '../engines/base/stored-parts.ts';
import { rebuildCatalog } from '../store/read-catalog.ts';
import { readSigned } from '../store/signed-object.ts';
import { ArchiveKeys } from '../stream/archive-key.ts';
import { openBackupKey } from '../stream/backup-key.ts';
import { sliceContext } from '../stream/contexts.ts';
import type { DataKey, KeyWrapper } from '../stream/keys.ts';
import { keysOf } from '../stream/open-keys.ts';
import { contextOf, keyIdOf, open } from '../stream/sealed.ts';
import { requireSameKeys } from './rotation-keys.ts';

/** What opening needs; a job's context is one. */
export type OpeningRoom = Pick<SourceContext, 'store' | 'keys' | 'signal'>;

/**
 * Opens the newest base of a source, a part of it and a slice of the log behind it, with one recipient's key and no other. Reads only; safe to repeat.
 * @throws WrongKey, KeyRefused, Tampered, ObjectMissing - it does not open, or is not what was written. KeyUnavailable, StoreUnavailable - retryable.
 */
export async function proveWith(room: OpeningRoom, of: { system: string; source: string }, wrapper: KeyWrapper): Promise<KeyProof & { opened: OpenedWith | null }> {
  const alone: OpeningRoom = { ...room, keys: keysOf([wrapper], room.keys.signer) };
  const base = await newestBase(alone, of);
  if (!base) return { recipient: wrapper.recipient, backup: null, part: null, slice: null, opened: null };
  const manifest = await readSigned(alone.store, alone.keys, manifestSchema, base.manifest, { signal: alone.signal });
  const key = await openBackupKey(alone.store, alone.keys, manifest, manifest.key);
  const part = await firstPart(alone, manifest);
  if (part) await getPart({ ...alone, key, scope: manifest }, part);
  const slice = await openSliceBehind(alone, manifest);
  return { recipient: wrapper.recipient, backup: manifest.backup, part: part?.object.key ?? null, slice: slice?.key ?? null, opened: { manifest, key, part, archiveKey: slice?.keyId ?? null } };
}

export interface OpenedWith {
  manifest: Manifest;
  key: DataKey;
  part: Part | undefined;
  archiveKey: string | null;
}

/** By all the recipients whose private half is here, the one after the other. @throws BadSystemFile - this worker's file names others than the rotation began with; and as `proveWith`. */
export async function proveKeys(context: SourceContext, { began }: { began: RotationKeys }): Promise<KeyProof[]> {
  requireSameKeys(context.keys, began);
  const proofs: KeyProof[] = [];
  for (const wrapper of context.keys.wrappers.filter(({ opens }) => opens)) {
    const { opened: _, ...proof } = await proveWith(context, { system: context.system.system, source: context.sourceName }, wrapper);
    proofs.push(proof);
    context.progress({ phase: 'prove keys', done: proofs.length, of: context.keys.wrappers.length, unit: 'objects' });
  }
  return proofs;
}

async function newestBase({ store, keys, signal }: OpeningRoom, of: { system: string; source: string }): Promise<CatalogBase | undefined> {
  const { bases } = await rebuildCatalog({ store, keys, signal }, of);
  return bases.filter(({ mark }) => !mark?.doubt).sort((a, b) => (a.end < b.end ? -1 : 1)).at(-1);
}

/** Undefined: what was backed up was empty. */
async function firstPart({ store, signal }: OpeningRoom, { groups }: Manifest): Promise<Part | undefined> {
  for (const { index } of groups) {
    const [part] = groupIndexSchema.parse(JSON.parse((await store.get(index, { signal })).toString('utf8'))).parts;
    if (part) return part;
  }
  return undefined;
}

/** The first that begins behind the base. Undefined: no log is archived there. */
async function openSliceBehind({ store, keys, signal }: OpeningRoom, { system, source, timeline, logFrom }: Manifest): Promise<{ key: string; keyId: string } | undefined> {
  const scope: TimelineScope = { system, source, timeline };
  for await (const { key, versionId, isDeleteMarker } of store.list(layout.slices(scope), { signal, startAfter: `${layout.slices(scope)}${logFrom}` })) {
    const range: { from: LogPosition; to: LogPosition } | undefined = parseRangeKey(key);
    if (isDeleteMarker || !range) continue;
    const stored = await store.getVersion({ key, versionId }, { signal });
    const keyId = keyIdOf(stored);
    const dataKey = await new ArchiveKeys(store, keys).forReading(scope, keyId);
    await open(dataKey, stored, sliceContext(scope, { ...range, epoch: Number(contextOf(stored)['epoch']) }));
    return { key, keyId };
  }
  return undefined;
}
