import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import { chooseObjectStorePorts, createBucket, removeObjectStoreSockets, startObjectStoreServer, type ObjectStoreAddress, type ObjectStoreUser } from '../../scripts/stack/object-store.ts';
import type { Owner } from './cleanup.ts';

export interface ObjectStore extends ObjectStoreAddress {
  directory: string;
  pid: number;
  createBucket(name: string, options?: { lock?: boolean }): Promise<void>;
  /** Ends it at once, as an outage would. */
  stop(): Promise<void>;
  /** Starts it again on its ports and data. */
  start(): Promise<void>;
}

/** A real S3 server of the owner's own, with versions and object lock. */
export async function startObjectStore(owner: Owner, users: readonly ObjectStoreUser[] = []): Promise<ObjectStore> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-s3-'));
  const ports = await chooseObjectStorePorts();
  const identity = { accessKeyId: 'holdfast-test', secretAccessKey: randomBytes(16).toString('hex') };
  const pidFile = join(directory, 'server.pid');
  const store: ObjectStore = {
    ...identity,
    endpoint: `http://127.0.0.1:${ports.s3}`,
    region: 'us-east-1',
    directory,
    pid: -1,
    createBucket: async (name, options) => await createBucket(store, name, options),
    stop: async () => void (await stopByPidFile(pidFile, 'SIGKILL')),
    start: async () => {
      store.pid = (await startObjectStoreServer(directory, ports, identity, { tiedToUs: true, users })).pid;
    },
  };
  owner.after(async () => {
    await store.stop();
    removeObjectStoreSockets(ports);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  await store.start();
  return store;
}
