import type { ControlActivities } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { fillProgram, type ProgramContext } from '../engines/tool/program-spec.ts';
import { fromValues, lastLine, runToEnd } from '../engines/tool/run-to-end.ts';

/**
 * Runs one of the system file's commands, or its undo. Safe to repeat as far as the program is, which docs/runbooks.md asks of it.
 * @throws BadInput - no such command, or it has no undo. ToolFailed, ToolMissing.
 */
export async function runCommand(context: ProgramContext, { system, command, undo, environment, run, purpose }: Parameters<ControlActivities['runCommand']>[0]): Promise<{ summary: string }> {
  const config = context.system.commands?.[command];
  const program = undo ? config?.undo : config?.run;
  if (!program) throw new HoldfastError('BadInput', `${system} has no ${undo ? 'undo of ' : ''}command "${command}"; known: ${Object.keys(context.system.commands ?? {}).join(', ') || 'none'}`);
  const spec = await fillProgram(context, program, fromValues({ system, environment, run, purpose }));
  const said = lastLine(await runToEnd(context, spec));
  return { summary: `${spec.name} ended well${said === '' ? '' : `; it said: ${said}`}` };
}
