#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { Cli } from './cli.ts';
import { access } from './commands/access.ts';
import { answer } from './commands/answer.ts';
import { apply } from './commands/apply.ts';
import { archive } from './commands/archive.ts';
import { audit } from './commands/audit.ts';
import { backup } from './commands/backup.ts';
import { codec } from './commands/codec.ts';
import { demo } from './commands/demo.ts';
import { deployed } from './commands/deployed.ts';
import { diverged } from './commands/diverged.ts';
import { doctor } from './commands/doctor.ts';
import { evidence } from './commands/evidence.ts';
import { exportCommand } from './commands/export.ts';
import { importCommand } from './commands/import.ts';
import { incident } from './commands/incident.ts';
import { journal } from './commands/journal.ts';
import { listen } from './commands/listen.ts';
import { drills } from './commands/drills.ts';
import { mark } from './commands/mark.ts';
import { notify } from './commands/notify.ts';
import { plan } from './commands/plan.ts';
import { points } from './commands/points.ts';
import { ready } from './commands/ready.ts';
import { recover } from './commands/recover.ts';
import { report } from './commands/report.ts';
import { retention } from './commands/retention.ts';
import { schedules } from './commands/schedules.ts';
import { status } from './commands/status.ts';
import { store } from './commands/store.ts';
import { up } from './commands/up.ts';
import { verify } from './commands/verify.ts';
import { watch } from './commands/watch.ts';
import { worker } from './commands/worker.ts';
import { describeExitCodes, exitCodeOf, exitCodes, toNamedError } from './errors.ts';
import { loadStackEnvironment } from './stack-environment.ts';

const program = new Command('holdfast')
  .description('Disaster recovery as durable runs: back up, archive, recover, approve.')
  .addHelpText('after', `\n${describeExitCodes()}\n\nEverything here can also be done in the Temporal UI: the same workflow with the same JSON, the same signal.`)
  .exitOverride()
  .configureOutput({ outputError: () => undefined });
const cli = new Cli(program, { out: process.stdout, err: process.stderr });
for (const add of [demo, up, doctor, worker, backup, archive, points, mark, retention, verify, report, importCommand, exportCommand, plan, ready, recover, status, watch, apply, schedules, drills, deployed, diverged, incident, journal, listen, access, store, audit, evidence, notify, answer, codec]) add(cli);

loadStackEnvironment();
try {
  await program.parseAsync();
} catch (error) {
  // Help and version are "errors" of the parser that printed what was asked for.
  cli.exitCode = error instanceof CommanderError && error.exitCode === 0 ? exitCodes.ok : exitCodeOf(error);
  if (cli.exitCode !== exitCodes.ok) cli.printer(process.argv.includes('--json')).error(toNamedError(error));
}
// What stands in a pipe's buffer is written after this line only, and an exit would cut it off: the JSON of many systems in its middle.
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.on('error', resolve).write('', resolve));
// What an interrupted command still waits for must not keep the process.
process.exit(cli.exitCode);
