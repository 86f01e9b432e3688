import { globSync } from 'node:fs';
import { join } from 'node:path';
import { locateTool, toolsDirectory, waysToGet, type FoundTool, type ToolName } from '../activities/tool/find-tool.ts';
import { runTool } from '../activities/tool/run-tool.ts';
import { tools, type Tool } from '../activities/tool/tools.ts';

export interface ToolFinding {
  tool: ToolName;
  purpose: string;
  needed: Tool['needed'];
  /** found, and it runs */
  ok: boolean;
  path: string | null;
  from: FoundTool['from'] | null;
  version: string | null;
  /** what is wrong, or null */
  problem: string | null;
  /** ways to mend it, best first; empty when ok */
  ways: string[];
}

export interface Doctor {
  /** every tool that the demo and workers need is found and runs */
  ok: boolean;
  tools: ToolFinding[];
}

/** Looks for every program that Holdfast runs, starts each to learn its version, and says how to mend what is missing. */
export async function readDoctor(): Promise<Doctor> {
  const findings = await Promise.all((Object.keys(tools) as ToolName[]).map(examine));
  return { ok: findings.every((finding) => finding.ok || finding.needed === 'optional'), tools: findings };
}

async function examine(name: ToolName): Promise<ToolFinding> {
  const tool: Tool = tools[name];
  const about = { tool: name, purpose: tool.purpose, needed: tool.needed };
  let found: FoundTool | undefined;
  try {
    found = locateTool(name);
    if (!found) return { ...about, ok: false, path: null, from: null, version: null, problem: 'not found', ways: waysToGet(name) };
    const version = await readVersion(tool, found);
    return { ...about, ok: true, path: found.path, from: found.from, version, problem: null, ways: [] };
  } catch (error) {
    const problem = (error as Error).message;
    const ways = [...(/libcurl/.test(problem) ? ['install the Debian package libcurl4'] : []), ...waysToGet(name)];
    return { ...about, ok: false, path: found?.path ?? null, from: found?.from ?? null, version: null, problem, ways };
  }
}

/** The first thing that looks like a version in what the program says; null when it says none. */
async function readVersion(tool: Tool, found: FoundTool): Promise<string | null> {
  const { stdout, stderr } = await runTool({ path: found.path }, tool.versionArguments ?? [], { timeoutMs: 15_000 });
  if (tool.versionArguments === null) return found.from === 'project' ? pinnedVersion(found.path) : null;
  return /\d+\.\d+(?:\.\d+)?(?:[-+][\w.]+)?/.exec(`${stdout}\n${stderr}`.replace(/^version \S*GB /, ''))?.[0] ?? null;
}

/** What pip installed for a program that cannot say its version itself. */
function pinnedVersion(path: string): string | null {
  const name = path.slice(path.lastIndexOf('/') + 1).replaceAll('-', '_');
  const [information] = globSync(`lib/python3*/site-packages/${name}*.dist-info`, { cwd: toolsDirectory() });
  return information === undefined ? null : (/-(\d[\w.]*)\.dist-info$/.exec(join('/', information))?.[1] ?? null);
}
