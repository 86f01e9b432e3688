import { setTimeout as sleep } from 'node:timers/promises';
import { errorTable } from '../../workflows/domain/errors.ts';
import { parseInput, recoverSystemInput } from '../../workflows/domain/inputs.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { describePlan, type DryRunReport } from '../../workflows/domain/recovery-plan.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { RestoreMode } from '../../workflows/domain/restore-mode.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal, workflowLink } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { formatReport } from '../status/format-report.ts';
import { watchRun } from '../status/watch-run.ts';

interface RecoverOptions {
  targetTime?: string;
  targetPosition?: string;
  only?: string[];
  point?: string;
  timeline?: string;
  mode?: string;
  incidentAt?: string;
  incident?: string;
  reason?: string;
  by: string;
  purpose: string;
  severity?: string;
  runbook?: string;
  deploy?: string;
  takeOver: boolean;
  watch: boolean;
  orBefore: boolean;
  dryRun: boolean;
}

/** `holdfast recover`: starts `recoverSystem`, as the Temporal UI can with the same JSON. */
export function recover(cli: Cli): void {
  cli.add<[string], RecoverOptions>(
    'recover <system>',
    'recover a system on its standby (workflow recoverSystem)',
    (command) =>
      command
        .option('--target-time <time>', 'recover to this second, included whole; left out: the latest')
        .option('--target-position <position>', 'recover to before this log position')
        .option('--or-before', 'where no log reaches that moment, the newest recovery point before it', false)
        .option('--only <namespace...>', "a partial restore for taking data out: 'shop.orders', 'shop.*'; moves no traffic")
        .option('--point <id>', 'recover a base or an import, by its id, as it was at its own end')
        .option('--timeline <id>', 'on this timeline, also what a later recovery left out: its end, or a target of it')
        .option('--mode <mode>', 'new: to a place of its own; in-place: where the source lives, behind a safety point; beside: --only as copies in the living source; swap: those take the place of what is there; rows: rows of --only that are missing go back into the living source')
        .option('--incident-at <time>', 'when service was lost: the RTO clock starts here; left out: now')
        .option('--incident <id>', 'the incident that it belongs to, or "open": the RTO clock is the incident’s')
        .option('--reason <text>', 'kept in the report')
        .option('--by <name>', 'who asks; cannot approve', currentUser())
        .option('--purpose <purpose>', 'recovery or drill', 'recovery')
        .option('--runbook <name>', 'one of the system file’s runbooks; left out: its runbook')
        .option('--deploy <version>', 'the version of the application that steps which use deploy deploy; left out: the one that ran at the recovery point')
        .option('--severity <severity>', 'P1 to P4; `holdfast severity` changes it')
        .option('--take-over', 'take the command from another control plane', false)
        .option('--dry-run', 'all checks and no acts: says what would fail', false)
        .option('--watch', 'show the run until it ends; the exit code is its outcome', false),
    async (printer, options, system) => {
      const input = {
        system,
        targetTime: options.targetTime,
        targetPosition: options.targetPosition,
        ...(options.orBefore ? { orBefore: true } : {}),
        only: options.only,
        point: options.point,
        timeline: options.timeline,
        mode: options.mode as RestoreMode | undefined,
        incidentAt: options.incidentAt ?? (options.incident === undefined ? new Date().toISOString() : undefined),
        incident: options.incident,
        reason: options.reason,
        requestedBy: options.by,
        purpose: options.purpose as 'recovery',
        severity: options.severity as 'P1' | undefined,
        runbook: options.runbook,
        version: options.deploy,
        takeOver: options.takeOver,
        ...(options.dryRun ? { dryRun: true } : {}),
      };
      parseInput('recoverSystem', recoverSystemInput, input);
      return await withTemporal(async (temporal) => {
        const id = entryId('recover', system);
        const handle = await startEntry(temporal, 'recoverSystem', id, input, `recover ${system}, asked for by ${options.by}`);
        const started = { workflowId: id, runId: lockIds.recover(system), link: workflowLink(temporal, lockIds.recover(system)), worker: await hasWorker(temporal) };
        if (options.dryRun) {
          const tried = (await handle.result()) as DryRunReport;
          printer.result(tried, () => dryRunLines(tried));
          return exitCodeOf(tried);
        }
        if (!options.watch) {
          // A run that is refused at once (runs already, unknown system) says so here and not only in the UI.
          const refused = await Promise.race([handle.result().then(() => undefined), sleep(1_500).then(() => undefined)]);
          printer.result(refused ?? started, () => [...startedLines(started), `watch: holdfast status ${system} --watch`].join('\n'));
          return 0;
        }
        for (const line of startedLines(started)) printer.note(line);
        const report = await watchRun<RunReport>(printer, temporal, system, handle);
        printer.result(report, formatReport);
        // Recovered, but somebody has to see to the old primary: not the same as done.
        return report.outcome === 'done' || report.outcome === 'done, partial' ? 0 : errorTable.FenceFailed.exitCode;
      });
    },
  );
}

function dryRunLines({ plan, checked, asks }: DryRunReport): string {
  const { heading, lines, findings } = describePlan(plan);
  const asked = asks.map(({ gate, quorum, people }) => `would wait at ${gate} for ${quorum} of ${people.join(', ') || 'whoever may'}`);
  return ['dry run: nothing was touched', heading, ...lines, ...checked, ...asked, ...findings].join('\n');
}

const exitCodeOf = ({ plan }: DryRunReport): number => {
  const failing = plan.findings.find(({ effect }) => effect === 'fails');
  return failing ? errorTable[failing.type].exitCode : 0;
};

const startedLines = (started: { workflowId: string; link: string | null; worker: boolean }): string[] => [
  `started ${started.workflowId}`,
  ...(started.link ? [`link ${started.link}`] : []),
  ...(started.worker ? [] : ['no worker asks for work: the run waits until `holdfast worker` runs']),
];
