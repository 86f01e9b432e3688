import { matchesNamespace, nearNames } from '../../../workflows/domain/chosen-namespaces.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Manifest, Unit } from '../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { CopyMode } from '../../../workflows/domain/restore-mode.ts';
import type { SourceContext } from '../../context.ts';
import { readManifest } from '../base/read-base.ts';

/** A name as SQL writes it, without its quotes: `"odd ""x".orders` is `odd "x.orders`. What people type is compared with this. */
const plainName = (sql: string): string => [...sql.matchAll(/"((?:[^"]|"")*)"|[^."]+/g)].map(([whole, quoted]) => quoted?.replaceAll('""', '"') ?? whole).join('.');

/**
 * The point, narrowed to the rows of chosen tables: `app.orders`, `app.*`. Definitions are all made, since a table's may need any other's.
 * @throws BadInput - a name that matches no table of the base; names near ones. Unsupported - copies in the living source.
 */
export async function narrowPoint(context: SourceContext, { point, only, copies }: { point: RecoveryPoint; only: readonly string[]; copies?: { run: string; mode: CopyMode } | undefined }): Promise<RecoveryPoint> {
  if (copies) throw new HoldfastError('Unsupported', `${point.system}/${point.source}: the engine "postgres" copies nothing into a living source`, { hint: 'restore the tables to a database of their own, without a mode' });
  const manifest = await readManifest(context, point);
  const tables = manifest.units.filter(({ kind }) => kind === 'table');
  for (const pattern of only) if (!tables.some(({ name }) => matchesNamespace(pattern, plainName(name)))) throw unknown(pattern, tables.map(({ name }) => plainName(name)));
  const chosen = chosenUnits(manifest, { only: { patterns: [...only] } });
  const sum = (of: 'documents' | 'plainBytes'): number => chosen.reduce((total, unit) => total + unit[of], 0);
  return { ...point, only: { patterns: [...only], collections: chosen.length, documents: sum('documents'), plainBytes: sum('plainBytes') } };
}

/** What holds rows that are to be restored. Large objects are not any one table's: a part of the tables comes without them. */
export function chosenUnits({ units }: Manifest, { only }: { only?: { patterns: readonly string[] } | undefined }): Unit[] {
  if (!only) return units.filter(({ kind }) => kind === 'table' || kind === 'large-objects');
  return units.filter(({ kind, name }) => kind === 'table' && only.patterns.some((pattern) => matchesNamespace(pattern, plainName(name))));
}

function unknown(pattern: string, known: string[]): HoldfastError {
  const near = nearNames(pattern, known);
  const hint = near.length > 0 ? `near it: ${near.join(', ')}` : `there are ${known.slice(0, 10).join(', ')}${known.length > 10 ? ` and ${known.length - 10} more` : ''}`;
  return new HoldfastError('BadInput', `no table is called "${pattern}" in the base`, { hint: `${hint}; rows of a partitioned table are its partitions’: name those, as in "app.orders_*"` });
}
