import type { AccessRole, EngineGrant } from '../../workflows/domain/access-roles.ts';
import { recipientsOf, retiringOf } from '../../workflows/domain/keys/schema.ts';
import type { System } from '../../workflows/domain/system.ts';
import { openEngine } from '../engines/open-engine.ts';
import { resolveAddress } from '../secrets.ts';
import { keyPolicy } from './key-policy.ts';
import { bucketPolicy, rolePolicy, type Policy } from './store-policy.ts';

export interface PrintedAccess {
  system: string;
  role: AccessRole;
  /** per store; null: a directory, whose owner is all that guards it */
  stores: { store: string; policy: Policy | null; bucketPolicy: Policy | null }[];
  /** per recipient of the backup key that is a key of KMS, those included that only open what is there */
  keys: { recipient: string; policy: Policy }[];
  /** per source */
  sources: { source: string; grant: EngineGrant }[];
}

/** The least rights of a role, from the system file alone. @throws BadSystemFile - the name of a bucket, or of a key, stands for nothing. */
export async function printAccess(system: System, role: AccessRole): Promise<PrintedAccess> {
  return {
    system: system.system,
    role,
    stores: system.stores.map((store) => {
      if (store.kind === 'local') return { store: store.name, policy: null, bucketPolicy: null };
      const bucket = resolveAddress(store.bucket);
      return { store: store.name, policy: rolePolicy(store, { system: system.system, bucket, role }), bucketPolicy: bucketPolicy(store, bucket) };
    }),
    keys: [...recipientsOf(system.key), ...retiringOf(system.key)].flatMap((one) => {
      const policy = keyPolicy(one, { system: system.system, role });
      return policy ? [{ recipient: one.id, policy }] : [];
    }),
    sources: await Promise.all(Object.entries(system.sources).map(async ([name, source]) => ({ source: name, grant: (await openEngine(source.engine)).grants(role, source, system) }))),
  };
}
