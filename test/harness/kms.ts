import { join } from 'node:path';
import { freePort } from '../../activities/tool/free-port.ts';
import { startTool, type RunningTool } from '../../activities/tool/run-tool.ts';
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import type { KmsSettings } from '../../activities/stream/kms-wrapper.ts';
import type { Owner } from './cleanup.ts';
import { pythonWith } from './python-tools.ts';
import { until } from './until.ts';

export interface TestKms {
  settings: Pick<KmsSettings, 'region' | 'endpoint' | 'credentials'>;
  client: KMSClient;
  /** @returns its ARN */
  createKey(alias?: string): Promise<string>;
  /** Ends it at once. What it knew is lost with it. */
  stop(): Promise<void>;
}

/** A KMS on the wire: moto's server, which binds the encryption context to the ciphertext as the real one does. It does not refuse keys that are disabled, or denied by a policy. */
export async function startKms(owner: Owner): Promise<TestKms | { missing: string }> {
  const python = await pythonWith('kms', join(import.meta.dirname, 'kms-requirements.txt'));
  if ('missing' in python) return python;
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server: RunningTool = startTool({ path: python.path }, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], { label: 'moto' });
  server.stdout.resume();
  const ended = server.done.catch(() => undefined);
  const stop = async (): Promise<void> => {
    await server.kill(0);
    await ended;
  };
  owner.after(stop);
  const settings = { region: 'eu-west-1', endpoint, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  const client = new KMSClient({ ...settings, maxAttempts: 1 });
  owner.after(() => client.destroy());
  await until('the KMS to answer', async () => (await fetch(`${endpoint}/moto-api/`)).ok);
  return {
    settings,
    client,
    stop,
    createKey: async (alias) => {
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
      if (alias !== undefined) await client.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: KeyMetadata!.KeyId }));
      return KeyMetadata!.Arn!;
    },
  };
}
