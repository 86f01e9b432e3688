import { describeArchiveStatus } from '../../workflows/domain/describe-archive-status.ts';
import { archiveLogInput, parseInput, readArchiveStatusInput } from '../../workflows/domain/inputs.ts';
import { archiveSignals } from '../../workflows/domain/messages.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal, workflowLink } from '../client.ts';
import { sourceNames, sourcesWithLog } from '../bucket/open-sources.ts';
import { currentUser } from '../current-user.ts';
import { formatArchiving, readArchiving, type ArchivingView } from '../status/read-work.ts';
import { readArchiveStatuses } from '../bucket/read-archive-status.ts';

type SourceOption = { source?: string };
const sourceOption = ['--source <source>', 'left out: every source of the system'] as const;

/** `holdfast archive start|stop|status`: the log of a source, slice by slice (workflow archiveLog). */
export function archive(cli: Cli): void {
  const group = cli.group('archive', 'archive the log of a system’s sources (workflow archiveLog)');
  cli.add<[string], SourceOption & { by: string }>('start <system>', 'archive from now on, without a break', (command) => command.option(...sourceOption).option('--by <name>', 'who asks', currentUser()), async (printer, { source, by }, system) => {
    const { logged, passedOver } = await sourcesWithLog(system, source);
    passedOver.forEach((why) => printer.note(`passed over: ${why}`));
    await withTemporal(async (temporal) => {
      const started: { system: string; source: string; workflowId: string; link: string | null }[] = [];
      for (const name of logged) {
        const input = { system, source: name, requestedBy: by };
        parseInput('archiveLog', archiveLogInput, input);
        const handle = await startEntry(temporal, 'archiveLog', `${entryId('archive', system)}/${name}`, input, `archive the log of ${system}/${name}`);
        if (!(await hasWorker(temporal))) printer.note('no worker asks for work: the archive starts once `holdfast worker` runs');
        else await handle.result();
        const workflowId = lockIds.archive(system, name);
        started.push({ system, source: name, workflowId, link: workflowLink(temporal, workflowId) });
      }
      printer.result({ started }, () => started.map((one) => `started ${one.workflowId}${one.link ? `\nlink ${one.link}` : ''}`).join('\n'));
    });
  }, group);
  cli.add<[string], SourceOption & { by: string; reason?: string }>('stop <system>', 'close the open slice and end', (command) => command.option(...sourceOption).option('--by <name>', 'who asks', currentUser()).option('--reason <text>', 'why; the audit keeps it'), async (printer, { source, by, reason }, system) => {
    const sources = await sourceNames(system, source);
    await withTemporal(async ({ client }) => {
      for (const name of sources) {
        const handle = client.workflow.getHandle(lockIds.archive(system, name));
        await handle.signal(archiveSignals.stop.name, { by, reason });
        await handle.result().catch(() => undefined);
      }
      printer.result({ stopped: sources.map((name) => ({ system, source: name })) }, ({ stopped }) => stopped.map((one) => `stopped ${one.system}/${one.source}`).join('\n'));
    });
  }, group);
  // Read here and not by a worker: how much would be lost must be known while Temporal is away, too.
  cli.add<[string], SourceOption>('status <system>', 'how far the archive is behind, from the bucket and the source; needs no Temporal (workflow readArchiveStatus)', (command) => command.option(...sourceOption), async (printer, typed, system) => {
    const { source } = parseInput('readArchiveStatus', readArchiveStatusInput, { system, source: typed.source });
    const sources = await sourceNames(system, source);
    const [archives, archiving] = await Promise.all([readArchiveStatuses(system, source), readAllArchiving(system, sources)]);
    printer.result({ archives, archiving }, () => [...archives.map(describeArchiveStatus), ...archiving.map(formatArchiving)].join('\n'));
  }, group);
}

/** How fast each archive is, as its worker says. Where Temporal is away or knows of none, the bucket's own answer stands alone. */
async function readAllArchiving(system: string, sources: readonly string[]): Promise<ArchivingView[]> {
  try {
    return await withTemporal(async ({ client }) => {
      const views = await Promise.all(sources.map(async (source) => await readArchiving(client, lockIds.archive(system, source)).catch(() => undefined)));
      return views.filter((view) => view !== undefined);
    });
  } catch {
    return [];
  }
}
