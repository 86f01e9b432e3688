import type { ControlActivities } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { fillProgram, type ProgramContext } from '../engines/tool/program-spec.ts';
import { fromValues, lastLine, runToEnd } from '../engines/tool/run-to-end.ts';

/**
 * Runs one of the system file's commands, or its undo. Safe to repeat as far as the program is, which docs/runbooks.md asks of it.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | before the program, or in it | whatever of it is done; the program ends with its worker | runs it whole again, and says at which try it ended well |
 * | after its end | all of it is done | the same |
 *
 * @param attempt - which try of the same order this is, from 1 on
 * @throws BadInput - no such command, or it has no undo. ToolFailed, ToolMissing.
 */
export async function runCommand(context: ProgramContext, { system, command, undo, environment, run, purpose }: Parameters<ControlActivities['runCommand']>[0], attempt: number): Promise<{ summary: string }> {
  const config = context.system.commands?.[command];
  const program = undo ? config?.undo : config?.run;
  if (!program) throw new HoldfastError('BadInput', `${system} has no ${undo ? 'undo of ' : ''}command "${command}"; known: ${Object.keys(context.system.commands ?? {}).join(', ') || 'none'}`);
  const spec = await fillProgram(context, program, fromValues({ system, environment, run, purpose }));
  const said = lastLine(await runToEnd(context, spec));
  const again = attempt === 1 ? '' : ` at try ${attempt}, run again from its beginning`;
  return { summary: `${spec.name} ended well${again}${said === '' ? '' : `; it said: ${said}`}` };
}
