import { leaveProduction } from './leave-production.ts';
import { defineStep, type StepContext } from './step.ts';

async function runCommand(ctx: StepContext, command: string, undo: boolean): Promise<string> {
  const { view, run, purpose, results } = ctx;
  const input = { system: view.system, command, environment: view.standbyEnvironment, run, purpose, epoch: results.epoch ?? 0, ...(undo ? { undo } : {}) };
  return (await ctx.call('runCommand', input, `${undo ? 'undo of ' : ''}command ${command}`)).summary;
}

/**
 * Runs a program of the team's own. Killed in its middle, it is ended with its worker and run again, whole. Its undo runs also where it failed half-way,
 * or never began: that it copes is the program's part.
 */
export const command = defineStep('command', {
  about: 'runs one of the system file’s commands',
  production: ({ inDrills }) => !inDrills,
  async run(ctx, { command: name, inDrills }) {
    const left = inDrills ? undefined : leaveProduction(ctx);
    return left ?? { summary: await runCommand(ctx, name, false) };
  },
  undoes: (view, { command: name }) => view.commands?.[name]?.undo === true,
  async undo(ctx, { command: name, inDrills }) {
    if (!inDrills && leaveProduction(ctx)) return { summary: 'nothing was run' };
    return { summary: await runCommand(ctx, name, true) };
  },
});
