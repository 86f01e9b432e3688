import { matchesNamespace, nearNames } from '../../../../workflows/domain/chosen-namespaces.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { formatLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Manifest } from '../../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { checkBeside, type CopiesWanted } from '../beside/check-beside.ts';
import { controlDatabase } from '../control.ts';
import { CollectionHistory } from '../equality/collection-history.ts';
import { readOperations } from '../equality/read-operations.ts';
import { splitNamespace } from '../namespaces.ts';
import { readManifest } from '../../base/read-base.ts';
import { Selection } from './selection.ts';

/** What a chosen name cannot be, and why. */
const refused: Readonly<Record<string, string>> = {
  admin: 'it holds the server’s own users, roles and settings, which come with a whole restore only',
  config: 'it belongs to one server and is not backed up',
  local: 'it belongs to one server and is not backed up',
  [controlDatabase]: 'it is Holdfast’s own and is not backed up',
};

/**
 * The recovery point, narrowed to chosen namespaces: what a partial restore of it would bring back. Reads the bucket alone,
 * the names' part of the whole log; changes nothing.
 *
 * @param input.copies - they are to be copied into the living source: looks at it, too.
 * @throws BadInput - a name of the server's own, or one that matches no collection at the recovery point: names near ones,
 *   and where it was dropped or renamed when the log tells. As `checkBeside`.
 */
export async function narrowPoint(context: SourceContext, { point, only, copies }: { point: RecoveryPoint; only: readonly string[]; copies?: CopiesWanted | undefined }): Promise<RecoveryPoint> {
  const manifest = await readManifest(context, point);
  const chosen = await findChosen(context, point, manifest, only);
  if (copies) await checkBeside(context, { names: [...chosen.values()], ...copies });
  const units = manifest.units.filter(({ id }) => chosen.has(id));
  const sum = (of: 'documents' | 'plainBytes'): number => units.reduce((total, unit) => total + unit[of], 0);
  return { ...point, only: { patterns: [...only], collections: chosen.size, documents: sum('documents'), plainBytes: sum('plainBytes'), ...(copies ? { copies: [...chosen.values()].sort() } : {}) } };
}

export const chosenUnits = (manifest: Manifest, selection: Selection | null): Manifest['units'] =>
  selection ? manifest.units.filter(({ id }) => selection.uuids.has(id)) : manifest.units;

/** The collections that a point's `only` stands for at its limit; null: everything. @throws as narrowPoint. */
export async function findSelection(context: SourceContext, point: RecoveryPoint, manifest: Manifest): Promise<Selection | null> {
  return point.only ? new Selection((await findChosen(context, point, manifest, point.only.patterns)).keys()) : null;
}

/** By UUID, as they are called at the point's limit. @throws as narrowPoint. */
async function findChosen(context: SourceContext, point: RecoveryPoint, manifest: Manifest, patterns: readonly string[]): Promise<Map<string, string>> {
  for (const pattern of patterns) refuseOwn(context, pattern);
  const { names, left } = await namesAt(context, point, manifest);
  const offered = [...names].filter(([, ns]) => !(splitNamespace(ns).database in refused));
  for (const pattern of patterns) {
    if (!offered.some(([, ns]) => matchesNamespace(pattern, ns))) throw unknown(pattern, offered.map(([, ns]) => ns), left);
  }
  const chosen = new Map(offered.filter(([, ns]) => patterns.some((pattern) => matchesNamespace(pattern, ns))));
  const databases = new Set([...chosen.values()].filter((ns) => splitNamespace(ns).collection.startsWith('system.buckets.')).map((ns) => splitNamespace(ns).database));
  // A time series is a view over its buckets: without the definition its data could not be read by its name.
  const views = offered.filter(([, ns]) => splitNamespace(ns).collection === 'system.views' && databases.has(splitNamespace(ns).database));
  return new Map([...chosen, ...views]);
}

interface Left {
  position: LogPosition;
  /** null: dropped */
  to: string | null;
}

/** What each collection is called at the limit, by UUID; and which names went out of use in the log, and where. */
async function namesAt(context: SourceContext, point: RecoveryPoint, manifest: Manifest): Promise<{ names: Map<string, string>; left: Map<string, Left> }> {
  const history = new CollectionHistory(manifest.units);
  const namesNow = (): Map<string, string> => new Map([...history.present.values()].map(({ uuid, ns }) => [uuid, ns]));
  const left = new Map<string, Left>();
  let names = namesNow();
  for await (const event of readOperations(context, point, point.limit)) {
    if (!('command' in event)) continue;
    history.apply(event.command);
    const after = namesNow();
    for (const [uuid, ns] of names) if (after.get(uuid) !== ns) left.set(ns, { position: event.position, to: after.get(uuid) ?? null });
    names = after;
  }
  return { names, left };
}

function refuseOwn({ source }: SourceContext, pattern: string): void {
  const { database } = splitNamespace(pattern);
  const why = refused[database];
  if (why) throw new HoldfastError('BadInput', `"${pattern}" cannot be restored by itself: ${why}`, { hint: 'leave it out' });
  const excluded = source.namespaces.exclude.find((name) => name === database || name === pattern);
  if (excluded) throw new HoldfastError('BadInput', `"${pattern}" is not in any backup: the system file excludes ${excluded}`);
}

function unknown(pattern: string, known: string[], left: ReadonlyMap<string, Left>): HoldfastError {
  const gone = [...left].filter(([ns]) => matchesNamespace(pattern, ns) && !(splitNamespace(ns).database in refused)).at(-1);
  if (gone) {
    const [ns, { position, to }] = gone;
    return new HoldfastError('BadInput', `no collection is called "${pattern}" at the recovery point: ${ns} was ${to === null ? 'dropped' : `renamed to ${to}`} at ${formatLogPosition(position)}`, {
      hint: `${to === null ? '' : `ask for ${to}, or `}take --target-position ${position}, right before that`,
    });
  }
  const shown = (ns: string): string => ns.replace('.system.buckets.', '.');
  const near = nearNames(pattern, known.map(shown));
  const hint = near.length > 0 ? `near it: ${near.join(', ')}` : `there are ${known.slice(0, 10).map(shown).join(', ')}${known.length > 10 ? ` and ${known.length - 10} more` : ''}`;
  return new HoldfastError('BadInput', `no collection is called "${pattern}" at the recovery point`, { hint: `${hint}; a view has no data of its own: name what it is on` });
}
