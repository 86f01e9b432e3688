import { WorkflowNotFoundError } from '@temporalio/common';
import { divergedWrites } from '../../workflows/domain/diverged.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { queryNames } from '../../workflows/domain/messages.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { watchSignals, type WatchState } from '../../workflows/domain/watch.ts';
import { sourceNames } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';
import { withTemporal, type Temporal } from '../client.ts';

type SourceOption = { source?: string };
const sourceOption = ['--source <source>', 'left out: every source of the system'] as const;

/** `holdfast watch status|look|stop`: what a recovery left to look after its old primary (workflow runWatch). */
export function watch(cli: Cli): void {
  const group = cli.group('watch', 'the watch on the old primary after a recovery (workflow runWatch)');
  cli.add<[string], SourceOption>('status <system>', 'whether the old primary was seen again, and what it took', (command) => command.option(...sourceOption), async (printer, { source }, system) => {
    const watches = await forEachWatch(system, source, async (temporal, id) => await temporal.client.workflow.getHandle(id).query<WatchState>(queryNames.state));
    printer.result({ watches }, () => watches.map(formatWatch).join('\n'));
  }, group);
  const send = (name: 'look' | 'stop', about: string): void =>
    cli.add<[string], SourceOption>(`${name} <system>`, about, (command) => command.option(...sourceOption), async (printer, { source }, system) => {
      const told = await forEachWatch(system, source, async (temporal, id, of) => {
        await temporal.client.workflow.getHandle(id).signal(watchSignals[name].name);
        return { system, source: of };
      });
      printer.result({ told }, () => told.map((one) => `${name}        ${one.system}/${one.source}`).join('\n'));
    }, group);
  send('look', 'knock at the old primary now');
  send('stop', 'end the watch: the old primary is gone for good');
}

/** @throws NotWaiting - no source of the system has a watch. */
async function forEachWatch<T>(system: string, source: string | undefined, use: (temporal: Temporal, id: string, source: string) => Promise<T>): Promise<T[]> {
  const sources = await sourceNames(system, source);
  return await withTemporal(async (temporal) => {
    const done: T[] = [];
    for (const name of sources) {
      try {
        done.push(await use(temporal, lockIds.watch(system, name), name));
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    }
    if (done.length === 0) throw new HoldfastError('NotWaiting', `nothing watches an old primary of ${system}`, { hint: 'a recovery starts a watch once traffic has moved' });
    return done;
  });
}

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
