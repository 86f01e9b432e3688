import { parseInput, verifySystemInput } from '../../workflows/domain/inputs.ts';
import type { VerifyResult } from '../../workflows/contract.ts';
import { describeSample } from '../../workflows/domain/verification.ts';
import { formatBytes } from '../../workflows/domain/units.ts';
import type { Cli } from '../cli.ts';
import { entryId, startEntry, withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { watchTransfer } from '../status/watch-transfer.ts';

/** `holdfast verify`: starts `verifySystem`, which reads and authenticates every byte of base and log. */
export function verify(cli: Cli): void {
  cli.add<[string], { source?: string; backup?: string; scope?: string; shares?: string; within?: string; by: string }>(
    'verify <system>',
    'read and authenticate every byte of the newest base and its log, or of all that is kept, or a share of that (workflow verifySystem)',
    (command) => command.option('--source <source>', 'left out: every source').option('--backup <backup>', 'a base or an import by its id; left out: the newest base').option('--scope <scope>', 'newest, log, sample, all or keys', 'newest').option('--shares <n>', 'of a sample: one in so many objects is read; left out: 28').option('--within <duration>', 'of a sample: what was not read for so long is read beside it; left out: 7d').option('--by <name>', 'who asks', currentUser()),
    async (printer, { source, backup, scope, shares, within, by }, system) => {
      const input = { system, source, backup, scope, ...(shares === undefined ? {} : { shares: Number(shares) }), within, requestedBy: by };
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
      `${one.system}/${one.source}: ${one.ok ? 'good' : 'damaged'}; ${one.sample ? describeSample(one.sample) : `backup ${one.backup ?? 'none'}`}, ${one.objects} objects, ${formatBytes(one.bytes)}, ${one.slices} slices, ${one.entries} log entries`,
      ...(one.sample ? [] : [one.restorable ? `restorable from ${one.restorable.from} to ${one.restorable.to}` : 'nothing is restorable']),
      ...one.problems.map(({ key, problem }) => `problem ${key}: ${problem}`),
    ])
    .join('\n');
