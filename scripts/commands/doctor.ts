import { errorTable } from '../../workflows/domain/errors.ts';
import type { Cli } from '../cli.ts';
import { readDoctor, type ToolFinding } from '../doctor.ts';

/** `holdfast doctor`: every program that Holdfast runs, where it was found, its version, and what it is for. */
export function doctor(cli: Cli): void {
  cli.add<[], object>('doctor', 'list all programs: where found, version, what for, and how to get what is missing', (command) => command, async (printer) => {
    const found = await readDoctor();
    printer.result(found, ({ tools }) => tools.flatMap(format).join('\n'));
    return found.ok ? 0 : errorTable.ToolMissing.exitCode;
  });
}

const places = { env: 'environment', path: 'PATH', project: 'project', installed: 'installed' } as const;

function format({ ok, tool, purpose, needed, path, from, version, problem, ways }: ToolFinding): string[] {
  const state = ok ? 'found' : needed === 'optional' ? 'absent' : 'missing';
  const where = path === null ? 'nowhere' : from === null ? path : `${path} (${places[from]})`;
  return [
    `${state.padEnd(7)} ${tool.padEnd(20)} ${(version ?? '').padEnd(10)} ${needed.padEnd(8)} ${where}`,
    `        ${purpose}`,
    ...(problem && needed !== 'optional' ? [`        problem: ${problem}`] : []),
    ...ways.map((way) => `        get it: ${way}`),
  ];
}
