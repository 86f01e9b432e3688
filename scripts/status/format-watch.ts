import { divergedWrites } from '../../workflows/domain/diverged.ts';
import type { WatchState } from '../../workflows/domain/watch.ts';

/** One watch, a fact a line. */
export function formatWatch(state: WatchState): string {
  return [
    `watch       ${state.system}/${state.source} in ${state.environment}: ${state.over === null ? `runs until ${state.endsAt}` : `over, ${state.over}`}`,
    `old side    ${state.oldSide}; ${state.lastSeen ?? 'not asked yet'} (${state.lastProbeAt ?? 'never'})`,
    ...(state.foundAt === null ? [] : [`FOUND       it answered again at ${state.foundAt}; fence ${state.fence?.outcome ?? 'not done'}`]),
    ...(state.diverged ? [`diverged    ${divergedWrites(state.diverged)}; ${state.diverged.html}`] : []),
    ...(state.trouble ? [`warning     ${state.trouble}`] : []),
    ...state.findings.map(({ at, what }) => `  ${at}  ${what}`),
  ].join('\n');
}
