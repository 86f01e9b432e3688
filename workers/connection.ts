import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import { HoldfastError } from '../workflows/domain/errors.ts';
import { requireTemporalTls } from './temporal-transport.ts';

export interface WorkerConnection {
  connection: NativeConnection;
  address: string;
  namespace: string;
  /** tells this control plane from every other one: what an epoch belongs to */
  namespaceId: string;
}

/**
 * Connects as TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TLS settings and profiles say, as they do for every
 * Temporal program.
 *
 * @throws NotPermitted - the server knows who we are, or not, and does not let us in. WeakTransport - off this machine, and not by TLS 1.3. TemporalUnavailable - nothing answers there, or the namespace does not exist; names address and namespace.
 */
export async function connectTemporal(): Promise<WorkerConnection> {
  const config = loadClientConnectConfig();
  const address = config.connectionOptions.address ?? '127.0.0.1:7233';
  const namespace = config.namespace ?? 'default';
  await requireTemporalTls(config.connectionOptions, address);
  const connection = await NativeConnection.connect({ ...config.connectionOptions, address }).catch((error: unknown) => {
    throw unavailable(`no Temporal server answers at ${address}`, error);
  });
  try {
    const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace });
    return { connection, address, namespace, namespaceId: namespaceInfo?.id ?? '' };
  } catch (error) {
    await connection.close();
    // gRPC: PERMISSION_DENIED, or UNAUTHENTICATED.
    const { code } = error as { code?: unknown };
    if (code === 7 || code === 16) throw new HoldfastError('NotPermitted', `the Temporal server at ${address} does not let us into namespace "${namespace}": ${(error as Error).message}`, { hint: 'its authorizer asks for a token (TEMPORAL_API_KEY) or a certificate with the role write there: docs/access.md', cause: error });
    throw unavailable(`the Temporal server at ${address} does not open namespace "${namespace}": ${(error as Error).message}`, error);
  }
}

const unavailable = (message: string, cause: unknown): HoldfastError =>
  new HoldfastError('TemporalUnavailable', message, {
    hint: 'start the embedded one with `holdfast up`, or set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE',
    cause,
  });
