import {
  MongoClient,
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  type Db,
  type MongoClientOptions,
} from 'mongodb';
import { HoldfastError, type ErrorType } from '../../../workflows/domain/errors.ts';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import type { TargetRef } from '../../../workflows/contract.ts';
import type { SourceContext } from '../../context.ts';
import { endpointOf, sourceEnvironment } from '../base/source-environment.ts';
import { asWeakTransport, requireTls, type Connector } from '../../transport/require-tls.ts';
import { rightsHint } from './rights.ts';
import { mongoTransport } from './transport.ts';
import { WireConnection } from './wire.ts';

export interface SourcePlace {
  /** a name under the system's environments; left out: where the current timeline lives */
  environment?: string | undefined;
}

/**
 * For whoever judges what the archive lacks: a secondary that lags has neither the newest writes nor the archive's end, and
 * would say that nothing is missing, or that what was archived is lost.
 */
export const fromPrimary = { readPreference: 'primary' } as const;

/**
 * Connects to the source of a job, with the system file's credentials and limits. The caller closes it.
 * @throws SourceUnavailable - retryable; names host:port, never credentials.
 */
export async function connectSource(context: SourceContext, { environment, ...options }: MongoClientOptions & SourcePlace = {}): Promise<MongoClient> {
  const place = environment ?? await sourceEnvironment(context);
  const { connections, readPreference } = context.source.limits;
  return await open(context, place, endpointOf(context, place), 'SourceUnavailable', { maxPoolSize: connections + 1, readPreference, ...options });
}

/**
 * Connects to the place that a run restores to. Until it is promoted that is a standalone on loopback that asks for
 * nobody's name; from then on it has the users of the source, and `promoted` says so.
 * @throws TargetUnavailable - retryable; names host:port, never credentials.
 */
export async function connectTarget(
  context: SourceContext,
  target: Pick<TargetRef, 'environment'>,
  options: { promoted?: boolean } = {},
): Promise<MongoClient> {
  const { uri, credentials, tls, weakerTls } = endpointOf(context, target.environment);
  const { host, port } = options.promoted ? addressOf(context, uri) : targetAddress(context, target);
  const direct = { uri: `mongodb://${host}:${port}/?directConnection=true` };
  return await open(context, target.environment, options.promoted ? { ...direct, credentials, tls, weakerTls } : direct, 'TargetUnavailable', {});
}

/** Where a target listens until it is promoted: on loopback, whatever name its endpoint has, at its endpoint's port. */
export function targetAddress(context: SourceContext, target: Pick<TargetRef, 'environment'>): { host: string; port: number } {
  return { host: '127.0.0.1', port: addressOf(context, endpointOf(context, target.environment).uri).port };
}

/** Runs `use` on the source; whatever the driver throws comes out as an error of ours. */
export async function withSource<T>(
  context: SourceContext,
  use: (client: MongoClient) => Promise<T>,
  options: MongoClientOptions & SourcePlace = {},
): Promise<T> {
  return await using(context, await connectSource(context, options), 'SourceUnavailable', use);
}

/** As `withSource`, on the target. */
export async function withTarget<T>(
  context: SourceContext,
  target: Pick<TargetRef, 'environment'>,
  use: (client: MongoClient) => Promise<T>,
  options: { promoted?: boolean } = {},
): Promise<T> {
  return await using(context, await connectTarget(context, target, options), 'TargetUnavailable', use);
}

async function using<T>(context: SourceContext, client: MongoClient, unavailable: Unavailable, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const onAbort = (): void => void client.close().catch(() => undefined);
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    context.signal.throwIfAborted();
    return await use(client);
  } catch (error) {
    // Closing the client on abort makes whatever was running fail: the reason is the abort, not that failure.
    context.signal.throwIfAborted();
    throw namedError(error, client, unavailable);
  } finally {
    context.signal.removeEventListener('abort', onAbort);
    await client.close();
  }
}

/**
 * A connection of our own to the target, beside `client`. It ends when the client's monitor gets no answer for 12 s, as the
 * driver's own connections do: a server that hangs accepts a command and never answers it, however long that may take otherwise.
 */
export async function openWire(context: SourceContext, target: Pick<TargetRef, 'environment'>, client: MongoClient): Promise<WireConnection> {
  const { host, port } = targetAddress(context, target);
  const hung = new AbortController();
  // One for each connection, and they end with the client: Node's warning of a leak would be what a person reads of a process that was lost.
  client.setMaxListeners(0);
  client.once('serverHeartbeatFailed', ({ failure }) => hung.abort(new Error(`the server does not answer: ${failure.message}`)));
  try {
    return await WireConnection.connect(host, port, AbortSignal.any([context.signal, hung.signal]));
  } catch (error) {
    throw new HoldfastError('TargetUnavailable', `${host}:${port}: ${(error as Error).message}`, { cause: error });
  }
}

