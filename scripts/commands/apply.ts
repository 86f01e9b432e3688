import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { fileTrouble, planApply, planWithoutFile } from '../../activities/schedules/apply-system.ts';
import { inParallel } from '../../activities/store/in-parallel.ts';
import { systemOf } from '../../activities/schedules/server-schedule.ts';
import { listSystems, loadSystemFile, systemsDirectory } from '../../activities/system-files.ts';
import { errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import { changes, describePlan, type ApplyPlan } from '../../workflows/domain/schedules/apply-plan.ts';
import type { Cli } from '../cli.ts';
import { entryId, hasWorker, startEntry, withTemporal, type Temporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { exitCodes } from '../exit-codes.ts';
import { askFor } from '../output/ask.ts';
import type { Printer } from '../output/printer.ts';

interface ApplyOptions {
  dryRun?: boolean;
  yes?: boolean;
  resume?: boolean;
  by: string;
}

/** Systems that are planned, and applied, side by side. */
const atOnce = 16;

/** `holdfast apply`: schedules and archives as the system files say. The plan is shown first; the workers carry it out (workflow applySystem). */
export function apply(cli: Cli): void {
  cli.add<[string[]], ApplyOptions>(
    'apply [files...]',
    'make Temporal’s schedules and archives what the system files say (workflow applySystem); the plan is shown first',
    (command) =>
      command
        .option('--dry-run', 'show the plan, change nothing; needs no worker')
        .option('--yes', 'do not ask')
        .option('--resume', 'schedules that people or failures paused go on, too')
        .option('--by <name>', 'who asks', currentUser()),
    async (printer, options, files) => {
      const systems = await systemsOf(files);
      return await withTemporal(async (temporal) => await applyAll(printer, temporal, systems, options));
    },
  );
}

/** Names of the systems; all where none is named. Files are looked for where the first one lies. */
async function systemsOf(files: readonly string[]): Promise<string[]> {
  if (files.length === 0) return await listSystems();
  const directories = new Set(files.filter((file) => /[./]/.test(file)).map((file) => dirname(resolve(file))));
  if (directories.size > 1) throw new HoldfastError('BadInput', `system files of ${directories.size} folders: expected one`, { hint: [...directories].join(', ') });
  for (const directory of directories) process.env['HOLDFAST_SYSTEMS'] = directory;
  for (const file of files) {
    if (!existsSync(resolve(systemsDirectory(), `${basename(file, '.yaml')}.yaml`))) throw new HoldfastError('UnknownSystem', `no system file ${file}`, { hint: `looked for in ${systemsDirectory()}` });
  }
  return files.map((file) => basename(file, '.yaml'));
}

async function applyAll(printer: Printer, temporal: Temporal, names: readonly string[], { dryRun = false, yes = false, resume = false, by }: ApplyOptions): Promise<number> {
  const { client } = temporal;
  const planned: (ApplyPlan | undefined)[] = [];
  const broken = new Map<string, string>();
  await inParallel(names.entries(), atOnce, async ([n, name]) => {
    const why = await fileTrouble(name);
    if (why === undefined) planned[n] = await planApply({ client, system: (await loadSystemFile(name)).system, resume });
    else broken.set(name, why);
  });
  const plans = planned.filter((plan) => plan !== undefined);
  const fileless = await withoutFile(temporal);
  // Whoever names some of the files has not said anything of the others.
  const isAll = (await listSystems()).every((name) => names.includes(name));
  if (isAll) for (const { system } of fileless) broken.set(system, `systems/${system}.yaml is gone`);
  for (const [system, why] of broken) plans.push(await planWithoutFile({ client, system, why }));
  const warn = (): string[] => [
    ...[...broken].map(([system, why]) => `${system}: ${why}: its schedules start nothing until it can be read again`),
    ...(isAll ? [] : fileless.map(({ system, count }) => `${system}: has no file here, and ${count} schedules that are not paused: apply of all files pauses them`)),
  ];
  const wanted = plans.filter(({ rows }) => changes(rows).length > 0);
  const foreign = plans.some(({ rows }) => rows.some(({ change }) => change === 'foreign'));
  const code = broken.size > 0 ? errorTable.BadSystemFile.exitCode : foreign ? errorTable.AlreadyExists.exitCode : exitCodes.ok;
  const answer = (applied: boolean): void => printer.result({ applied, plans, withoutFile: fileless, unread: [...broken].map(([system, why]) => ({ system, why })) }, () => [...(applied ? wanted.map(({ system, rows }) => `applied ${system}: ${changes(rows).length} changed`) : plans.flatMap(describePlan)), ...warn()].join('\n'));
  if (dryRun || wanted.length === 0) {
    answer(false);
    return code;
  }
  if (!yes) {
    for (const line of plans.flatMap(describePlan)) printer.note(line);
    await askFor(printer, { question: 'apply? [y/N] ', answer: /^y(es)?$/i, refused: 'not applied', otherwise: 'look at it with --dry-run, then say --yes' });
  }
  if (!(await hasWorker(temporal))) throw new HoldfastError('TemporalUnavailable', 'no worker asks for work, and a worker is what applies', { hint: 'start `holdfast worker`; --dry-run needs none' });
  await inParallel(wanted, atOnce, async ({ system, digest }) => {
    const input = { system, requestedBy: by, ...(broken.has(system) ? { withoutFile: true } : { resume, expected: digest }) };
    const handle = await startEntry(temporal, 'applySystem', entryId('apply', system), input, `apply systems/${system}.yaml, asked for by ${by}`);
    await handle.result();
    printer.note(`applied ${system}`);
  });
  answer(true);
  return code;
}

/** Systems that have schedules of ours and no file any more: whatever they start fails. */
async function withoutFile({ client }: Temporal): Promise<{ system: string; count: number }[]> {
  const known = new Set(await listSystems());
  const counts = new Map<string, number>();
  for await (const { memo, state } of client.schedule.list()) {
    const system = systemOf(memo);
    if (system !== undefined && !known.has(system) && !state.paused) counts.set(system, (counts.get(system) ?? 0) + 1);
  }
  return [...counts].map(([system, count]) => ({ system, count }));
}
