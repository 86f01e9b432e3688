import type { Endpoint } from '../../../workflows/domain/system.ts';
import type { ToolConfig } from '../../../workflows/domain/tool-source.ts';
import type { SourceContext } from '../../context.ts';
import { rememberSecret } from '../../secrets.ts';
import { findTool } from '../../tool/find-tool.ts';
import { isLoopback } from '../../transport/require-tls.ts';
import { tryHandshake } from '../../transport/try-handshake.ts';
import type { Engine } from '../engine.ts';
import { mongoTransport } from '../mongodb/transport.ts';
import { postgresAddress } from '../postgres/transport.ts';
import { hostsOf } from '../../tool/hosts-of.ts';
import { addressOf, secretOf, type ProgramSpec } from './program-spec.ts';

type Mongodump = Extract<ToolConfig, { uses: 'mongodump' }>;

/**
 * `mongodump --archive` of everything. The address with user and password stands in a private file: arguments are public.
 * @throws WeakTransport - its server is off this machine, and speaks no TLS 1.3.
 * @source mongodump and mongorestore manuals: --config, --archive, --oplog, --drop
 */
export async function mongodumpProgram(context: SourceContext, endpoint: Endpoint, { oplog }: Mongodump): Promise<ProgramSpec> {
  await requireTlsOf(context, endpoint);
  return {
    name: 'mongodump',
    path: findTool('mongodump'),
    args: ['--config={{file:config.yaml}}', '--archive', ...(oplog ? ['--oplog'] : []), ...tlsArguments(endpoint)],
    env: {},
    secrets: {},
    files: { 'config.yaml': `uri: ${JSON.stringify(await addressWithPassword(context, endpoint))}` },
  };
}

/** `mongorestore --archive --drop`, to the standalone that the provisioner made on loopback, which asks for nobody's name. */
export function mongorestoreProgram(context: SourceContext, endpoint: Endpoint, { oplog }: Mongodump): ProgramSpec {
  return {
    name: 'mongorestore',
    path: findTool('mongorestore'),
    args: [`--uri=${targetUri(context, endpoint)}`, '--archive', '--drop', ...(oplog ? ['--oplogReplay'] : [])],
    env: {},
    secrets: {},
    files: {},
  };
}

/** Where the local provisioner's standalone listens, whatever name its endpoint has. */
export const targetUri = (context: SourceContext, endpoint: Endpoint): string => `mongodb://127.0.0.1:${hostsOf(addressOf(context, endpoint))[0]?.port ?? '27017'}/?directConnection=true`;

async function addressWithPassword(context: SourceContext, endpoint: Endpoint): Promise<string> {
  const { credentials } = endpoint;
  const address = addressOf(context, endpoint);
  if (!credentials) return address;
  const password = encodeURIComponent(await secretOf(context, credentials.password));
  const [, scheme, rest] = /^([^:]+:\/\/)(.*)$/.exec(address)!;
  const [hosts, query = ''] = rest!.split('?');
  const whole = `${scheme}${encodeURIComponent(credentials.username)}:${password}@${hosts!.includes('/') ? hosts : `${hosts}/`}?${query}${query ? '&' : ''}authSource=${encodeURIComponent(credentials.authSource)}`;
  rememberSecret(whole);
  return whole;
}

/** The program itself has no setting for the oldest TLS, and takes the newest that a server offers. @throws WeakTransport. */
async function requireTlsOf(context: SourceContext, endpoint: Endpoint): Promise<void> {
  const address = addressOf(context, endpoint);
  const { connector } = await mongoTransport(`endpoint ${context.sourceName}`, address, endpoint);
  for (const { host, port } of hostsOf(address)) await tryHandshake(connector, { host, port: Number(port) });
}

/** Of a team's own program nobody here knows what it speaks. */
export async function checkTransport({ name, uri, endpoint, source }: Parameters<Engine['checkTransport']>[0]): Promise<string | null> {
  if (source.tool?.uses === 'mongodump') {
    await mongoTransport(name, uri, endpoint);
    return null;
  }
  if (source.tool?.uses === 'pg_dump') {
    await postgresAddress(name, uri, endpoint);
    return null;
  }
  const away = hostsOf(uri).filter(({ host }) => !isLoopback(host)).map(({ host }) => host);
  return away.length === 0 ? null : `${name} (${away.join(', ')}) is spoken to by the source’s own program: whether by TLS, and which, its arguments say, and nobody looks`;
}

const tlsArguments = ({ tls }: Endpoint): string[] =>
  tls ? ['--ssl', ...(tls.caFile ? [`--sslCAFile=${tls.caFile}`] : []), ...(tls.certificateKeyFile ? [`--sslPEMKeyFile=${tls.certificateKeyFile}`] : [])] : [];
