import { layout } from '../../workflows/domain/layout.ts';
import type { Listed } from '../../workflows/domain/seen-store.ts';
import type { SourceContext } from '../context.ts';

/** Objects that are put where nothing is, and never again: what stands behind the first version is somebody else's. */
const writtenOnce = /\/(?:manifest\.json|timelines\/[^/]+|slices\/[^/]+|gaps\/[^/]+|heads\/[^/]+)$/;
const backupFolder = /\/backups\/([^/]+)\//;
const shown = 2;
/** The newest that are looked at for one that held. */
const verifiedKept = 10;

export interface ListedSource extends Listed {
  /** when the store got each manifest, by backup id, UTC ISO: of several versions the first */
  sealedAt: ReadonlyMap<string, string>;
  /** keys of the newest verifications, the oldest of them first */
  verified: readonly string[];
  /** key of the newest check of its keys; null: there was none */
  keyCheck: string | null;
  /** keys of the newest proofs of offline recipients, by recipient */
  recoveryProofs: ReadonlyMap<string, string>;
}

/** One listing of all that lies in a source's folder, added up: names, sizes and times, and no byte of an object. */
export async function listSource({ store, system: { system }, sourceName, signal, progress }: SourceContext): Promise<ListedSource> {
  const folders = new Map<string, { objects: number; bytes: number }>();
  const sealedAt = new Map<string, string>();
  const examples: Listed['examples'] = { deleteMarkers: [], overwrites: [] };
  const strays = { deleteMarkers: 0, overwrites: 0 };
  const note = (kind: keyof typeof strays, key: string): void => {
    strays[kind] += 1;
    if (examples[kind].length < shown && !examples[kind].includes(key)) examples[kind].push(key);
  };
  const verifications = layout.verifications(system, sourceName);
  let verified: string[] = [];
  let keyCheck: string | null = null;
  const recoveryProofs = new Map<string, string>();
  const [checks, proofs] = [layout.keyChecks(system, sourceName), layout.recoveryProofs(system, sourceName)];
  let done = 0;
  let versionsOfKey = { key: '', count: 0 };
  for await (const { key, bytes, isDeleteMarker, modifiedAt } of store.list(layout.source(system, sourceName), { signal })) {
    if ((done += 1) % 1_000 === 0) progress({ phase: 'list the store', done, of: 0, unit: 'objects' });
    if (isDeleteMarker) {
      note('deleteMarkers', key);
      continue;
    }
    versionsOfKey = versionsOfKey.key === key ? { key, count: versionsOfKey.count + 1 } : { key, count: 1 };
    if (versionsOfKey.count > 1 && writtenOnce.test(key)) note('overwrites', key);
    if (key.startsWith(verifications) && versionsOfKey.count === 1) verified = [...verified.slice(1 - verifiedKept), key];
    // By time, as they are named by it: the last is the newest.
    if (key.startsWith(checks)) keyCheck = key;
    if (key.startsWith(proofs)) recoveryProofs.set(key.slice(proofs.length).split('.')[0]!, key);
    const backup = backupFolder.exec(key)?.[1];
    if (backup === undefined) continue;
    const folder = folders.get(backup) ?? { objects: 0, bytes: 0 };
    folders.set(backup, { objects: folder.objects + 1, bytes: folder.bytes + bytes });
    const sealed = sealedAt.get(backup);
    if (key.endsWith('/manifest.json') && (sealed === undefined || modifiedAt < sealed)) sealedAt.set(backup, modifiedAt);
  }
  return { folders, sealedAt, verified, keyCheck, recoveryProofs, examples, ...strays };
}
