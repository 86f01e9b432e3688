import pg from 'pg';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError, type ErrorType } from '../../../workflows/domain/errors.ts';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { asWeakTransport } from '../../transport/require-tls.ts';
import { endpointOf, sourceEnvironment } from '../base/source-environment.ts';
import { lendingSocket } from './lending-socket.ts';
import { canonicalSession } from './session.ts';
import { secretOf } from '../tool/program-spec.ts';
import { fullDiskHint } from './target-disk.ts';
import { postgresAddress, type PostgresAddress } from './transport.ts';

type Unavailable = Extract<ErrorType, 'SourceUnavailable' | 'TargetUnavailable'>;

/** A database that may be logged in to. */
export interface Place {
  address: PostgresAddress;
  user: string;
  password: string | undefined;
  /** what it is when it does not answer */
  unavailable: Unavailable;
}

/** How a client program is told where to connect and as whom: by variables, since arguments are public. */
export const libpqVariables = ({ address, user, password }: Place): { env: Record<string, string>; secrets: Record<string, string> } => ({
  env: { ...address.libpq, PGUSER: user, PGAPPNAME: 'holdfast', PGCONNECT_TIMEOUT: '10' },
  secrets: password === undefined ? {} : { PGPASSWORD: password },
});

type PlaceContext = Pick<SourceContext, 'system' | 'sourceName' | 'address' | 'secret' | 'signal'>;

export interface ConnectOptions {
  /** another one of the same server */
  database?: string;
  /** what the server's own list of sessions shows */
  name?: string;
}

/** The source, where its current timeline lives, or in an environment that is named. */
export async function sourcePlace(context: SourceContext, environment?: string): Promise<Place> {
  return await placeOf(context, environment ?? (await sourceEnvironment(context)), 'SourceUnavailable');
}

/** The database that a run restores to, whether it is there already or not. */
export async function targetPlace(context: PlaceContext, { environment }: Pick<TargetRef, 'environment'>): Promise<Place> {
  return await placeOf(context, environment, 'TargetUnavailable');
}

const placeOf = async (context: PlaceContext, environment: string, unavailable: Unavailable): Promise<Place> =>
  await placeAt(context, endpointOf(context, environment), `${context.sourceName} of ${environment}`, unavailable);

/** @param name - of the endpoint, for messages */
export async function placeAt(context: PlaceContext, endpoint: Endpoint, name: string, unavailable: Unavailable): Promise<Place> {
  const { credentials } = endpoint;
  return {
    address: await postgresAddress(`endpoint ${name}`, context.address(endpoint.uri), endpoint),
    user: credentials?.username ?? 'postgres',
    password: credentials && (await secretOf(context, credentials.password)),
    unavailable,
  };
}

/** How the driver is told the same. */
export const configOf = ({ address, user, password }: Place, { database, name }: ConnectOptions = {}): pg.ClientConfig => ({
  host: address.host,
  port: address.port,
  database: database ?? address.database,
  user,
  ...(password === undefined ? {} : { password }),
  ssl: address.tls ?? false,
  application_name: name ?? 'holdfast',
  connectionTimeoutMillis: seconds(10),
  keepAlive: true,
  keepAliveInitialDelayMillis: seconds(10),
});

/**
 * A session whose texts mean the same whatever the server, the database and its user are set to. The caller closes it; an abort cuts it off.
 * @throws SourceUnavailable, TargetUnavailable - retryable; names host and port, never credentials.
 */
export async function connect(context: Pick<SourceContext, 'signal'>, place: Place, { database, name }: ConnectOptions = {}): Promise<pg.Client> {
  const { address } = place;
  context.signal.throwIfAborted();
  const client = new pg.Client({ ...configOf(place, { database, name }), ...(address.tls ? {} : { stream: lendingSocket }) });
  // Told of a session that ends while nothing runs in it; what runs next in it fails.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(canonicalSession);
    return client;
  } catch (error) {
    cutOff(client);
    context.signal.throwIfAborted();
    throw asWeakTransport(error, address.connector) ?? namedError(error, place);
  }
}

/** Runs `use` in a session of its own; whatever the driver throws comes out as an error of ours. */
export async function withClient<T>(context: Pick<SourceContext, 'signal'>, place: Place, use: (client: pg.Client) => Promise<T>, options: ConnectOptions = {}): Promise<T> {
  const client = await connect(context, place, options);
  const onAbort = (): void => cutOff(client);
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    context.signal.throwIfAborted();
    const result = await use(client);
    await client.end();
    return result;
  } catch (error) {
    // In the middle of a COPY there is no polite end; the server rolls back what was open.
    cutOff(client);
    // What was cut off by an abort failed for that reason alone.
    context.signal.throwIfAborted();
    throw namedError(error, place);
  } finally {
    context.signal.removeEventListener('abort', onAbort);
  }
}

