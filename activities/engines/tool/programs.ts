import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import type { ToolConfig } from '../../../workflows/domain/tool-source.ts';
import type { SourceContext } from '../../context.ts';
import { findProgram } from '../../tool/find-tool.ts';
import { runTool } from '../../tool/run-tool.ts';
import { commandProgram } from './command.ts';
import { mongodumpProgram, mongorestoreProgram } from './mongodump.ts';
import { backupProgram } from './pgbackrest/back-up.ts';
import { pgDumpProgram, pgDumpVersion, pgRestoreProgram } from './pg-dump.ts';
import { withoutSecrets, type ProgramSpec } from './program-spec.ts';

export function toolOf(context: SourceContext): ToolConfig {
  const { tool } = context.source;
  if (tool) return tool;
  throw new HoldfastError('BadSystemFile', `sources.${context.sourceName} has no tool: its engine needs to know its programs`);
}

/** What dumps the source at this endpoint. @throws ToolMissing, BadSystemFile - a secret that resolves to nothing. */
export async function dumpProgram(context: SourceContext, endpoint: Endpoint): Promise<ProgramSpec> {
  const tool = toolOf(context);
  if (tool.uses === 'pgbackrest') return backupProgram(tool);
  const spec = tool.uses === 'command' ? await commandProgram(context, tool.dump, endpoint) : tool.uses === 'mongodump' ? await mongodumpProgram(context, endpoint, tool) : await pgDumpProgram(context, endpoint, tool);
  return { ...spec, quietForMs: tool.quietFor };
}

/** What restores to this endpoint. @throws ToolMissing, BadSystemFile - a secret that resolves to nothing. */
export async function restoreProgram(context: SourceContext, endpoint: Endpoint): Promise<ProgramSpec> {
  const tool = toolOf(context);
  if (tool.uses === 'pgbackrest') throw new HoldfastError('Unsupported', `${context.sourceName}: pgBackRest restores from its own repository, and is fed nothing`);
  const spec = tool.uses === 'command' ? await commandProgram(context, tool.restore, endpoint) : tool.uses === 'mongodump' ? mongorestoreProgram(context, endpoint, tool) : await pgRestoreProgram(context, endpoint);
  return { ...spec, quietForMs: tool.quietFor };
}

/** What the dump program says of its version, its first line; 'unknown' where it is not known how to ask. */
export async function readToolVersion(context: SourceContext, endpoint: Endpoint): Promise<string> {
  const tool = toolOf(context);
  if (tool.uses === 'pg_dump') return await pgDumpVersion(context, endpoint);
  const [program, ...args] = tool.uses === 'mongodump' ? ['mongodump', '--version'] : tool.uses === 'pgbackrest' ? ['pgbackrest', 'version'] : (tool.version ?? []);
  if (program === undefined) return 'unknown';
  const { stdout, stderr } = await runTool({ path: findProgram(program) }, args, { signal: context.signal, timeoutMs: versionWithinMs, env: withoutSecrets(context.system) });
  const line = (stdout.trim() || stderr.trim()).split('\n')[0]!.trim();
  return line.slice(0, 100) || 'unknown';
}

const versionWithinMs = 20_000;
