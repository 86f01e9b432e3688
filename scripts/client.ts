import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type WorkflowClient, type WorkflowHandle } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { taskQueues } from '../workflows/contract.ts';
import { HoldfastError } from '../workflows/domain/errors.ts';
import type { EntryWorkflow } from '../workflows/domain/inputs.ts';
import { askAgain } from '../workers/ask-again.ts';
import { readDataConverter } from '../workers/codec/data-converter.ts';
import { requireTemporalTls } from '../workers/temporal-transport.ts';
import { readStackAddress } from './stack-address.ts';

export interface Temporal {
  client: Client;
  address: string;
  namespace: string;
  /** base address of the Web UI; null where nobody told us */
  uiUrl: string | null;
}

const connectWithinMs = 5_000;

/**
 * Opens a connection for the time of `use`. TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TLS and profiles count as they do
 * for every Temporal program; without an address it is the embedded stack's.
 *
 * @throws TemporalUnavailable - nothing answers there.
 */
export async function withTemporal<T>(use: (temporal: Temporal) => Promise<T>): Promise<T> {
  const temporal = await openTemporal(connectWithinMs);
  try {
    return await use(temporal);
  } finally {
    await temporal.client.connection.close();
  }
}

/** As withTemporal, for whoever closes the connection himself. @throws TemporalUnavailable - nothing answers there in time. */
export async function openTemporal(withinMs: number): Promise<Temporal> {
  const config = loadClientConnectConfig();
  const embedded = readStackAddress();
  const address = config.connectionOptions.address ?? embedded?.temporalAddress ?? '127.0.0.1:7233';
  const namespace = config.namespace ?? 'default';
  const uiUrl = process.env['TEMPORAL_UI_URL'] ?? (embedded?.temporalAddress === address ? embedded.uiUrl : null);
  await requireTemporalTls(config.connectionOptions, address);
  const dataConverter = await readDataConverter();
  const connection = await connect({ ...config.connectionOptions, address, connectTimeout: withinMs }, address);
  return { client: new Client({ connection, namespace, dataConverter, interceptors: { workflow: [askAgain] } }), address, namespace, uiUrl };
}

async function connect(options: NonNullable<Parameters<typeof Connection.connect>[0]>, address: string): Promise<Connection> {
  try {
    return await Connection.connect(options);
  } catch (error) {
    throw new HoldfastError('TemporalUnavailable', `no Temporal server answers at ${address}`, {
      hint: 'start the embedded one with `holdfast up`, or set TEMPORAL_ADDRESS',
      cause: error,
    });
  }
}

/** `recover/demo/2026-11-21T03:00:05Z`: an entry's id carries the time; the child below it is the lock. */
export const entryId = (kind: string, system: string, now = new Date()): string => `${kind}/${system}/${now.toISOString().slice(0, 19)}Z`;

export async function startEntry(
  { client }: Temporal,
  workflow: EntryWorkflow,
  workflowId: string,
  input: { system: string },
  summary: string,
): Promise<WorkflowHandle> {
  return await client.workflow.start(workflow, { taskQueue: taskQueues.control, workflowId, args: [input], staticSummary: summary });
}

/** Where the UI shows a workflow; null where no UI is known. */
export function workflowLink({ uiUrl, namespace }: Pick<Temporal, 'uiUrl' | 'namespace'>, workflowId: string): string | null {
  return uiUrl === null ? null : `${uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(workflowId)}`;
}

/** A worker that has not polled for so long is gone, or hangs. */
export const pollsWithinMs = 90_000;

/** Whether a worker asks for work now. A run that was started without one is not lost: it waits. */
export const hasWorker = async (temporal: Temporal): Promise<boolean> => await workersSince(temporal, Date.now() - pollsWithinMs);

/** Whether a worker has asked for work since then, for workflows and for activities. */
async function workersSince({ client: { workflow } }: Temporal, sinceMs: number): Promise<boolean> {
  const newest = async (taskQueueType: 1 | 2): Promise<number> => Math.max(0, ...(await lastPolls(workflow, taskQueues.control, taskQueueType)));
  return (await newest(1)) >= sinceMs && (await newest(2)) >= sinceMs;
}

/**
 * When each worker that Temporal remembers began its newest poll, in ms since the epoch. One that is well and has nothing to do polls once a minute.
 * @param taskQueueType - 1: workflows, 2: activities
 */
export async function lastPolls({ workflowService, options: { namespace } }: WorkflowClient, taskQueue: string, taskQueueType: 1 | 2): Promise<number[]> {
  const { pollers } = await workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue }, taskQueueType });
  return (pollers ?? []).map(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 + Number(lastAccessTime?.nanos ?? 0) / 1e6);
}

const triesForMs = 15_000;

/**
 * Sends an update. Temporal takes none in the moment in which a run's last task has failed and is tried again (workflows/evict-stale.ts): nothing was
 * taken then, so it is sent again.
 */
export async function sendUpdate<T>(handle: WorkflowHandle, name: string, message: object): Promise<T> {
  const endsAt = Date.now() + triesForMs;
  for (;;) {
    try {
      return await handle.executeUpdate<T, [object]>(name, { args: [message] });
    } catch (error) {
      if (Date.now() > endsAt || !/Workflow Task in failed state/.test(`${String(error)} ${String((error as Error).cause)}`)) throw error;
    }
    await sleep(300);
  }
}
