import { markPointInput, parseInput } from '../../workflows/domain/inputs.ts';
import type { Mark } from '../../workflows/domain/source-records.ts';
import { describeWritten } from '../../workflows/domain/point-mark.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';

/** `holdfast mark`: starts `markPoint`. */
export function mark(cli: Cli): void {
  cli.add<[string, string], { system: string; source?: string; reason: string; by: string }>(
    'mark <point> <state>',
    'say of a base, an import or a slice that it is suspect, bad, held (hold) or good (workflow markPoint): "latest" never takes what is suspect or bad, retention never what is held',
    (command) =>
      command
        .requiredOption('--system <system>', 'which system it is of')
        .requiredOption('--reason <text>', 'why; it stays with the mark')
        .option('--source <source>', 'may be left out when the system has only one')
        .option('--by <name>', 'who says so', currentUser()),
    async (printer, { system, source, reason, by }, point, state) => {
      const input = { system, source, point, state, reason, requestedBy: by };
      parseInput('markPoint', markPointInput, input);
      await withTemporal(async (temporal) => {
        const handle = await startEntry(temporal, 'markPoint', `${entryId('mark', system)}/${point}`, input, `${point} of ${system} is ${state}, says ${by}`);
        if (!(await hasWorker(temporal))) printer.note('no worker asks for work: the mark waits until `holdfast worker` runs');
        printer.result((await handle.result()) as Mark, describeWritten);
      });
    },
  );
}
