import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import type { ProgramConfig } from '../../../workflows/domain/tool-source.ts';
import type { SourceContext } from '../../context.ts';
import { hostsOf } from '../../tool/hosts-of.ts';
import { addressOf, fillProgram, type ProgramSpec } from './program-spec.ts';

/** A program of the system file, at this endpoint. @throws ToolMissing, BadSystemFile - a secret or placeholder that stands for nothing. */
export async function commandProgram(context: SourceContext, program: ProgramConfig, endpoint: Endpoint): Promise<ProgramSpec> {
  const address = addressOf(context, endpoint);
  const [first] = hostsOf(address);
  const values: Record<string, string | undefined> = { uri: address, host: first?.host, port: first?.port, username: endpoint.credentials?.username };
  return await fillProgram(context, program, (name) => {
    const value = values[name];
    if (value !== undefined && value !== '') return value;
    throw new HoldfastError('BadSystemFile', `sources.${context.sourceName}.tool: {{${name}}} stands for nothing: the endpoint ${address} has no ${name}`);
  });
}
