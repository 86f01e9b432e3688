import { accessSync, constants, globSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { environmentVariableOf, tools, type Tool, type ToolName } from './tools.ts';

export type { ToolName } from './tools.ts';

export interface FoundTool {
  path: string;
  /** env: its variable names it; path: found on PATH; project: in the project's own tool folder; installed: where the machine's packages put it */
  from: 'env' | 'path' | 'project' | 'installed';
}

const projectDirectory = fileURLToPath(new URL('../../', import.meta.url));

/** The project's own tool folder; `HOLDFAST_TOOLS` puts another in its place. */
export const toolsDirectory = (): string => resolve(process.env.HOLDFAST_TOOLS || join(projectDirectory, '.tools'));

/**
 * Absolute path of a program: its environment variable, then PATH, then the project's tool folder, then where the machine's packages put it.
 *
 * @throws ToolMissing - names the three ways to get it; also when the variable names something that does not run.
 */
export function findTool(name: ToolName): string {
  const found = locateTool(name);
  if (found) return found.path;
  throw new HoldfastError('ToolMissing', `${name} is missing (${tools[name].purpose}).`, { hint: waysToGet(name).join('; or ') });
}

/**
 * Where a program is, or undefined when nothing has it.
 *
 * @throws ToolMissing - its variable is set but names no program: going on to another one would hide the mistake.
 */
export function locateTool(name: ToolName): FoundTool | undefined {
  const variable = environmentVariableOf(name);
  const named = process.env[variable];
  if (named) {
    if (isAbsolute(named) ? runs(named) : runs(resolve(named))) return { path: resolve(named), from: 'env' };
    throw new HoldfastError('ToolMissing', `${variable}=${named} is not a program that can be run.`, {
      hint: `correct ${variable}, or unset it to have ${name} looked for on PATH and in ${toolsDirectory()}`,
    });
  }
  return onPath(name) ?? inProject(name)[0] ?? installed(name)[0];
}

/** Every one of a program that may stand on a machine in several versions, in the order of `locateTool`; the one that its variable names, alone. */
export function locateEach(name: ToolName): FoundTool[] {
  const first = locateTool(name);
  if (first?.from === 'env') return [first];
  return [...(first?.from === 'path' ? [first] : []), ...inProject(name), ...installed(name)];
}

/** The ways to get a program, best first. */
export function waysToGet(name: ToolName): string[] {
  const tool: Tool = tools[name];
  return [
    ...(tool.bySetUp ? ['run `node scripts/set-up.mjs`, which installs it into the project'] : []),
    `install it so that \`${tool.programs.join('` or `')}\` is on PATH`,
    `name it in ${environmentVariableOf(name)}`,
  ];
}

/**
 * Absolute path of a program of the system file: a tool of ours as `findTool` finds it, a path as it is, any other name on PATH.
 * @throws ToolMissing
 */
export function findProgram(program: string): string {
  if (Object.hasOwn(tools, program)) return findTool(program as ToolName);
  if (isAbsolute(program) && runs(program)) return program;
  const found = program.includes('/') ? undefined : lookOnPath(program);
  if (found !== undefined) return found;
  throw new HoldfastError('ToolMissing', `${program}, which the system file names, ${isAbsolute(program) ? 'is no program that can be run' : 'is not on PATH'} on this machine.`, {
    hint: 'install it on every worker of this system, or give its absolute path in the system file',
  });
}

function lookOnPath(program: string): string | undefined {
  const paths = (process.env.PATH ?? '').split(delimiter).filter(isAbsolute).map((directory) => join(directory, program));
  return paths.find(runs);
}

function onPath(name: ToolName): FoundTool | undefined {
  // Holdfast needs the Node that runs it now, not an older one that comes first on PATH.
  if (name === 'node') return { path: process.execPath, from: process.execPath.startsWith(projectDirectory) ? 'project' : 'path' };
  for (const program of tools[name].programs) {
    const path = lookOnPath(program);
    if (path !== undefined) return { path, from: 'path' };
  }
  return undefined;
}

const inProject = (name: ToolName): FoundTool[] => matchesOf(tools[name].inProject, 'project');
const installed = (name: ToolName): FoundTool[] => matchesOf((tools[name] as Tool).installed ?? [], 'installed');

function matchesOf(patterns: readonly string[], from: FoundTool['from']): FoundTool[] {
  const cwd = toolsDirectory();
  const byVersion = (one: string, other: string): number => other.localeCompare(one, 'en', { numeric: true });
  return patterns.flatMap((pattern) => globSync(pattern, { cwd }).sort(byVersion)).map((match) => resolve(cwd, match)).filter(runs).map((path) => ({ path, from }));
}

function runs(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
