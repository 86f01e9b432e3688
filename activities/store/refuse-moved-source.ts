import type { TargetRef } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { isHomeward } from '../../workflows/domain/homeward.ts';
import type { SourceContext } from '../context.ts';
import { newestBelieved } from './timelines.ts';

type Lived = Pick<SourceContext, 'system' | 'source' | 'sourceName' | 'homeward' | 'inPlace' | 'store' | 'keys' | 'signal'>;

/** Where the source lives by its newest timeline. One that says nothing is of before any recovery: the source is at home. */
async function whereItLives(context: Lived): Promise<{ lives: string; since: string }> {
  const current = await newestBelieved(context.store, context.keys, { system: context.system.system, source: context.sourceName }, { signal: context.signal });
  const home = context.homeward ? context.system.standby.environment : context.source.environment;
  return { lives: current?.environment ?? home, since: current ? ` since ${current.startedAt}` : '' };
}

/** How the way home is called on the command line, where there is one. */
function wayHome({ runbook, runbooks, system }: SourceContext['system']): string | undefined {
  const name = Object.keys(runbooks ?? {}).find((candidate) => isHomeward({ runbook, runbooks }, candidate));
  return name && `holdfast recover ${system} --runbook ${name}`;
}

/**
 * Refuses a recovery of a source that an earlier one moved, while the system file still tells of the time before: it would
 * restore over the server that serves now, and fence the one that has not served since. On the way home, refuses a source that never left.
 *
 * @throws TargetNotEmpty - the source lives where it would be brought to. BadInput - it lives elsewhere than the system file says.
 */
export async function refuseMovedSource(context: Lived): Promise<void> {
  const { system, sourceName, homeward, inPlace } = context;
  const { lives } = await whereItLives(context);
  const what = `${system.system}/${sourceName} lives in ${lives} now`;
  if (lives === system.standby.environment && !inPlace) {
    if (homeward) throw new HoldfastError('TargetNotEmpty', `${what}, which is its home: there is nothing to bring back`);
    const home = wayHome(system);
    throw new HoldfastError('TargetNotEmpty', `${what}, which is its standby: there is no other place to recover to`, {
      hint: home ? `bring it home: ${home}` : `name another standby in the system file, with ${lives} as the source’s environment and its fence there; or declare failback and a runbook with towards: home (docs/runbooks.md)`,
    });
  }
  const said = context.source.environment;
  if (lives !== said) {
    throw new HoldfastError('BadInput', `${what}, and the system file says ${said}: the fence would reach a server that does not serve`, {
      hint: `set sources.${sourceName}.environment to ${lives}, and fence.${sourceName} to the server there`,
    });
  }
}

/** Refuses to make a target, for a recovery or a drill, where the source itself lives. @throws TargetNotEmpty */
export async function refuseLivingTarget(context: Lived, target: TargetRef): Promise<void> {
  // The provisioner moves aside nothing that this run has not fenced, and makes nothing where something lies.
  if (context.inPlace) return;
  const { lives, since } = await whereItLives(context);
  if (lives !== target.environment) return;
  const home = context.homeward ? undefined : wayHome(context.system);
  throw new HoldfastError('TargetNotEmpty', `${target.system}/${target.source} lives in ${target.environment}${since}: a target is not made over the server that serves`, {
    hint: home ? `bring it home first: ${home}` : 'name another standby in the system file, or fail back first',
  });
}
