import type { Setting } from '../../../workflows/domain/store-setup.ts';
import { resolveAddress, resolveSecret } from '../../secrets.ts';
import type { LoadedSystem } from '../../system-files.ts';
import { chooseStore, openSetup } from './store-setup.ts';

export interface StoreInit {
  system: string;
  store: string;
  /** as it was found */
  plan: Setting[];
  /** as it is now; null: a dry run, nothing was changed */
  settings: Setting[] | null;
}

/**
 * Makes a store what the system file asks; what is so already is left alone, and nothing is taken away.
 * @param onPlan - told what is going to be done before any of it is. @throws BadInput, BadSystemFile, WeakTransport, StoreUnavailable, NotPermitted.
 */
export async function initStore({ system, directory }: LoadedSystem, { name, dryRun, onPlan }: { name?: string | undefined; dryRun: boolean; onPlan?: (plan: Setting[]) => void }): Promise<StoreInit> {
  const config = chooseStore(system.system, system.stores, name);
  const setup = await openSetup(config, { secret: async (ref) => await resolveSecret(ref, directory), address: resolveAddress });
  try {
    const plan = await setup.read();
    onPlan?.(plan);
    const of = { system: system.system, store: config.name, plan };
    if (dryRun) return { ...of, settings: null };
    const settings: Setting[] = [];
    // In this order: lock and versions come with the bucket, and default encryption is tried by a put.
    for (const setting of plan) settings.push(setting.state === 'to-do' ? await setup.apply(setting) : setting);
    return { ...of, settings };
  } finally {
    setup.close();
  }
}
