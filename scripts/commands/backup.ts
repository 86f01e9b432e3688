import { setTimeout as sleep } from 'node:timers/promises';
import { backUpSystemInput, parseInput } from '../../workflows/domain/inputs.ts';
import type { BackupSummary } from '../../workflows/contract.ts';
import { formatBytes } from '../../workflows/domain/units.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal, workflowLink } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { watchBackup } from '../status/watch-backup.ts';

interface BackupOptions {
  source?: string;
  incremental?: true;
  why?: string;
  by: string;
  wait: boolean;
  ifRunning: 'fail' | 'wait';
}

/** `holdfast backup`: starts `backUpSystem` and waits for its summary. */
export function backup(cli: Cli): void {
  cli.add<[string], BackupOptions>(
    'backup <system>',
    'take a base backup (workflow backUpSystem)',
    (command) =>
      command
        .option('--source <source>', 'left out: every source of the system')
        .option('--incremental', 'only what changed since the newest base, of an engine that can')
        .option('--why <text>', 'a label that the manifest keeps')
        .option('--by <name>', 'who asks', currentUser())
        .option('--if-running <what>', 'when a backup of the system runs already: fail or wait', 'fail')
        .option('--no-wait', 'return once it is started'),
    async (printer, { source, incremental, why, by, wait, ifRunning }, system) => {
      const input = { system, source, ...(incremental ? { incremental } : {}), why, requestedBy: by, ifRunning };
      parseInput('backUpSystem', backUpSystemInput, input);
      await withTemporal(async (temporal) => {
        const id = entryId('backup', system);
        const handle = await startEntry(temporal, 'backUpSystem', id, input, `back up ${system}, asked for by ${by}`);
        const started = { workflowId: id, link: workflowLink(temporal, id), worker: await hasWorker(temporal) };
        if (!started.worker) printer.note('no worker asks for work: the backup waits until `holdfast worker` runs');
        if (!wait) {
          const failed = await Promise.race([handle.result().then(() => undefined), sleep(1_500).then(() => undefined)]);
          printer.result(failed ?? started, () => [`started ${id}`, ...(started.link ? [`link ${started.link}`] : [])].join('\n'));
          return;
        }
        printer.note(`started ${id}`);
        // In JSON the summary is the one document; a line a second is for people.
        const backups = printer.json ? ((await handle.result()) as BackupSummary[]) : await watchBackup<BackupSummary[]>(printer, temporal.client, system, handle);
        const result = { backups };
        printer.result(result, formatBackups);
      });
    },
  );
}

export const formatBackups = ({ backups }: { backups: BackupSummary[] }): string =>
  backups
    .flatMap((one) => {
      const unproved = one.unproved.length > 0 ? `; no proof for ${one.unproved.map(({ name, why }) => `${name} (${why})`).join(', ')}` : '';
      const what = one.program ? `a stream of ${one.program}` : `${one.units} collections, ${one.documents.toLocaleString('en-US')} documents`;
      return [`backup ${one.backup} of ${one.system}/${one.source}: ${what}, ${one.addsTo === undefined ? '' : `what changed since ${one.addsTo}, `}${one.instead === undefined ? '' : `a full one, though an incremental one was asked for (${one.instead}), `}${formatBytes(one.plainBytes)} (${formatBytes(one.storedBytes)} stored in ${one.parts} parts), ${one.program ? 'its program ended at' : 'as of'} ${one.endAt}${unproved}`, ...(one.lacks ? [`warning  ${one.lacks.what} HINT: ${one.lacks.hint}`] : [])];
    })
    .join('\n');