type Unavailable = Extract<ErrorType, 'SourceUnavailable' | 'TargetUnavailable'>;

/** Codes of a server that is going, coming, or no longer the one we want: another try can help. */
const passingCodes = new Set([6, 7, 43, 89, 91, 134, 189, 237, 262, 290, 10107, 11600, 11602, 13435, 13436]);

/** What a server says that still lives when its disk is full; others die of it. */
export const isOutOfSpace = (code: unknown, message: string): boolean => Number(code) === 14031 || message.includes('No space left on device');

/** A driver's error as ours: what another try can help is unavailable, what a grant would help says so, the rest stays. */
export function namedError(error: unknown, client: MongoClient, unavailable: Unavailable): unknown {
  if (error instanceof HoldfastError || !(error instanceof MongoError)) return error;
  const where = hostsOf(client);
  if (error instanceof MongoServerError) {
    if (Number(error.code) === 18) return new HoldfastError(unavailable, `${where} refuses the user or its password`, { cause: error });
    if (Number(error.code) === 13) {
      return new HoldfastError('NotPermitted', `${where}: ${withoutArguments(error.message)}`, { hint: rightsHint });
    }
    if (isOutOfSpace(error.code, error.message)) return new HoldfastError(unavailable, `${where} has no room on its disk`, { hint: 'make room there, and start it again if it has ended', cause: error });
  }
  const passing = error instanceof MongoNetworkError || error instanceof MongoServerSelectionError
    || (error instanceof MongoServerError && passingCodes.has(Number(error.code)))
    || error.hasErrorLabel('RetryableWriteError') || error.name === 'MongoNotConnectedError' || error.name === 'MongoClientClosedError'
    || error.name === 'PoolClearedOnNetworkError' || error.name === 'MongoPoolClearedError' || error.name === 'MongoTopologyClosedError';
  if (error instanceof MongoServerError) error.message = withoutValues(error.message);
  return passing ? new HoldfastError(unavailable, `${where}: ${withoutValues(error.message)}`) : error;
}

/** A server quotes commands and keys in its messages: those are data, and a message ends up in histories and logs. */
export const withoutValues = (message: string): string => message.replace(/\s*\{[\s\S]*$/, ' {…}');

/** `not authorized on <database> to execute command { <name>: …`: which command it was is what a person needs. */
export const withoutArguments = (message: string): string => withoutValues(message.replace(/\{ (\w+): [\s\S]*$/, '$1'));

const hostsOf = (client: MongoClient): string => client.options.hosts.map(String).join(',') || client.options.srvHost || 'unknown host';

async function open(context: SourceContext, environment: string, endpoint: Endpoint, unavailable: Unavailable, options: MongoClientOptions): Promise<MongoClient> {
  const { credentials } = endpoint;
  const uri = context.address(endpoint.uri);
  const { connector, options: transport } = await mongoTransport(`endpoint ${context.sourceName} of ${environment}`, uri, endpoint);
  const auth = credentials
    ? { auth: { username: credentials.username, password: await context.secret(credentials.password) }, authSource: credentials.authSource }
    : {};
  const client = new MongoClient(uri, {
    appName: 'holdfast',
    serverSelectionTimeoutMS: seconds(10),
    connectTimeoutMS: seconds(10),
    // With the line above: what runs on a server that hangs is given up after 12 s, however long it may take on one that answers.
    heartbeatFrequencyMS: seconds(2),
    ...auth,
    ...transport,
    ...options,
  });
  const strays = refuseStrays(client, connector);
  try {
    return await client.connect();
  } catch (error) {
    await client.close();
    throw strays.refusal ?? asWeakTransport(error, connector) ?? namedError(error, client, unavailable);
  }
}

/** A replica set names its members itself: one that lies off this machine, named by one on loopback, is held to the same rule, before anything is sent to it. */
function refuseStrays(client: MongoClient, connector: Connector): { refusal: unknown } {
  const strays: { refusal: unknown } = { refusal: undefined };
  client.on('serverOpening', ({ address }) => {
    try {
      requireTls({ ...connector, hosts: [address.replace(/:\d+$/, '')] });
    } catch (error) {
      strays.refusal = error;
      void client.close();
    }
  });
  return strays;
}

function addressOf(context: SourceContext, uri: string): { host: string; port: number } {
  const client = new MongoClient(context.address(uri));
  const { host, port } = client.options.hosts[0]!;
  return { host: host ?? '127.0.0.1', port: port ?? 27017 };
}

/** What every command here is run on, whatever database its argument names. */
export const adminOf = (client: MongoClient): Db => client.db('admin');