/** Databases that every server has: one is made from another. */
export async function withOtherDatabase<T>(context: Pick<SourceContext, 'signal'>, place: Place, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const [first, second] = ['postgres', 'template1'].filter((database) => database !== place.address.database) as [string, string?];
  const client = await connect(context, place, { database: first }).catch(async (error: unknown) => {
    // 3D000: somebody has dropped it.
    if (second === undefined || !/3D000/.test((error as Error).message)) throw error;
    return await connect(context, place, { database: second });
  });
  try {
    return await use(client);
  } catch (error) {
    throw namedError(error, place);
  } finally {
    await client.end();
  }
}

/** Ends a session at once, whatever it is doing. */
export const cutOff = (client: pg.Client): void => void (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();

/** One value of one row. */
export async function ask<T>(client: pg.Client, sql: string, values: unknown[] = []): Promise<T> {
  const { rows } = await client.query<Record<string, T>>(sql, values);
  return Object.values(rows[0]!)[0] as T;
}

/** SQLSTATEs that say what was asked is wrong, or what is there: no other try helps. Connections, resources, an operator's hand and the like pass. */
const lasting = /^(0A|22|23|2F|38|39|3F|42|44)/;

/** A server's error as ours: what another try can help is unavailable, what a grant would help says so. */
export function namedError(error: unknown, { address: { host, port }, unavailable }: Pick<Place, 'address' | 'unavailable'>): unknown {
  if (error instanceof HoldfastError || error instanceof TypeError || error instanceof RangeError) return error;
  const where = `${host}:${port}`;
  const { message } = error as Error;
  if (!(error instanceof pg.DatabaseError)) return new HoldfastError(unavailable, `${where}: ${message}`, { cause: error });
  const { code = '' } = error;
  const said = `${where}: ${withoutValues(error)} (SQLSTATE ${code})`;
  if (code.startsWith('28')) return new HoldfastError(unavailable, said, { hint: hintOfRefusal(error), cause: error });
  if (code === '3D000') return new HoldfastError(unavailable, said, { cause: error });
  if (code === '42501') return new HoldfastError('NotPermitted', said, { hint: rightsHint });
  if (isSnapshotGone(error)) return new HoldfastError('SnapshotLost', said);
  if (code === '53100') return new HoldfastError(unavailable, `the disk of ${where} is full: ${withoutValues(error)} (SQLSTATE ${code})`, { hint: fullDiskHint, cause: error });
  if (/max_locks_per_transaction/.test(`${error.hint ?? ''}${message}`)) return new HoldfastError('Unsupported', said, { hint: 'raise max_locks_per_transaction of that server and restart it: each table takes a lock' });
  if (!lasting.test(code)) return new HoldfastError(unavailable, said, { cause: error });
  return new HoldfastError(unavailable === 'SourceUnavailable' ? 'Unsupported' : 'ReplayFailed', said, { cause: error });
}

/** A server may say it in another language: then the code alone is known. */
function hintOfRefusal({ code, message }: pg.DatabaseError): string {
  if (/pg_hba\.conf/.test(message)) return `a line of its pg_hba.conf has to let this user in from this machine${/no encryption/.test(message) ? ', without TLS or, with tls: {} at the endpoint, by it' : ''}; pg_reload_conf() has it read`;
  if (/does not exist/.test(message)) return 'credentials.username of the endpoint names the user: make it there, or name another';
  if (/not permitted to log in/.test(message)) return 'ALTER ROLE … LOGIN there, or name another user under credentials of the endpoint';
  if (code === '28P01') return 'user and password are under credentials of the endpoint; a server says the same of a role that it does not have, or that has no password';
  return 'its pg_hba.conf and the role itself say who may log in, and how';
}

/** It was exported by a session that is over; or what it would see has been tidied away. */
const isSnapshotGone = ({ code = '', message }: pg.DatabaseError): boolean =>
  code === '72000' || (/^(42704|22023|55000)$/.test(code) && /snapshot/.test(message));

/** What a server says of a value quotes it, and that is data: a message ends up in histories and logs. */
export const withoutValues = ({ code = '', message }: pg.DatabaseError): string => (/^(22|23)/.test(code) ? message.replace(/:.*$/s, ': …') : message);

export const rightsHint = 'docs/postgresql.md says what the user of a source, and that of a target, must be given';
