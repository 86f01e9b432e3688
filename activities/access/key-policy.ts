import { accessRoles, type AccessRole } from '../../workflows/domain/access-roles.ts';
import type { NamedRecipient } from '../../workflows/domain/keys/schema.ts';
import { resolveAddress } from '../secrets.ts';
import type { Policy } from './store-policy.ts';

/**
 * What a role does with a key of KMS: its Encrypt and Decrypt (`activities/stream/kms-wrapper.ts`), under the encryption context of the system file, and for this system alone, whose name is in each context of ours.
 * An alias is no resource of these calls: it is asked for as what the request names, of whatever key stands behind it.
 *
 * @source AWS KMS developer guide, condition keys kms:EncryptionContext:KEY and kms:RequestAlias.
 */
export function keyPolicy({ config }: NamedRecipient, { system, role }: { system: string; role: AccessRole }): Policy | undefined {
  if (config.kind !== 'kms') return undefined;
  const keyId = resolveAddress(config.keyId);
  const alias = /(?:^|:)(alias\/.+)$/.exec(keyId)?.[1];
  const resource = keyId.startsWith('arn:') && alias === undefined ? keyId : `arn:aws:kms:${config.region}:*:key/${alias === undefined ? keyId : '*'}`;
  const context = Object.entries({ ...config.context, system }).map(([word, value]) => [`kms:EncryptionContext:${word}`, value]);
  return {
    Version: '2012-10-17',
    Statement: [
      { Sid: 'DataKeys', Effect: 'Allow', Action: [...(accessRoles[role].puts ? ['kms:Encrypt'] : []), 'kms:Decrypt'], Resource: [resource], Condition: { StringEquals: { ...Object.fromEntries(context), ...(alias === undefined ? {} : { 'kms:RequestAlias': alias }) } } },
    ],
  };
}
