import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Manifest, Unit } from '../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { Contents } from '../../../workflows/domain/contents.ts';
import type { SourceContext } from '../../context.ts';
import { chosenUnits } from './selection.ts';

/** What a restore brings of a base: its provisioner says so. */
export function wantedContents({ system, sourceName }: Pick<SourceContext, 'system' | 'sourceName'>): Contents {
  const provision = system.standby.provision[sourceName];
  return (provision && 'contents' in provision ? provision.contents : undefined) ?? 'all';
}

/** The units whose rows a restore brings. */
export const wantedUnits = (context: Pick<SourceContext, 'system' | 'sourceName'>, manifest: Manifest, point: Pick<RecoveryPoint, 'only'>): Unit[] => (wantedContents(context) === 'definitions' ? [] : chosenUnits(manifest, point));

const holds: Record<Contents, string> = { all: 'definitions and rows', definitions: 'definitions alone, and no row', rows: 'rows alone, and no definitions' };

/** A base of a part is restored by who asks for that part, so that nobody takes empty tables for a recovery. @throws Unsupported. */
export function requireContents(context: SourceContext, backup: string, base: Contents): Contents {
  const wanted = wantedContents(context);
  if (base === 'all' || base === wanted) return wanted;
  const { environment } = context.system.standby;
  throw new HoldfastError('Unsupported', `backup ${backup} holds ${holds[base]}, and ${holds[wanted]} are to be restored to ${environment}`, { hint: `say contents: ${base} where ${context.sourceName} of ${environment} is provisioned, or choose a base of all` });
}
