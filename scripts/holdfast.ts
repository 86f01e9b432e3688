#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { Cli } from './cli.ts';
import { declareCommands } from './commands.ts';
import { describeExitCodes, exitCodeOf, exitCodes, toNamedError } from './errors.ts';
import { loadStackEnvironment } from './stack-environment.ts';

const program = new Command('holdfast')
  .description('Disaster recovery as durable runs: back up, archive, recover, approve.')
  .addHelpText('after', `\n${describeExitCodes()}\n\nEverything here can also be done in the Temporal UI: the same workflow with the same JSON, the same signal.`)
  .exitOverride()
  .configureOutput({ outputError: () => undefined });
const cli = new Cli(program, { out: process.stdout, err: process.stderr });

loadStackEnvironment();
try {
  await declareCommands(cli, process.argv[2]);
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
