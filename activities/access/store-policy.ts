import { accessRoles, type AccessRole } from '../../workflows/domain/access-roles.ts';
import type { StoreConfig } from '../../workflows/domain/system.ts';

/** A policy document of IAM, as AWS reads it. */
export interface Policy {
  Version: '2012-10-17';
  Statement: { Sid: string; Effect: 'Allow' | 'Deny'; Principal?: '*'; Action: string[]; Resource: string[]; Condition?: Record<string, Record<string, unknown>> }[];
}

type S3Config = Extract<StoreConfig, { kind: 's3' }>;

const underOf = ({ prefix }: S3Config, system: string): string => `${prefix === '' ? '' : `${prefix}/`}${system}`;

/**
 * The least rights of one role in the bucket: exactly the requests that the store's code makes (`activities/store/s3.ts`), below the system's own prefix.
 * Nobody passes over a lock, nobody deletes a key (only versions, and only who must), nobody changes the bucket.
 */
export function rolePolicy(config: S3Config, { system, bucket, role }: { system: string; bucket: string; role: AccessRole }): Policy {
  const { puts, deletes } = accessRoles[role];
  const readsLocks = 'readsLocks' in accessRoles[role] && config.lock !== undefined;
  const arn = `arn:aws:s3:::${bucket}`;
  const under = underOf(config, system);
  const deletable = { all: `${arn}/${under}/*`, holds: `${arn}/${under}/holds/*` };
  return {
    Version: '2012-10-17',
    Statement: [
      { Sid: 'Bucket', Effect: 'Allow', Action: ['s3:GetBucketVersioning'], Resource: [arn] },
      { Sid: 'List', Effect: 'Allow', Action: ['s3:ListBucketVersions'], Resource: [arn], Condition: { StringLike: { 's3:prefix': [`${under}/*`] } } },
      { Sid: 'Read', Effect: 'Allow', Action: ['s3:GetObject', 's3:GetObjectVersion', ...(readsLocks ? ['s3:GetObjectRetention'] : [])], Resource: [`${arn}/${under}/*`] },
      ...(puts ? [{ Sid: 'Write', Effect: 'Allow' as const, Action: ['s3:PutObject', ...(config.lock ? ['s3:PutObjectRetention'] : [])], Resource: [`${arn}/${under}/*`] }] : []),
      ...(deletes ? [{ Sid: 'Delete', Effect: 'Allow' as const, Action: ['s3:DeleteObjectVersion'], Resource: [deletes === true ? deletable.all : deletable[deletes]] }] : []),
      // Said, though nothing grants it: another policy of the same user might.
      { Sid: 'KeepLocks', Effect: 'Deny', Action: ['s3:BypassGovernanceRetention', 's3:PutBucketVersioning', 's3:PutBucketObjectLockConfiguration', 's3:PutLifecycleConfiguration', 's3:DeleteBucket'], Resource: [arn, `${arn}/*`] },
    ],
  };
}

/** For the bucket itself: nobody speaks to it in the clear, or by a TLS that is older than the system file lets. */
export function bucketPolicy({ weakerTls }: Pick<S3Config, 'weakerTls'>, bucket: string): Policy {
  const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  const deny = { Effect: 'Deny' as const, Principal: '*' as const, Action: ['s3:*'], Resource };
  return {
    Version: '2012-10-17',
    Statement: weakerTls?.atLeast === 'none' ? [] : [
      { Sid: 'NothingInTheClear', ...deny, Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
      { Sid: 'NoOldTls', ...deny, Condition: { NumericLessThan: { 's3:TlsVersion': weakerTls?.atLeast ?? '1.3' } } },
    ],
  };
}
