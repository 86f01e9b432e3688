import { parseInput, verifySystemInput } from '../../workflows/domain/inputs.ts';
import type { VerifyResult } from '../../workflows/contract.ts';
import { formatBytes } from '../../workflows/domain/units.ts';
import type { Cli } from '../cli.ts';
import { entryId, startEntry, withTemporal } from '../client.ts';
import { watchTransfer } from '../status/watch-transfer.ts';
import { currentUser } from './recover.ts';

/** `holdfast verify`: starts `verifySystem`, which reads and authenticates every byte of base and log. */
export function verify(cli: Cli): void {
  cli.add<[string], { source?: string; backup?: string; by: string }>(
    'verify <system>',
    'read and authenticate every byte of the newest base and its log (workflow verifySystem)',
    (command) => command.option('--source <source>', 'left out: every source').option('--backup <backup>', 'a base or an import by its id; left out: the newest base').option('--by <name>', 'who asks', currentUser()),
    async (printer, { source, backup, by }, system) => {
      const input = { system, source, backup, requestedBy: by };
      parseInput('verifySystem', verifySystemInput, input);
      await withTemporal(async (temporal) => {
        const id = entryId('verify', system);
        const handle = await startEntry(temporal, 'verifySystem', id, input, `verify ${system}`);
        printer.note(`started ${id}`);
        // In JSON the results are the one document; how far it is is for people.
        const results = printer.json ? ((await handle.result()) as VerifyResult[]) : await watchTransfer<VerifyResult[]>(printer, `verify ${system}`, handle);
        printer.result({ results }, formatVerify);
      });
    },
  );
}

const formatVerify = ({ results }: { results: VerifyResult[] }): string =>
  results
    .flatMap((one) => [
      `${one.system}/${one.source}: ${one.ok ? 'good' : 'damaged'}; backup ${one.backup ?? 'none'}, ${one.objects} objects, ${formatBytes(one.bytes)}, ${one.slices} slices, ${one.entries} log entries`,
      one.restorable ? `restorable from ${one.restorable.from} to ${one.restorable.to}` : 'nothing is restorable',
      ...one.problems.map(({ key, problem }) => `problem ${key}: ${problem}`),
    ])
    .join('\n');
