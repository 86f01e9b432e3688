import { errorTable } from '../../workflows/domain/errors.ts';
import type { Cli } from '../cli.ts';
import { readDoctor, type ToolFinding } from '../doctor.ts';

/** `holdfast doctor`: every program that Holdfast runs, where it was found, its version, and what it is for. */
export function doctor(cli: Cli): void {
  cli.add<[], object>('doctor', 'list all programs: where found, version, what for, and how to get what is missing', (command) => command, async (printer) => {
    const found = await readDoctor();
    printer.result(found, (result) => result.tools.flatMap(format).join('\n'));
    return found.ok ? 0 : errorTable.ToolMissing.exitCode;
  });
}

function format({ tool, purpose, needed, ok, path, from, version, problem, ways }: ToolFinding): string[] {
  const state = ok ? 'found' : path === null && needed === 'optional' ? 'absent' : 'broken';
  const where = path && from ? `${path} (${{ env: 'environment', path: 'PATH', project: 'project' }[from]})` : 'nowhere';
  return [
    `${state.padEnd(7)} ${tool.padEnd(20)} ${(version ?? '').padEnd(10)} ${needed.padEnd(8)} ${where}`,
    `        ${purpose}`,
    ...(state === 'broken' && problem ? [`        problem: ${problem}`] : []),
    ...ways.map((way) => `        get it: ${way}`),
  ];
}
