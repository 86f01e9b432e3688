import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient, type Document } from 'mongodb';
import type { Owner } from './cleanup.ts';
import { startMongod, type Mongod } from './mongod.ts';

export interface Secondary {
  /** speaks to the secondary alone; closed when the owner is over */
  client: MongoClient;
  /** From now on it takes the log and applies nothing of it: it lags until `goOn`. */
  lag(): Promise<void>;
  goOn(): Promise<void>;
}

/** A member without a vote beside a set's only one; in step with it when this returns. */
export async function addSecondary(owner: Owner, primary: Mongod): Promise<Secondary> {
  const second = await startMongod(owner, { replicaSet: 'rs0', initiate: false, setParameter: { enableTestCommands: 1 } });
  const admin = (await primary.connect()).db('admin');
  const { config } = await admin.command({ replSetGetConfig: 1 }) as { config: { version: number; members: Document[] } };
  const member = { _id: 1, host: `127.0.0.1:${second.port}`, votes: 0, priority: 0 };
  await admin.command({ replSetReconfig: { ...config, version: config.version + 1, members: [...config.members, member] } });
  const stateOfSecond = async (): Promise<unknown> => ((await admin.command({ replSetGetStatus: 1 }))['members'] as Document[])[1]?.['stateStr'];
  while ((await stateOfSecond()) !== 'SECONDARY') await sleep(50);

  const client = new MongoClient(`mongodb://127.0.0.1:${second.port}/?directConnection=true`, { serverSelectionTimeoutMS: 5_000 });
  owner.after(async () => await client.close());
  const stop = async (mode: 'alwaysOn' | 'off'): Promise<void> => {
    await client.db('admin').command({ configureFailPoint: 'rsSyncApplyStop', mode }, { readPreference: 'secondaryPreferred' });
  };
  return { client, lag: async () => await stop('alwaysOn'), goOn: async () => await stop('off') };
}
