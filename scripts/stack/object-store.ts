import { CreateBucketCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../activities/tool/free-port.ts';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startServer, type ServerProcess } from '../../activities/tool/start-server.ts';

export interface ObjectStoreAddress {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** Somebody beside the one who may do everything: `name` is the access key too. */
export interface ObjectStoreUser {
  name: string;
  secretAccessKey: string;
  /** a policy document of IAM */
  policy: object;
}

/** Every port of the server, named, because each one left out would be the same for all servers on the machine. */
export type ObjectStorePorts = Record<'s3' | 's3Grpc' | 'master' | 'masterGrpc' | 'volume' | 'volumeGrpc' | 'filer' | 'filerGrpc' | 'debug', number>;

export async function chooseObjectStorePorts(): Promise<ObjectStorePorts> {
  const names = ['s3', 's3Grpc', 'master', 'masterGrpc', 'volume', 'volumeGrpc', 'filer', 'filerGrpc', 'debug'] as const;
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()]))) as ObjectStorePorts;
}

/**
 * Starts SeaweedFS with its S3 gateway on loopback and returns when it answers a signed request. Safe to repeat.
 *
 * @param directory - holds data, log, pid file and the identities file (mode 0600), which is how the secret key reaches the server.
 */
export async function startObjectStoreServer(
  directory: string,
  ports: ObjectStorePorts,
  identity: { accessKeyId: string; secretAccessKey: string },
  options: { tiedToUs?: boolean; users?: readonly ObjectStoreUser[] } = {},
): Promise<ServerProcess> {
  mkdirSync(join(directory, 'data'), { recursive: true });
  const identitiesFile = join(directory, 'identities.json');
  const identities = [
    {
      name: 'holdfast',
      credentials: [{ accessKey: identity.accessKeyId, secretKey: identity.secretAccessKey }],
      actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'],
    },
  ];
  const { users = [] } = options;
  const all = [...identities, ...users.map(({ name, secretAccessKey }) => ({ name, credentials: [{ accessKey: name, secretKey: secretAccessKey }], policyNames: [name] }))];
  const policies = users.map(({ name, policy }) => ({ name, content: JSON.stringify(policy) }));
  writeFileSync(identitiesFile, JSON.stringify({ identities: all, policies }), { mode: 0o600 });
  const client = s3Client({ ...identity, endpoint: `http://127.0.0.1:${ports.s3}`, region: 'us-east-1' });
  try {
    return await startServer({
      name: 'object store',
      program: findTool('weed'),
      args: objectStoreArguments(directory, ports, identitiesFile),
      cwd: directory,
      logFile: join(directory, 'weed.log'),
      pidFile: join(directory, 'server.pid'),
      readyWithinMs: 60_000,
      tiedToUs: options.tiedToUs ?? false,
      // The gateway answers before it has read the identities and before the master has elected itself.
      ready: async () => Array.isArray((await client.send(new ListBucketsCommand({}))).Buckets) && (await masterIsReady(ports.master)),
    });
  } finally {
    client.destroy();
  }
}

/** Makes a bucket; object lock can only be given at birth. Safe to repeat. */
export async function createBucket(address: ObjectStoreAddress, name: string, options: { lock?: boolean } = {}): Promise<void> {
  const client = s3Client(address);
  try {
    await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: options.lock ?? false }));
  } catch (error) {
    if (!['BucketAlreadyOwnedByYou', 'BucketAlreadyExists'].includes((error as Error).name)) throw error;
  } finally {
    client.destroy();
  }
}

function s3Client(address: ObjectStoreAddress): S3Client {
  return new S3Client({
    endpoint: address.endpoint,
    region: address.region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: address.accessKeyId, secretAccessKey: address.secretAccessKey },
  });
}

/** Sockets that the server makes outside its directory and leaves there when it is killed. */
export function removeObjectStoreSockets(ports: ObjectStorePorts): void {
  const sockets = [
    ...[`filer-${ports.filer}`, `filer-grpc-${ports.filerGrpc}`, `master-grpc-${ports.masterGrpc}`],
    ...[`s3-${ports.s3}`, `s3-grpc-${ports.s3Grpc}`, `volume-grpc-${ports.volumeGrpc}`],
  ];
  for (const socket of sockets) rmSync(`/tmp/seaweedfs-${socket}.sock`, { force: true });
}

/** A volume server that has not joined yet makes the first puts fail. */
async function masterIsReady(port: number): Promise<boolean> {
  const answer = (await (await fetch(`http://127.0.0.1:${port}/dir/status`)).json()) as { Topology?: { Max?: number } };
  return (answer.Topology?.Max ?? 0) > 0;
}

function objectStoreArguments(directory: string, ports: ObjectStorePorts, identitiesFile: string): string[] {
  return [
    '-logtostderr=true',
    'server',
    ...['-ip=127.0.0.1', '-ip.bind=127.0.0.1', `-dir=${join(directory, 'data')}`],
    ...[`-master.port=${ports.master}`, `-master.port.grpc=${ports.masterGrpc}`, '-master.volumeSizeLimitMB=1024', '-master.telemetry=false'],
    ...[`-volume.port=${ports.volume}`, `-volume.port.grpc=${ports.volumeGrpc}`, '-volume.max=50', '-volume.preStopSeconds=0'],
    ...['-filer', `-filer.port=${ports.filer}`, `-filer.port.grpc=${ports.filerGrpc}`],
    ...['-s3', `-s3.port=${ports.s3}`, `-s3.port.grpc=${ports.s3Grpc}`, '-s3.port.iceberg=0', '-s3.port.lance=0', `-s3.config=${identitiesFile}`],
    `-debug.port=${ports.debug}`,
  ];
}
