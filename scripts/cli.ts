import { Command, type Command as CommandType } from 'commander';
import { HoldfastError } from '../workflows/domain/errors.ts';
import { exitCodeOf } from './exit-codes.ts';
import { JsonPrinter } from './output/json-printer.ts';
import type { Out, Printer } from './output/printer.ts';
import { TextPrinter } from './output/text-printer.ts';

export interface Streams {
  out: Out;
  err: Out;
}

/** What a command's code is given beside its arguments. It returns an exit code, or nothing for 0. */
export type Action<Args extends unknown[], Options> = (printer: Printer, options: Options, ...args: Args) => Promise<number | void>;

/** The commands share a way to be declared, so that `--json`, errors and exit codes are the same everywhere. */
export class Cli {
  readonly program: CommandType;
  readonly #streams: Streams;
  exitCode = 0;

  constructor(program: CommandType, streams: Streams) {
    this.program = program;
    this.#streams = streams;
  }

  printer(json: boolean): Printer {
    return json ? new JsonPrinter(this.#streams.out) : new TextPrinter(this.#streams.out, this.#streams.err);
  }

  /**
   * @param declare - arguments and options of the command; `--json` is added.
   * @param parent - a command of commands (`archive`); left out: the program itself.
   */
  add<Args extends unknown[], Options extends object>(
    nameAndArguments: string,
    description: string,
    declare: (command: CommandType) => CommandType,
    action: Action<Args, Options>,
    parent: CommandType = this.program,
  ): void {
    const command = declare(parent.command(nameAndArguments).description(description));
    if (!command.options.some((option) => option.long === '--json')) command.option('--json', 'print JSON');
    command.action(async (...received: unknown[]) => {
      const [options] = received.slice(-2) as [Options & { json?: unknown }, Command];
      const printer = this.printer(options.json === true);
      try {
        this.exitCode = (await action(printer, options, ...(received.slice(0, -2) as Args))) ?? 0;
      } catch (error) {
        await this.fail(printer, error);
      }
    });
  }

  /** Says what a command ran into. What tells the errors of Temporal's client apart brings that client: it is loaded where there is one. */
  async fail(printer: Printer, error: unknown): Promise<void> {
    const named = error instanceof HoldfastError ? error : (await import('./errors.ts')).toNamedError(error);
    printer.error(named);
    this.exitCode = exitCodeOf(named);
  }

  group(name: string, description: string): CommandType {
    return this.program.command(name).description(description);
  }
}
