import { lackOf } from '../../workflows/domain/engines.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import type { CopyMode } from '../../workflows/domain/restore-mode.ts';
import type { SourceContext } from '../context.ts';
import type { Engine } from './engine.ts';

interface Wanted {
  run: string;
  only?: readonly string[] | undefined;
  copies?: CopyMode | undefined;
}

/**
 * The point as a run needs it: narrowed to what was chosen; with the names of the databases that are brought whole into the living source.
 * @throws Unsupported - the engine brings no whole databases; what the engine's own checks of the living source refuse.
 */
export async function narrowForRun<P extends RecoveryPoint>(context: SourceContext, engine: Pick<Engine, 'narrowPoint' | 'nameCopies'>, point: P, { run, only, copies }: Wanted): Promise<P | RecoveryPoint> {
  // Rows go back out of a source that is restored whole: what a table lacks is said by name when they are previewed.
  if (copies === 'rows') return point;
  const mode = copies;
  if (only) return await engine.narrowPoint(context, { point, only, ...(mode ? { copies: { run, mode } } : {}) });
  if (!mode) return point;
  if (!engine.nameCopies) throw new HoldfastError('Unsupported', lackOf({ system: point.system, source: point.source, engine: context.source.engine }, 'databases'));
  return { ...point, copies: await engine.nameCopies(context, { point, run, mode }) };
}
