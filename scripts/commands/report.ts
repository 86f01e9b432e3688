import { listReports, pageOf, readKeptReport } from '../../activities/report/kept-reports.ts';
import { openVerifier } from '../../activities/open-context.ts';
import { printText } from '../../activities/report/print-text.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { ReportResult } from '../../workflows/report-system.ts';
import { parseInput, reportSystemInput } from '../../workflows/domain/inputs.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';

/** `holdfast report`: starts `reportSystem`, and prints the report as text. `holdfast reports`: those that the store keeps. */
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
  cli.add<[string, string | undefined], { limit?: string }>(
    'reports <system> [report]',
    'the reports of backups, days and weeks that the store keeps, the newest first; of one, its page as text; needs the bucket and the public keys, and no Temporal',
    (command) => command.option('--limit <count>', 'the newest so many; 20 when left out'),
    async (printer, { limit: typed = '20' }, system, id) => {
      const limit = Number(typed);
      if (!Number.isInteger(limit) || limit < 1) throw new HoldfastError('BadInput', `--limit ${typed}: expected a whole number from 1 on`);
      const room = await openVerifier(system);
      if (id === undefined) {
        const listed = await listReports(room, system, limit);
        printer.result({ system, ...listed }, ({ reports, of }) => [...reports.map(({ id: name, at, headline }) => `${at ?? '-'.padEnd(24)}  ${name}  ${headline}`), ...(of > reports.length ? [`${of - reports.length} older ones: --limit`] : of === 0 ? [`no report yet of ${system}: a backup leaves one, and \`holdfast report ${system}\``] : [])].join('\n'));
        return;
      }
      const report = await readKeptReport(room, layout.keptReport(system, id, 'report.json'));
      if (!report) throw new HoldfastError('ObjectMissing', `${system}: no report ${id} that is believed`, { hint: `holdfast reports ${system} names those that are` });
      printer.result(report, () => printText(pageOf(report)));
    },
  );
}
