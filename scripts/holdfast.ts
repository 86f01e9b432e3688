#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { Cli } from './cli.ts';
import { answer } from './commands/answer.ts';
import { archive } from './commands/archive.ts';
import { backup } from './commands/backup.ts';
import { plan } from './commands/plan.ts';
import { points } from './commands/points.ts';
import { recover } from './commands/recover.ts';
import { status } from './commands/status.ts';
import { verify } from './commands/verify.ts';
import { describeExitCodes, exitCodeOf, exitCodes, toNamedError } from './errors.ts';

const program = new Command('holdfast')
  .description('Disaster recovery as durable runs: back up, archive, recover, approve.')
  .addHelpText('after', `\n${describeExitCodes()}\n\nEverything here can also be done in the Temporal UI: the same workflow with the same JSON, the same signal.`)
  .exitOverride()
  .configureOutput({ outputError: () => undefined });
const cli = new Cli(program, { out: process.stdout, err: process.stderr });
for (const add of [backup, archive, points, verify, plan, recover, status, answer]) add(cli);

try {
  await program.parseAsync();
  process.exitCode = cli.exitCode;
} catch (error) {
  // Help and version are "errors" of the parser that printed what was asked for.
  if (error instanceof CommanderError && error.exitCode === 0) process.exitCode = exitCodes.ok;
  else {
    cli.printer(process.argv.includes('--json')).error(toNamedError(error));
    process.exitCode = exitCodeOf(error);
  }
}
