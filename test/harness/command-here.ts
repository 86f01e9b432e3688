import { runCommandLine } from '../../scripts/run-command-line.ts';

export interface Said {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** `holdfast` with these arguments, in this process and its environment: most of what a process of its own takes is its start. */
export async function commandHere(...args: string[]): Promise<Said> {
  const said = { stdout: '', stderr: '' };
  const exitCode = await runCommandLine(args, { out: { write: (text) => (said.stdout += text) }, err: { write: (text) => (said.stderr += text) } });
  return { exitCode, ...said };
}
