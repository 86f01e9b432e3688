import type { WorkflowHandle } from '@temporalio/client';
import { listDisposals, verifyDisposal } from '../../activities/disposal/read-disposals.ts';
import { readAuditRecords } from '../../activities/evidence/read-evidence.ts';
import { openVerifier } from '../../activities/open-context.ts';
import { describeCertificate, describePlan, describeRead } from '../../workflows/domain/disposal/describe-disposal.ts';
import { describeEnds, describeList, refuseList } from '../../workflows/domain/disposal/describe-list.ts';
import { errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import { disposeAllInput, disposePointInput, parseInput } from '../../workflows/domain/inputs.ts';
import type { DisposalOfAll } from '../../workflows/dispose-all.ts';
import type { DisposalResult } from '../../workflows/dispose-point.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal, workflowLink, type Temporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { exitCodes } from '../exit-codes.ts';
import { askFor } from '../output/ask.ts';
import type { Printer } from '../output/printer.ts';

interface DisposeOptions {
  system: string;
  source?: string;
  reason: string;
  all?: boolean;
  expected?: string;
  evenTheLast?: boolean;
  dryRun?: boolean;
  wait: boolean;
  by: string;
}

/** `holdfast dispose`: starts `disposePoint`, or with `--all` `disposeAll`. `holdfast disposals`: what was destroyed, from the bucket and the public keys alone. */
export function dispose(cli: Cli): void {
  cli.add<[string | undefined], DisposeOptions>(
    'dispose [point]',
    'destroy a base or an import for ever, with a signed certificate (workflow disposePoint): its keys first, then every version as its lock ends; asks where the system file says so. --all: every one of a source or system (workflow disposeAll)',
    (command) =>
      command
        .requiredOption('--system <system>', 'which system it is of')
        .requiredOption('--reason <text>', 'why; it stays with the certificate')
        .option('--source <source>', 'may be left out when the system has only one; with --all: all sources')
        .option('--all', 'every base and import, one by one, each with its certificate; the list is shown first')
        .option('--expected <digest>', 'of --all: the list that was looked at, as --dry-run names it; asks nobody at the terminal')
        .option('--even-the-last', 'also where "the latest", what a run last proved, or moments of the log’s window are restored from it alone')
        .option('--dry-run', 'say what would be destroyed and what stands against it; touches nothing')
        .option('--no-wait', 'do not wait for its end: a lock may last for years')
        .option('--by <name>', 'who asks', currentUser()),
    async (printer, options, point) => {
      const { system, source, reason, all, evenTheLast, dryRun, wait, by } = options;
      if ((point === undefined) !== (all === true)) throw new HoldfastError('BadInput', 'dispose: name a point, or --all');
      if (point === undefined) return await withTemporal(async (temporal) => await disposeWhole(printer, temporal, options));
      if (options.expected !== undefined) throw new HoldfastError('BadInput', '--expected is of --all');
      const input = { system, source, point, reason, evenTheLast, dryRun, requestedBy: by };
      parseInput('disposePoint', disposePointInput, input);
      return await withTemporal(async (temporal) => {
        const id = `${entryId('dispose', system)}/${point}`;
        const handle = await startEntry(temporal, 'disposePoint', id, input, `${dryRun ? 'what the disposal of' : 'destroy'} ${point} of ${system}${dryRun ? ' would be' : ''}, asked for by ${by}`);
        const link = workflowLink(temporal, id);
        const worker = await hasWorker(temporal);
        if (!worker) printer.note('no worker asks for work: it waits until `holdfast worker` runs');
        if (!wait) return printer.result({ workflowId: id, link, worker }, () => `started ${id}`);
        printer.note(`started ${id}${link === null ? '' : `: ${link}`}`);
        const result = (await handle.result()) as DisposalResult;
        printer.result(result, describeResult);
        return result.outcome === 'destroyed' || result.outcome === 'dry' ? exitCodes.ok : errorTable.NotPermitted.exitCode;
      });
    },
  );
  addDisposals(cli);
}

/** The list is shown by a dry run; who agrees to it gives its digest. */
async function disposeWhole(printer: Printer, temporal: Temporal, { system, source, reason, expected, evenTheLast, dryRun, wait, by }: DisposeOptions): Promise<number> {
  if (evenTheLast) throw new HoldfastError('BadInput', '--even-the-last is of one point: with --all the last goes anyway');
  const input = { system, source, reason, requestedBy: by };
  parseInput('disposeAll', disposeAllInput, { ...input, dryRun, expected });
  const what = source === undefined ? system : `${system}/${source}`;
  const worker = await hasWorker(temporal);
  if (!worker) printer.note('no worker asks for work: it waits until `holdfast worker` runs');
  const start = async (more: object, summary: string): Promise<WorkflowHandle> => await startEntry(temporal, 'disposeAll', `${entryId('dispose', system)}/${'dryRun' in more ? 'list' : 'all'}`, { ...input, ...more }, `${summary} ${what}, asked for by ${by}`);
  let digest = expected;
  if (dryRun || digest === undefined) {
    const shown = (await (await start({ dryRun: true }, 'what the disposal would be of all of')).result()) as DisposalOfAll;
    if (dryRun) {
      printer.result(shown, describeWhole);
      return exitCodes.ok;
    }
    for (const line of describeList(shown.list)) printer.note(line);
    refuseList(`all of ${what}`, shown.list, shown.list.digest);
    const { points } = shown.list;
    await askFor(printer, { question: `${points.length} recovery points are destroyed for ever. Type ${points.length} to go on: `, answer: new RegExp(`^${points.length}$`), refused: 'nothing is disposed of', otherwise: 'look at the list with --dry-run, then give its digest: --expected …' });
    digest = shown.list.digest;
  }
  const handle = await start({ expected: digest }, 'destroy all of');
  const link = workflowLink(temporal, handle.workflowId);
  if (!wait) {
    printer.result({ workflowId: handle.workflowId, link, worker }, () => `started ${handle.workflowId}`);
    return exitCodes.ok;
  }
  printer.note(`started ${handle.workflowId}${link === null ? '' : `: ${link}`}`);
  const result = (await handle.result()) as DisposalOfAll;
  printer.result(result, describeWhole);
  return result.outcome === 'done' && result.points.every(({ outcome }) => outcome === 'destroyed') ? exitCodes.ok : errorTable.NotPermitted.exitCode;
}

const describeWhole = ({ system, outcome, why, list, points }: DisposalOfAll): string =>
  outcome === 'done' ? [`${system}: ${points.length} recovery points`, ...describeEnds(points), ...list.stays].join('\n') : [`${system}: ${outcome}${why === null ? '' : `: ${why}`}`, ...describeList(list)].join('\n');

function addDisposals(cli: Cli): void {
  const group = cli.group('disposals', 'what was destroyed, by its signed certificates; needs the bucket and the public keys, and no Temporal');
  cli.add<[string], object>(
    'list <system>',
    'each point whose disposal was ordered, with its newest certificate, the oldest first',
    (command) => command,
    async (printer, _options, system) => printer.result({ system, disposals: await listDisposals(await openVerifier(system), system) }, ({ disposals }) => disposals.flatMap(describeRead).join('\n')),
    group,
  );
  cli.add<[string | undefined], { system: string; all?: boolean }>(
    'verify [point]',
    'whether the certificate of a point (or of each, --all) is signed and as the audit has it, and nothing of the point is in the store; exit code 5 when not',
    (command) => command.requiredOption('--system <system>', 'which system it was of').option('--all', 'every disposal of the system'),
    async (printer, { system, all }, point) => {
      if ((point === undefined) !== (all === true)) throw new HoldfastError('BadInput', 'disposals verify: name a point, or --all');
      const room = await openVerifier(system);
      const audit = await readAuditRecords(room, system);
      // What was taken back is there, and is meant to be.
      const points = point === undefined ? [...new Set((await listDisposals(room, system)).flatMap((one) => (one.withdrawn === null ? [one.point] : [])))] : [point];
      const read = (await Promise.all(points.map(async (one) => await verifyDisposal(room, system, one, audit)))).flat();
      const problems = read.flatMap((one) => one.problems);
      printer.result({ disposals: read, problemCount: problems.length, ok: problems.length === 0 }, () =>
        [...read.flatMap(describeRead), problems.length === 0 ? `${read.length} signed, as the audit has it, and nothing of it is in the store` : `${problems.length} problems`].join('\n'));
      return problems.length === 0 ? exitCodes.ok : errorTable.Tampered.exitCode;
    },
    group,
  );
}

const describeResult = ({ point, outcome, why, plan, certificate }: DisposalResult): string =>
  [`${point}: ${outcome}${why === null ? '' : `: ${why}`}`, ...(certificate ? [...describeCertificate(certificate.certificate), `certificate: ${certificate.ref.key}`] : describePlan(plan))].join('\n');
