import { listDisposals, verifyDisposal } from '../../activities/disposal/read-disposals.ts';
import { readAuditRecords } from '../../activities/evidence/read-evidence.ts';
import { openVerifier } from '../../activities/open-context.ts';
import { describeCertificate, describePlan, describeRead } from '../../workflows/domain/disposal/describe-disposal.ts';
import { errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import { disposePointInput, parseInput } from '../../workflows/domain/inputs.ts';
import type { DisposalResult } from '../../workflows/dispose-point.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal, workflowLink } from '../client.ts';
import { exitCodes } from '../errors.ts';
import { currentUser } from './recover.ts';

interface DisposeOptions {
  system: string;
  source?: string;
  reason: string;
  evenTheLast?: boolean;
  dryRun?: boolean;
  wait: boolean;
  by: string;
}

/** `holdfast dispose`: starts `disposePoint`. `holdfast disposals`: what was destroyed, from the bucket and the public keys alone. */
export function dispose(cli: Cli): void {
  cli.add<[string], DisposeOptions>(
    'dispose <point>',
    'destroy a base or an import for ever, with a signed certificate (workflow disposePoint): its keys first, then every version as its lock ends; asks where the system file says so',
    (command) =>
      command
        .requiredOption('--system <system>', 'which system it is of')
        .requiredOption('--reason <text>', 'why; it stays with the certificate')
        .option('--source <source>', 'may be left out when the system has only one')
        .option('--even-the-last', 'also where "the latest", what a run last proved, or moments of the log’s window are restored from it alone')
        .option('--dry-run', 'say what would be destroyed and what stands against it; touches nothing')
        .option('--no-wait', 'do not wait for its end: a lock may last for years')
        .option('--by <name>', 'who asks', currentUser()),
    async (printer, { system, source, reason, evenTheLast, dryRun, wait, by }, point) => {
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
      const points = point === undefined ? [...new Set((await listDisposals(room, system)).map((one) => one.point))] : [point];
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
