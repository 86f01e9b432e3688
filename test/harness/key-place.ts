import { randomBytes } from 'node:crypto';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import type { SourceContext } from '../../activities/context.ts';
import { beginRotation } from '../../activities/keys/begin-rotation.ts';
import { rotationKeysOf } from '../../activities/keys/rotation-keys.ts';
import { claimEpoch } from '../../activities/store/epoch.ts';
import { openLocalStore } from '../../activities/store/local.ts';
import type { Store } from '../../activities/store/store.ts';
import type { Keys } from '../../activities/stream/keys.ts';
import { openKeys } from '../../activities/stream/open-keys.ts';
import type { RotationKeys } from '../../workflows/domain/keys/describe.ts';
import type { KeyConfig } from '../../workflows/domain/keys/schema.ts';
import { rulesSchema } from '../../workflows/domain/retention/rules.ts';
import type { System } from '../../workflows/domain/system.ts';
import { collect } from '../conformance/store.ts';
import type { Owner } from './cleanup.ts';
import { keyConfig, newSecrets } from './keys.ts';
import { contextOf, of, startFirstTimeline, writeBackup, writeHead, writeSlices } from './stored-source.ts';
import { tempDir } from './temp-dir.ts';

/** Three bases on one log under one AES key; another AES key and an offline one are to come in its place. */
export interface KeyPlace {
  store: Store;
  /** as the system file was, as it is while the keys are rotated, as it is afterwards; and where all is lost but the offline key */
  was: Keys;
  rotating: Keys;
  after: Keys;
  offline: Keys;
  configs: Record<'was' | 'rotating' | 'after', KeyConfig>;
  secrets: Record<string, string>;
  context(keys: Keys, config?: KeyConfig, more?: Partial<SourceContext>): SourceContext;
}

export async function keyPlace(t: Owner): Promise<KeyPlace> {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const privateKey = await generateX25519Identity();
  const publicKey = await identityToRecipient(privateKey);
  const secrets: Record<string, string> = { ...newSecrets(), '${NEXT}': randomBytes(32).toString('hex'), '${PAPER}': privateKey };
  const after: KeyConfig = { id: 'next', aes256: '${NEXT}', recipients: { paper: { kind: 'age', publicKey } }, signing: keyConfig.signing };
  const configs = { was: keyConfig, rotating: { ...after, retiring: { test: { kind: 'aes256' as const, aes256: '${AES}' } } }, after };
  const open = async (config: KeyConfig): Promise<Keys> => await openKeys(config, async (ref) => secrets[ref]!);
  const was = await open(configs.was);
  await claimEpoch(store, was, of.system, 'the control plane', { why: 'test', takeOver: false });
  await startFirstTimeline(store, was);
  await writeSlices(store, was, [5, 15, 25, 30, 40, 50, 60]);
  await writeHead(store, was, 50, 60);
  for (const [end, options] of [[10, {}], [28, { start: 26, logFrom: 24 }], [45, {}]] as const) await writeBackup(store, was, end, options);
  return {
    store, was, configs, secrets,
    rotating: await open(configs.rotating),
    after: await open(configs.after),
    offline: await open({ recipients: { paper: { kind: 'age', publicKey, privateKey: '${PAPER}' } }, signing: keyConfig.signing }),
    context: (keys, key = configs.after, more = {}) => ({ ...contextOf(store, keys), system: { system: of.system, key, stores: [], retention: { wait: 0, sources: { [of.source]: rulesSchema.parse({ atLeast: 1, atMost: '1KiB' }) } } } as unknown as System, ...more }),
  };
}

/** A rotation for whom the file names while the keys are rotated. */
export const asking = (to: KeyPlace, more: { after?: string; dryRun?: boolean } = {}): { after: string | null; dryRun: boolean; began: RotationKeys } => ({ after: null, dryRun: false, ...more, began: rotationKeysOf(to.rotating) });
export const begin = async ({ store, rotating }: KeyPlace, more: { dryRun?: boolean; sources?: string[]; keys?: Keys } = {}) =>
  await beginRotation({ store, keys: more.keys ?? rotating, signal: new AbortController().signal }, { system: of.system, sources: more.sources ?? [of.source], run: 'r1', by: 'dana', epoch: 1, dryRun: more.dryRun ?? false });

export const versionsOf = async (store: Store): Promise<string[]> => (await collect(store, '')).map(({ key, versionId }) => `${key} ${versionId}`);
