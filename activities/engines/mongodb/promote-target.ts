import { setTimeout as sleep } from 'node:timers/promises';
import type { Document, MongoClient } from 'mongodb';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { openProvisioner } from '../../provision/provisioner.ts';
import { adminOf, withTarget } from './connect.ts';
import { controlDatabase } from './control.ts';

/**
 * Turns the proved standalone into a replica set of one member that asks for authentication where its endpoint has credentials, and forgets the restore’s
 * own notes. Further members are a step of their own: the system serves again with one.
 *
 * Safe to repeat: what is done already is found done, and a server that is primary of its set is left as it is.
 */
export async function promoteTarget(context: SourceContext, input: { target: TargetRef }): Promise<{ summary: string; sourceIdentity: string }> {
  const { target } = input;
  const provisioner = await openProvisioner(context);
  // Before the restart: nobody's permission is needed yet, and the new log begins without entries about our notes.
  if ((await provisioner.describe(context)).state === 'standalone') {
    await withTarget(context, target, async (client) => await client.db(controlDatabase).dropDatabase());
  }
  const { replicaSet, address } = await provisioner.restartAsReplicaSet(context, target);
  return await withTarget(context, target, async (client) => {
    await initiate(client, replicaSet, address);
    await waitForPrimary(context, client, address);
    const { config } = await adminOf(client).command({ replSetGetConfig: 1 }) as { config: { settings: { replicaSetId: unknown } } };
    return { summary: `${address} is primary of ${replicaSet}`, sourceIdentity: String(config.settings.replicaSetId) };
  }, { promoted: true });
}

async function initiate(client: MongoClient, replicaSet: string, address: string): Promise<void> {
  try {
    await adminOf(client).command({ replSetInitiate: { _id: replicaSet, members: [{ _id: 0, host: address }] } });
  } catch (error) {
    // AlreadyInitialized: an earlier attempt came this far.
    if ((error as { code?: unknown }).code !== 23) throw error;
  }
}

async function waitForPrimary(context: SourceContext, client: MongoClient, address: string): Promise<void> {
  const untilMs = performance.now() + context.system.databaseReadyWithin;
  for (;;) {
    const hello = await adminOf(client).command({ hello: 1 }) as Document;
    if (hello['isWritablePrimary'] === true) return;
    if (performance.now() > untilMs) {
      throw new HoldfastError('TargetUnavailable', `${address} did not become primary within ${context.system.databaseReadyWithin / 1000} s`);
    }
    await sleep(25, undefined, { signal: context.signal });
  }
}
