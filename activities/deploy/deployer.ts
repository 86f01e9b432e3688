import type { ProgramContext } from '../engines/tool/program-spec.ts';
import { commandDeployer } from './command.ts';

/**
 * Brings a version of the application to an environment. One that people do (`uses: manual`) has no program: its step is a checklist.
 */
export interface Deployer {
  /** The version that runs there, asked now. Null: it cannot be asked, or nothing runs. @throws ToolFailed, ToolMissing. */
  current(context: ProgramContext, environment: string): Promise<string | null>;
  /**
   * Safe to repeat, also for another version than an attempt that was lost in its middle had begun with: what counts is the last one.
   * @throws ToolFailed, ToolMissing - what runs there now is not known. @throws ValidationFailed - it ended well, and another version runs there.
   */
  deploy(context: ProgramContext, to: { environment: string; version: string }): Promise<{ summary: string }>;
}

const deployers = { command: commandDeployer } as const satisfies Record<string, Deployer>;

/** Undefined: the system file names none, or one that people do. */
export function openDeployer({ system: { deployer } }: ProgramContext): Deployer | undefined {
  return deployer && deployer.uses !== 'manual' ? deployers[deployer.uses] : undefined;
}
