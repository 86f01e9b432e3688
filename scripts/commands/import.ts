import { resolve } from 'node:path';
import { describeImport, type ImportSummary } from '../../workflows/domain/exchange.ts';
import { importDumpInput, parseInput } from '../../workflows/domain/inputs.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { runTransfer } from '../status/run-transfer.ts';

interface ImportOptions {
  source?: string;
  why?: string;
  by: string;
  wait: boolean;
}

/** `holdfast import`: starts `importDump` and waits for its summary. */
export function importCommand(cli: Cli): void {
  cli.add<[string, string], ImportOptions>(
    'import <system> <path>',
    'make a recovery point of what mongodump wrote, an archive or a folder (workflow importDump)',
    (command) =>
      command
        .option('--source <source>', 'may be left out when the system has only one')
        .option('--why <text>', 'a label that the manifest keeps')
        .option('--by <name>', 'who asks', currentUser())
        .option('--no-wait', 'return once it is started')
        .addHelpText('after', '\nThe path is on the data worker, under one of the system file’s exchange.directories.'),
    async (printer, { source, why, by, wait }, system, path) => {
      const input = { system, source, path: resolve(path), why, requestedBy: by };
      parseInput('importDump', importDumpInput, input);
      await withTemporal(async (temporal) =>
        await runTransfer<ImportSummary>(printer, temporal, { workflow: 'importDump', kind: 'import', input, wait, what: `import ${input.path}` }, (of) => {
          const { heading, lines } = describeImport(of);
          return [heading, ...lines].join('\n');
        }));
    },
  );
}
