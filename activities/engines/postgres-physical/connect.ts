import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { parse } from 'pg-connection-string';
import { HoldfastError, type ErrorType } from '../../../workflows/domain/errors.ts';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { asWeakTransport, requireTls, type Connector } from '../../transport/require-tls.ts';
import { endpointOf, sourceEnvironment } from '../base/source-environment.ts';

/** An endpoint, as the driver and as PostgreSQL's own programs are told of it. */
export interface ServerAddress {
  host: string;
  port: number;
  user: string;
  config: pg.ClientConfig;
  /** for programs: what is no secret */
  env: Record<string, string>;
  /** for programs: what is */
  secrets: Record<string, string>;
  connector: Connector;
}

/** @throws BadSystemFile - no postgresql:// address of one server. WeakTransport. */
export async function addressOf(context: Pick<SourceContext, 'address' | 'secret' | 'sourceName'>, environment: string, { uri, credentials, tls, weakerTls }: Endpoint): Promise<ServerAddress> {
  const name = `endpoint ${context.sourceName} of ${environment}`;
  const { host, port, user, database, connector } = transportOf(name, context.address(uri), { tls, weakerTls });
  const { minVersion } = requireTls(connector);
  const username = credentials?.username ?? user ?? 'postgres';
  const password = credentials ? await context.secret(credentials.password) : undefined;
  const read = async (path: string | undefined): Promise<string | undefined> => (path === undefined ? undefined : await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new HoldfastError('BadSystemFile', `${name}: ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }));
  const caFile = tls?.caFile && context.address(tls.caFile);
  const pairFile = tls?.certificateKeyFile && context.address(tls.certificateKeyFile);
  const pair = await read(pairFile);
  return {
    host,
    port,
    user: username,
    connector,
    config: { host, port, database, user: username, password, connectionTimeoutMillis: seconds(10), application_name: 'holdfast', ssl: tls ? { minVersion, ca: await read(caFile), cert: pair, key: pair } : false },
    env: {
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: username,
      PGDATABASE: database,
      PGAPPNAME: 'holdfast',
      PGSSLMODE: tls ? 'verify-full' : 'disable',
      ...(tls ? { PGSSLMINPROTOCOLVERSION: minVersion, PGSSLROOTCERT: caFile ?? 'system' } : {}),
      ...(pairFile ? { PGSSLCERT: pairFile, PGSSLKEY: pairFile } : {}),
    },
    secrets: password === undefined ? {} : { PGPASSWORD: password },
  };
}

interface Transport {
  host: string;
  port: number;
  user: string | undefined;
  database: string;
  connector: Connector;
}

export function transportOf(name: string, uri: string, { tls, weakerTls }: Pick<Endpoint, 'tls' | 'weakerTls'>): Transport {
  if (!/^postgres(ql)?:\/\//.test(uri)) throw new HoldfastError('BadSystemFile', `${name}: expected an address such as postgresql://host:5432/postgres`);
  const { host, port, user, database } = parse(uri);
  if (!host || host.includes(',')) throw new HoldfastError('BadSystemFile', `${name}: expected the address of one server: a base and its WAL are of one`);
  return { host, port: Number(port ?? 5432), user: user || undefined, database: database || 'postgres', connector: { name, hosts: [host], tls: tls !== undefined, weakerTls } };
}

/** Runs `use` on the server where the source lives, in the address’ database if no other is named. @throws SourceUnavailable - retryable; names host and port. */
export async function withSource<T>(context: SourceContext, use: (client: pg.Client, address: ServerAddress) => Promise<T>, { environment, database }: { environment?: string; database?: string } = {}): Promise<T> {
  const place = environment ?? (await sourceEnvironment(context));
  const address = await addressOf(context, place, endpointOf(context, place));
  const config = database === undefined ? address.config : { ...address.config, database };
  return await using(context, { ...address, config }, 'SourceUnavailable', async (client) => await use(client, address));
}

async function using<T>({ signal }: Pick<SourceContext, 'signal'>, { config, host, port, connector }: ServerAddress, unavailable: ErrorType, use: (client: pg.Client) => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const client = new pg.Client(config);
  // A server that goes away under an idle client tells by an event.
  client.on('error', () => undefined);
  const onAbort = (): void => void client.end().catch(() => undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    signal.throwIfAborted();
    throw named(error, `${host}:${port}`, unavailable, connector);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await client.end().catch(() => undefined);
  }
}

/** What a server, or the way to it, says; anything else is passed on as it is. */
function named(error: unknown, where: string, unavailable: ErrorType, connector: Connector): unknown {
  if (error instanceof HoldfastError || !(error instanceof Error)) return error;
  const weak = asWeakTransport(error, connector);
  if (weak) return weak;
  const { code = '' } = error as NodeJS.ErrnoException;
  const fromServer = error instanceof pg.DatabaseError;
  if (fromServer && code === '42501') return new HoldfastError('NotPermitted', `PostgreSQL at ${where} refuses: ${error.message}`, { cause: error });
  if (fromServer || /^(ECONN|EHOST|ENET|ENOTFOUND|ETIMEDOUT|EPIPE|EAI_)/.test(code) || /connection|timeout|terminat/i.test(error.message)) {
    return new HoldfastError(unavailable, `PostgreSQL at ${where} does not answer: ${error.message || code}`, { cause: error });
  }
  return error;
}
