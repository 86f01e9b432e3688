import type { ProgramContext } from '../engines/tool/program-spec.ts';

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

/** Loaded when there is something to deploy, or to ask: it runs a program. */
const deployers = { command: async () => (await import('./command.ts')).commandDeployer } as const satisfies Record<string, () => Promise<Deployer>>;

/** Undefined: the system file names none, or one that people do. */
export async function openDeployer({ system: { deployer } }: ProgramContext): Promise<Deployer | undefined> {
  return deployer && deployer.uses !== 'manual' ? await deployers[deployer.uses]() : undefined;
}
