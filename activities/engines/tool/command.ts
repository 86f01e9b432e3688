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
    env: await mapValues(env, async (value) => (typeof value === 'string' ? await secretOf(context, value) : fill(value.plain))),
    files: await mapValues(files, async (ref) => await secretOf(context, ref)),
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

async function mapValues<A, B>(of: Record<string, A>, map: (value: A) => Promise<B>): Promise<Record<string, B>> {
  return Object.fromEntries(await Promise.all(Object.entries(of).map(async ([key, value]) => [key, await map(value)] as const)));
}
