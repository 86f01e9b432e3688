import { openSystem } from '../../activities/open-context.ts';
import { listDeployments } from '../../activities/deploy/deployments.ts';
import { describeDeployments, type Deployment } from '../../workflows/domain/deployment.ts';
import { HoldfastError, errorTable } from '../../workflows/domain/errors.ts';
import { parseInput, recordDeploymentInput } from '../../workflows/domain/inputs.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Printer } from '../output/printer.ts';

interface DeployedOptions {
  system: string;
  environment?: string;
  at?: string;
  why?: string;
  by: string;
  list?: boolean;
  limit?: string;
}

/** `holdfast deployed`: says that a version of the application runs, at the end of a pipeline; or lists what was said, from the bucket alone. */
export function deployed(cli: Cli): void {
  cli.add<[string | undefined], DeployedOptions>(
    'deployed [version]',
    'write down that a version of the application runs (workflow recordDeployment), so that a recovery proposes the one that ran then; --list reads them, and needs no Temporal',
    (command) =>
      command
        .requiredOption('--system <system>', 'which system it is of')
        .option('--environment <environment>', 'where it runs; left out: where the system lives now')
        .option('--at <time>', 'since when, where that was earlier than now: the record then says both times')
        .option('--why <text>', 'a label that the record keeps')
        .option('--by <name>', 'who says so', currentUser())
        .option('--list', 'list the newest records')
        .option('--limit <count>', 'with --list, so many; 20 when left out'),
    async (printer, options, version) => (options.list ? await list(printer, options, version) : await record(printer, options, version)),
  );
}

async function record(printer: Printer, { system, environment, at, why, by }: DeployedOptions, version: string | undefined): Promise<void> {
  if (version === undefined) throw new HoldfastError('BadInput', 'which version runs?', { hint: 'holdfast deployed VERSION --system SYSTEM; --list shows those that were recorded' });
  const input = { system, version, environment, at, why, requestedBy: by };
  parseInput('recordDeployment', recordDeploymentInput, input);
  await withTemporal(async (temporal) => {
    // Two pipelines may end in one second: each has its own.
    const handle = await startEntry(temporal, 'recordDeployment', `${entryId('deployed', system)}/${version}`, input, `${system}: ${version} runs, says ${by}`);
    if (!(await hasWorker(temporal))) printer.note('no worker asks for work: the record waits until `holdfast worker` runs');
    const recorded = (await handle.result()) as Deployment;
    printer.result(recorded, (one) => describeDeployments({ system, deployments: [one], problems: [] }).join('\n'));
  });
}

async function list(printer: Printer, { system, limit }: DeployedOptions, version: string | undefined): Promise<number> {
  if (version !== undefined) throw new HoldfastError('BadInput', 'either a version or --list');
  const count = limit === undefined ? 20 : Number(limit);
  if (!Number.isInteger(count) || count < 1) throw new HoldfastError('BadInput', `--limit "${limit ?? ''}": expected a whole number from 1 on`);
  const { store, keys } = await openSystem(system);
  const page = await listDeployments({ store, keys }, system, count);
  printer.result(page, (of) => describeDeployments(of).join('\n'));
  return page.problems.length === 0 ? exitCodes.ok : errorTable.Tampered.exitCode;
}
