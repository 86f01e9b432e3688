import type { Contents } from '../../../workflows/domain/contents.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { mib, formatBytes } from '../../../workflows/domain/units.ts';
import type { GroupIndex, Manifest } from '../../../workflows/domain/manifest.ts';
import type { ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { inParallel } from '../../store/in-parallel.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import type { DataKey } from '../../stream/keys.ts';
import { readGroupIndex, readManifest, requireEngine } from '../base/read-base.ts';
import { getPart, type PartStore } from '../base/stored-parts.ts';
import { globalsOf, parseGlobals, type Global } from './globals.ts';
import { ownUnits } from './plan.ts';
import { wantedUnits } from './contents.ts';
import { ownGroup } from './split-groups.ts';

/** A base as whoever restores or compares needs it, but for the rows. */
export interface BaseContents {
  manifest: Manifest;
  parts: PartStore;
  definitions: Buffer;
  globals: Global[];
  /** what of the database it holds */
  contents: Contents;
}

/** All definitions of a database are held in memory, several times over. */
const definitionsAtMostBytes = mib(64);

/** @throws Tampered, WrongKey, ObjectMissing, Unsupported. */
export async function openBase(context: SourceContext, point: RecoveryPoint): Promise<BaseContents> {
  const base = await openBaseParts(context, point);
  const read = await openOwnUnits(context, base);
  const [definitions, globals] = [await read(ownUnits.definitions), parseGlobals((await read(ownUnits.globals)).toString('utf8'))];
  const contents = globalsOf(globals, 'contents')[0]?.contents ?? 'all';
  if (definitions.length === 0 && contents !== 'rows') throw new HoldfastError('Tampered', `backup ${base.manifest.backup} holds no definitions`);
  return { ...base, definitions, globals, contents };
}

/** What is neither a row nor a definition. @throws as openBase. */
export async function readBaseGlobals(context: SourceContext, point: RecoveryPoint): Promise<Global[]> {
  const read = await openOwnUnits(context, await openBaseParts(context, point));
  return parseGlobals((await read(ownUnits.globals)).toString('utf8'));
}

async function openOwnUnits(context: SourceContext, { manifest, parts }: Pick<BaseContents, 'manifest' | 'parts'>): Promise<(unit: string) => Promise<Buffer>> {
  const own = manifest.groups.find(({ group }) => group === ownGroup);
  if (!own) throw new HoldfastError('Tampered', `the manifest of backup ${manifest.backup} names no group "${ownGroup}"`);
  const index = await readGroupIndex(context, manifest.backup, own);
  return async (unit) => {
    const wanted = index.parts.filter((part) => part.unit === unit);
    const bytes = wanted.reduce((sum, part) => sum + part.plainBytes, 0);
    if (bytes > definitionsAtMostBytes) throw new HoldfastError('Unsupported', `the ${unit} of backup ${manifest.backup} take ${formatBytes(bytes)}, and ${formatBytes(definitionsAtMostBytes)} is the most that is restored`);
    return Buffer.concat(await Promise.all(wanted.map(async (part) => await getPart(parts, part))));
  };
}

/** Manifest and key alone. */
export async function openBaseParts(context: SourceContext, point: RecoveryPoint): Promise<Pick<BaseContents, 'manifest' | 'parts'>> {
  const manifest = await readManifest(context, point);
  requireEngine(manifest, 'postgres');
  const key: DataKey = await openBackupKey(context.store, context.keys, manifest, manifest.key);
  return { manifest, parts: { store: context.store, key, scope: manifest, signal: context.signal } };
}

export interface GroupToRestore {
  group: string;
  index: ObjectRef;
  plainBytes: number;
  pieces: number;
}

const indexesAtOnce = 4;

/**
 * Each index is what its manifest says, and together they hold what the units say.
 * @returns the groups of rows, of a partial restore those that hold some of it; what is no table is made before any row is loaded, or after all.
 */
export async function checkIndexes(context: SourceContext, manifest: Manifest, point: Pick<RecoveryPoint, 'only'>): Promise<GroupToRestore[]> {
  const chosen = new Set(wantedUnits(context, manifest, point).map(({ id }) => id));
  const rows = new Map<string, number>();
  const groups: GroupToRestore[] = [];
  let done = 0;
  await inParallel(manifest.groups.entries(), indexesAtOnce, async ([at, group]) => {
    const { parts }: GroupIndex = await readGroupIndex(context, manifest.backup, group);
    for (const { unit, documents } of parts) rows.set(unit, (rows.get(unit) ?? 0) + documents);
    const wanted = parts.filter(({ unit }) => chosen.has(unit));
    groups[at] = { group: group.group, index: group.index, plainBytes: wanted.reduce((sum, { plainBytes }) => sum + plainBytes, 0), pieces: wanted.length };
    context.progress({ phase: 'check base', done: (done += 1), of: manifest.groups.length, unit: 'objects' });
  }, context.signal);
  for (const unit of manifest.units) {
    const found = rows.get(unit.id) ?? 0;
    if (found !== unit.documents) throw new HoldfastError('Tampered', `${unit.name}: the manifest of backup ${manifest.backup} says ${unit.documents} rows, its parts hold ${found}`);
  }
  return groups.filter(({ pieces }) => pieces > 0);
}
