import { basename } from 'node:path';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import type { ProgramConfig } from '../../../workflows/domain/tool-source.ts';
import type { SourceContext } from '../../context.ts';
import { findProgram } from '../../tool/find-tool.ts';
import { hostsOf } from '../../tool/hosts-of.ts';
import { addressOf, secretOf, type ProgramSpec } from './program-spec.ts';

/** A program of the system file, at this endpoint. @throws ToolMissing, BadSystemFile - a secret or placeholder that stands for nothing. */
export async function commandProgram(context: SourceContext, { argv, env, files }: ProgramConfig, endpoint: Endpoint): Promise<ProgramSpec> {
  const fill = (text: string): string => fillPlaceholders(context, text, endpoint);
  const [program, ...args] = argv.map(fill);
  return {
    name: basename(program!),
    path: findProgram(program!),
    args,
    env: Object.fromEntries(Object.entries(env).flatMap(([key, value]) => (typeof value === 'string' ? [] : [[key, fill(value.plain)]]))),
    secrets: await resolveAll(context, Object.fromEntries(Object.entries(env).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])))),
    files: await resolveAll(context, files),
  };
}

function fillPlaceholders(context: SourceContext, text: string, endpoint: Endpoint): string {
  const address = addressOf(context, endpoint);
  const [first] = hostsOf(address);
  const values: Record<string, string | undefined> = { uri: address, host: first?.host, port: first?.port, username: endpoint.credentials?.username };
  return text.replace(/\{\{\s*(uri|host|port|username)\s*\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value !== undefined && value !== '') return value;
    throw new HoldfastError('BadSystemFile', `sources.${context.sourceName}.tool: {{${name}}} stands for nothing: the endpoint ${address} has no ${name}`);
  });
}

async function resolveAll(context: SourceContext, refs: Record<string, string>): Promise<Record<string, string>> {
  return Object.fromEntries(await Promise.all(Object.entries(refs).map(async ([key, ref]) => [key, await secretOf(context, ref)] as const)));
}
