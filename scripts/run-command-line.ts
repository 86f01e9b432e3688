import { Command, CommanderError } from 'commander';
import { Cli, type Streams } from './cli.ts';
import { declareCommands } from './commands.ts';
import { describeExitCodes } from './exit-codes.ts';
import { loadStackEnvironment } from './stack-environment.ts';
import project from '../package.json' with { type: 'json' };

/** Parses what was typed, and runs it. @param args - without the program. @returns the exit code; says on the streams what it has to say, errors too. */
export async function runCommandLine(args: readonly string[], streams: Streams): Promise<number> {
  const program = new Command('holdfast')
    .description('Disaster recovery as durable runs: back up, archive, recover, approve.')
    .version(project.version, '--version', 'print the version')
    .addHelpText('after', `\n${describeExitCodes()}\n\nEverything here can also be done in the Temporal UI: the same workflow with the same JSON, the same signal.`)
    .exitOverride()
    .configureOutput({ writeOut: (text) => void streams.out.write(text), outputError: () => undefined });
  const cli = new Cli(program, streams);
  loadStackEnvironment();
  try {
    await declareCommands(cli, args[0]);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    // Help and version are "errors" of the parser that printed what was asked for.
    if (!(error instanceof CommanderError && error.exitCode === 0)) await cli.fail(cli.printer(args.includes('--json')), error);
  }
  return cli.exitCode;
}
