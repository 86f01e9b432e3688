import { describeError, HoldfastError, type ErrorType } from '../../../workflows/domain/errors.ts';
import type { Finding } from '../../../workflows/domain/recovery-plan.ts';
import type { Setting, StoreCheck, StoreProbe } from '../../../workflows/domain/store-setup.ts';
import { formatDuration, minutes, seconds } from '../../../workflows/domain/units.ts';
import { resolveAddress, resolveSecret } from '../../secrets.ts';
import type { LoadedSystem } from '../../system-files.ts';
import { openStore } from '../open-store.ts';
import { probeStore } from './probe-store.ts';
import { chooseStore, openSetup } from './store-setup.ts';

const skewFromMs = minutes(1);
const slowFromMs = seconds(2);

/** What of the settings is worth a page; the rest is a warning: data is encrypted before it leaves the worker, and unfinished uploads only cost. */
const grave = new Set(['bucket', 'versioning', 'object lock', 'default retention', 'public access', 'directory', 'owner', 'permissions', 'free space']);

const finding = (effect: Finding['effect'], type: ErrorType, message: string, hint: string | null = null): Finding => ({ effect, type, message, hint });

/**
 * Whether the store is what the system file asks, and does what Holdfast relies on. Reads settings, and tries the rest in objects of its own (`probe-store.ts`).
 * Everything that is wrong is a finding; a store that does not answer is one too.
 *
 * @param probe - false: settings alone; nothing is written. @throws BadInput - the system has no such store. BadSystemFile, WeakTransport.
 */
export async function checkStore({ system, directory }: LoadedSystem, { name, probe = true }: { name?: string | undefined; probe?: boolean } = {}): Promise<StoreCheck> {
  const config = chooseStore(system.system, system.stores, name);
  const resolve = { secret: async (ref: string) => await resolveSecret(ref, directory), address: resolveAddress };
  const setup = await openSetup(config, resolve);
  const check: StoreCheck = { system: system.system, store: config.name, kind: config.kind, checkedAt: new Date().toISOString(), settings: [], probe: null, findings: [] };
  try {
    check.settings = await setup.read();
    check.findings.push(...check.settings.flatMap((setting) => judge(system.system, config.name, setting)));
    // A role's own credentials may not even ask for the bucket.
    const isThere = check.settings[0]?.state === 'as-asked' || check.settings[0]?.state === 'unread';
    if (probe && isThere) {
      const store = await openStore(config, resolve);
      try {
        check.probe = await probeStore({ store, setup }, { system: system.system, locks: config.lock !== undefined, governance: config.lock?.mode === 'governance' });
        check.findings.push(...judgeProbe(config.name, check.probe, config.lock !== undefined));
      } finally {
        store.close();
      }
    }
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const { message, hint } = describeError(error);
    check.findings.push(finding('fails', error.type, message, hint));
  } finally {
    setup.close();
  }
  return check;
}

function judge(system: string, store: string, { setting, state, wanted, found, hint }: Setting): Finding[] {
  if (state === 'as-asked') return [];
  const effect = grave.has(setting) && state !== 'unsupported' && state !== 'unread' ? 'fails' : 'warns';
  const type = state === 'unsupported' ? 'Unsupported' : state === 'unread' ? 'NotPermitted' : 'BadSystemFile';
  return [finding(effect, type, `store ${store}: ${setting}: ${found}; wanted: ${wanted}`, hint ?? (state === 'to-do' ? `holdfast store init ${system}` : null))];
}

function judgeProbe(store: string, { ifAbsentHolds, lockHolds, checksumHolds, skewMs, putMs, getMs }: StoreProbe, locks: boolean): Finding[] {
  return [
    ...(ifAbsentHolds === false ? [finding('fails', 'Unsupported', `store ${store}: a second put with If-None-Match was taken: two writers could each believe that they were first`, 'use a server that knows conditional puts')] : []),
    ...(locks && lockHolds === false ? [finding('fails', 'Unsupported', `store ${store}: a locked version could be deleted: the lock that the system file asks for is none`, 'use a server that keeps object locks')] : []),
    ...(checksumHolds === false ? [finding('warns', 'Unsupported', `store ${store}: bytes that are not those of their SHA-256 were taken: damage on the way is found only when they are read`)] : []),
    ...(Math.abs(skewMs) >= skewFromMs ? [finding('fails', 'BadInput', `store ${store}: its clock is ${formatDuration(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} this machine’s`, 'set the clocks: locks and retention go by the store’s')] : []),
    ...(Math.max(putMs, getMs) >= slowFromMs ? [finding('warns', 'StoreUnavailable', `store ${store}: 64 KiB took ${Math.round(putMs)} ms to put and ${Math.round(getMs)} ms to get`)] : []),
  ];
}
