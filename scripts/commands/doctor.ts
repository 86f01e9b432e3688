import { locateTool, waysToGet, type FoundTool } from '../../activities/tool/find-tool.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { environmentVariableOf, tools, type Tool, type ToolName } from '../../activities/tool/tools.ts';
import { errorTable } from '../../workflows/domain/errors.ts';
import type { Cli } from '../cli.ts';
import { describeError } from '../output/printer.ts';

export interface ToolFacts {
  tool: ToolName;
  purpose: string;
  needed: Tool['needed'];
  path: string | null;
  from: FoundTool['from'] | null;
  version: string | null;
  /** why it cannot be used; null: it can, or is only optional and not there */
  problem: string | null;
  /** how to get it, best first; empty when it is there */
  ways: string[];
}

/** `holdfast doctor`: every program that Holdfast runs, where it was found, its version, and what it is for. */
export function doctor(cli: Cli): void {
  cli.add<[], object>('doctor', 'list all programs: where found, version, what for, and how to get what is missing', (command) => command, async (printer) => {
    const facts = await Promise.all((Object.keys(tools) as ToolName[]).map(inspect));
    const ok = facts.every(({ problem }) => problem === null);
    printer.result({ ok, tools: facts }, (result) => result.tools.flatMap(format).join('\n'));
    return ok ? 0 : errorTable.ToolMissing.exitCode;
  });
}

async function inspect(name: ToolName): Promise<ToolFacts> {
  const { purpose, needed, versionArguments }: Tool = tools[name];
  const facts = { tool: name, purpose, needed, path: null, from: null, version: null, problem: null, ways: [] };
  try {
    const found = locateTool(name);
    if (!found) return { ...facts, problem: needed === 'optional' ? null : 'not found', ways: waysToGet(name) };
    if (versionArguments === null) return { ...facts, ...found };
    const { stdout, stderr } = await runTool({ path: found.path }, versionArguments, { timeoutMs: 10_000 });
    return { ...facts, ...found, version: firstVersion(`${stdout}\n${stderr}`) };
  } catch (error) {
    return { ...facts, path: process.env[environmentVariableOf(name)] ?? locatedPath(name), problem: describeError(error).message, ways: waysToGet(name) };
  }
}

function locatedPath(name: ToolName): string | null {
  try {
    return locateTool(name)?.path ?? null;
  } catch {
    return null;
  }
}

const firstVersion = (said: string): string => /\d+(?:\.\d+)+\S*/.exec(said)?.[0] ?? said.trim().split('\n')[0] ?? '';

function format(facts: ToolFacts): string[] {
  const { tool, purpose, needed, path, from, version, problem, ways } = facts;
  const state = problem ? 'broken' : path ? 'found' : 'absent';
  const where = path ? `${path} (${{ env: 'environment', path: 'PATH', project: 'project' }[from ?? 'path']})` : 'nowhere';
  return [
    `${state.padEnd(7)} ${tool.padEnd(20)} ${(version ?? '').padEnd(10)} ${needed.padEnd(8)} ${where}`,
    `        ${purpose}`,
    ...(problem ? [`        problem: ${problem}`] : []),
    ...(problem || !path ? ways.map((way) => `        get it: ${way}`) : []),
  ];
}
