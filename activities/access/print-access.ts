import type { AccessRole, EngineGrant } from '../../workflows/domain/access-roles.ts';
import type { System } from '../../workflows/domain/system.ts';
import { openEngine } from '../engines/open-engine.ts';
import { resolveAddress } from '../secrets.ts';
import { bucketPolicy, rolePolicy, type Policy } from './store-policy.ts';

export interface PrintedAccess {
  system: string;
  role: AccessRole;
  /** per store; null: a directory, whose owner is all that guards it */
  stores: { store: string; policy: Policy | null; bucketPolicy: Policy | null }[];
  /** per source */
  sources: { source: string; grant: EngineGrant }[];
}

/** The least rights of a role, from the system file alone. @throws BadSystemFile - the name of a bucket stands for nothing. */
export async function printAccess(system: System, role: AccessRole): Promise<PrintedAccess> {
  return {
    system: system.system,
    role,
    stores: system.stores.map((store) => {
      if (store.kind === 'local') return { store: store.name, policy: null, bucketPolicy: null };
      const bucket = resolveAddress(store.bucket);
      return { store: store.name, policy: rolePolicy(store, { system: system.system, bucket, role }), bucketPolicy: bucketPolicy(store, bucket) };
    }),
    sources: await Promise.all(Object.entries(system.sources).map(async ([source, { engine }]) => ({ source, grant: (await openEngine(engine)).grants(role) }))),
  };
}
