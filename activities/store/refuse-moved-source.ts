import type { TargetRef } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { System } from '../../workflows/domain/system.ts';
import type { Timeline } from '../../workflows/domain/manifest.ts';

/**
 * Refuses a recovery of a source that an earlier one moved, while the system file still tells of the time before: it would
 * restore over the server that serves now, and fence the one that has not served since.
 *
 * @param current - the source's newest timeline; undefined: it was never archived.
 * @throws TargetNotEmpty - the source lives on its standby. BadInput - it lives elsewhere than the system file says.
 */
export function refuseMovedSource(system: System, sourceName: string, current: Timeline | undefined): void {
  const lives = current?.environment;
  if (lives === undefined) return;
  const what = `${system.system}/${sourceName} lives in ${lives} now`;
  if (lives === system.standby.environment) {
    throw new HoldfastError('TargetNotEmpty', `${what}, which is its standby: there is no other place to recover to`, {
      hint: `name another standby in the system file, with ${lives} as the source’s environment and its fence there; or fail back first`,
    });
  }
  const said = system.sources[sourceName]!.environment;
  if (lives !== said) {
    throw new HoldfastError('BadInput', `${what}, and the system file says ${said}: the fence would reach a server that does not serve`, {
      hint: `set sources.${sourceName}.environment to ${lives}, and fence.${sourceName} to the server there`,
    });
  }
}

/** Refuses to make a target, for a recovery or a drill, where the source itself lives since an earlier recovery. @throws TargetNotEmpty */
export function refuseLivingTarget(target: TargetRef, current: Timeline | undefined): void {
  if (current?.environment !== target.environment) return;
  throw new HoldfastError('TargetNotEmpty', `${target.system}/${target.source} lives in ${target.environment} since ${current.startedAt}: a target is not made over the server that serves`, {
    hint: 'name another standby in the system file, or fail back first',
  });
}
