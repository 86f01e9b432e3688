import { resolve } from 'node:path';
import { describeExport, type ExportSummary } from '../../workflows/domain/exchange.ts';
import { exportRecoveryPointInput, parseInput } from '../../workflows/domain/inputs.ts';
import { parseTypedLogPosition } from '../../workflows/domain/log-position.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { runTransfer } from '../status/run-transfer.ts';

interface ExportOptions {
  source?: string;
  to: string;
  as: string;
  gzip: boolean;
  by: string;
  wait: boolean;
}

/** `holdfast export`: starts `exportRecoveryPoint` and waits until the dump has its name. */
export function exportCommand(cli: Cli): void {
  cli.add<[string, string], ExportOptions>(
    'export <system> <point>',
    'write a recovery point as an archive or folder that mongorestore opens (workflow exportRecoveryPoint)',
    (command) =>
      command
        .requiredOption('--to <path>', 'where it is to be; nothing may be there')
        .option('--as <form>', 'archive or folder', 'archive')
        .option('--gzip', 'compressed as mongodump --gzip does', false)
        .option('--source <source>', 'may be left out when the system has only one')
        .option('--by <name>', 'who asks', currentUser())
        .option('--no-wait', 'return once it is started')
        .addHelpText('after', '\n<point> is `latest`, a time, a log position, or the id of a base or of an import.\nThe path is on the data worker, under one of the system file’s exchange.directories. What is written is not encrypted.'),
    async (printer, { source, to, as, gzip, by, wait }, system, point) => {
      const input = { system, source, ...readPoint(point), as: as as 'archive', gzip, path: resolve(to), requestedBy: by };
      parseInput('exportRecoveryPoint', exportRecoveryPointInput, input);
      await withTemporal(async (temporal) =>
        await runTransfer<ExportSummary>(printer, temporal, { workflow: 'exportRecoveryPoint', kind: 'export', input, wait, what: `export to ${input.path}` }, (of) => {
          const { heading, lines } = describeExport(of);
          return [heading, ...lines].join('\n');
        }));
    },
  );
}

/** What a person types for a point, as the workflow's input has it. */
function readPoint(typed: string): { targetTime?: string; targetPosition?: string; point?: string } {
  if (typed === 'latest') return {};
  if (/^\d{4}-\d\d-\d\dT/.test(typed)) return { targetTime: typed };
  return parseTypedLogPosition(typed) === undefined ? { point: typed } : { targetPosition: typed };
}
