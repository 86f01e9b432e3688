import { WorkflowNotFoundError } from '@temporalio/common';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { watchSignals } from '../../workflows/domain/watch.ts';
import { sourceNames } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';
import { withTemporal, type Temporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { formatWatch } from '../status/format-watch.ts';
import { readWatches } from '../status/read-watches.ts';

type SourceOption = { source?: string };
const sourceOption = ['--source <source>', 'left out: every source of the system'] as const;

/** `holdfast watch status|look|stop`: what a recovery left to look after its old primary (workflow runWatch). */
export function watch(cli: Cli): void {
  const group = cli.group('watch', 'the watch on the old primary after a recovery (workflow runWatch)');
  cli.add<[string], SourceOption>('status <system>', 'whether the old primary was seen again, and what it took', (command) => command.option(...sourceOption), async (printer, { source }, system) => {
    const sources = await sourceNames(system, source);
    const watches = await withTemporal(async ({ client }) => await readWatches(client, system, sources));
    if (watches.length === 0) throw nothingWatches(system);
    printer.result({ watches }, () => watches.map(formatWatch).join('\n'));
  }, group);
  const send = (name: 'look' | 'stop', about: string): void =>
    cli.add<[string], SourceOption & { by: string; reason?: string }>(`${name} <system>`, about, (command) => (name === 'look' ? command.option(...sourceOption) : command.option(...sourceOption).option('--by <name>', 'who asks', currentUser()).option('--reason <text>', 'why; the audit keeps it')), async (printer, { source, by, reason }, system) => {
      const told = await forEachWatch(system, source, async (temporal, id, of) => {
        const handle = temporal.client.workflow.getHandle(id);
        await (name === 'look' ? handle.signal(watchSignals.look.name) : handle.signal(watchSignals.stop.name, { by, reason }));
        return { system, source: of };
      });
      printer.result({ told }, () => told.map((one) => `${name}        ${one.system}/${one.source}`).join('\n'));
    }, group);
  send('look', 'knock at the old primary now');
  send('stop', 'end the watch: the old primary is gone for good');
}

const nothingWatches = (system: string): HoldfastError =>
  new HoldfastError('NotWaiting', `nothing watches an old primary of ${system}`, { hint: 'a recovery starts a watch once traffic has moved' });

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
    if (done.length === 0) throw nothingWatches(system);
    return done;
  });
}
