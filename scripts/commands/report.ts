import type { ReportResult } from '../../workflows/report-system.ts';
import { parseInput, reportSystemInput } from '../../workflows/domain/inputs.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal } from '../client.ts';
import { currentUser } from './recover.ts';

/** `holdfast report`: starts `reportSystem`, and prints the report as text. */
export function report(cli: Cli): void {
  cli.add<[string], { period: string; until?: string; by: string }>(
    'report <system>',
    'the report of a day or a week (workflow reportSystem): what was made and failed, what can be restored, drills, incidents; kept in the store, and sent to who hears of reports',
    (command) =>
      command
        .option('--period <period>', 'day or week', 'day')
        .option('--until <time>', 'its end; left out: now')
        .option('--by <name>', 'who asks', currentUser()),
    async (printer, { period, until, by }, system) => {
      const input = { system, period, ...(until === undefined ? {} : { until }), requestedBy: by };
      parseInput('reportSystem', reportSystemInput, input);
      await withTemporal(async (temporal) => {
        const handle = await startEntry(temporal, 'reportSystem', entryId('report', system), input, `report of ${system}, the ${period} up to ${until ?? 'now'}`);
        if (!(await hasWorker(temporal))) printer.note('no worker asks for work: the report waits until `holdfast worker` runs');
        printer.result((await handle.result()) as ReportResult, ({ text, paths }) => `${text}${paths.html}`);
      });
    },
  );
}
