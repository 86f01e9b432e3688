import {
  CreateBucketCommand,
  DeleteBucketEncryptionCommand,
  DeleteObjectCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutPublicAccessBlockCommand,
  type BucketLocationConstraint,
  type LifecycleRule,
  type S3Client,
} from '@aws-sdk/client-s3';
import { ulid } from 'ulid';
import { hours } from '../../../workflows/domain/units.ts';
import type { Setting } from '../../../workflows/domain/store-setup.ts';
import type { StoreConfig } from '../../../workflows/domain/system.ts';
import { s3Options, type Resolve } from '../open-store.ts';
import { openS3Client, type S3StoreOptions } from '../s3.ts';
import { readS3Error } from '../s3-errors.ts';
import type { StoreSetup } from './store-setup.ts';

/** How long parts of an upload that was never finished stay. */
const abortedAfterDays = 7;
const ruleId = 'holdfast-aborted-uploads';

type Config = Extract<StoreConfig, { kind: 's3' }>;
interface Place {
  client: S3Client;
  config: Config;
  options: S3StoreOptions;
  bucket: string;
}

/** One setting of a bucket: what it is, and how it is brought about. `missing`: the error by which S3 says that there is none. */
interface Kind {
  setting: string;
  wanted: string;
  missing?: RegExp;
  none: string;
  read(): Promise<Pick<Setting, 'found'> & { ok: boolean; hint?: string; only?: 'cannot' }>;
  apply(): Promise<unknown>;
}

export async function s3Setup(config: Config, resolve: Resolve): Promise<StoreSetup> {
  const options = await s3Options(config, resolve);
  const place: Place = { client: openS3Client(options), config, options, bucket: options.bucket };
  const kinds = kindsOf(place);
  const read = async (): Promise<Setting[]> => {
    const [first, ...rest] = kinds;
    const bucket = await readOne(place, first!);
    if (bucket.state === 'to-do') return [bucket, ...rest.map(({ setting, wanted }): Setting => ({ setting, state: 'to-do', wanted, found: 'no bucket yet', hint: null }))];
    return [bucket, ...(await Promise.all(rest.map(async (kind) => await readOne(place, kind))))];
  };
  const key = (name: string): string => (config.prefix === '' ? name : `${config.prefix}/${name}`);
  return {
    read,
    apply: async ({ setting }) => {
      const kind = kinds.find((one) => one.setting === setting)!;
      const before = await readOne(place, kind);
      if (before.state !== 'to-do') return before;
      try {
        await kind.apply();
      } catch (error) {
        if (isUnsupported(error)) return { ...before, state: 'unsupported', found: `this server has no such setting (${(error as Error).name})` };
        throw named(place, error);
      }
      return await readOne(place, kind);
    },
    refusesWrongChecksum: async (name) => await refused(place, new PutObjectCommand({ Bucket: place.bucket, Key: key(name), Body: 'other bytes', ChecksumSHA256: Buffer.alloc(32).toString('base64') }), (status) => status === 400),
    bypassesLock: async ({ key: name, versionId }) => !(await refused(place, new DeleteObjectCommand({ Bucket: place.bucket, Key: key(name), VersionId: versionId, BypassGovernanceRetention: true }), (status) => status === 403 || status === 400)),
    close: () => place.client.destroy(),
  };
}

function kindsOf(place: Place): Kind[] {
  const { client, config, bucket: Bucket } = place;
  const { lock } = config;
  return [
    {
      setting: 'bucket', wanted: `${Bucket}${lock ? ', made with object lock' : ''}`, missing: /NotFound|NoSuchBucket/, none: `${Bucket} is not there`,
      read: async () => { await client.send(new HeadBucketCommand({ Bucket })); return { ok: true, found: Bucket }; },
      apply: async () => await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: lock !== undefined, ...(config.endpoint === undefined && config.region !== 'us-east-1' ? { CreateBucketConfiguration: { LocationConstraint: config.region as BucketLocationConstraint } } : {}) })),
    },
    {
      setting: 'versioning', wanted: 'Enabled', none: 'off',
      read: async () => { const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket })); return { ok: Status === 'Enabled', found: Status ?? 'off' }; },
      apply: async () => await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } })),
    },
    ...(lock ? [objectLock(place), ...(lock.byDefault ? [defaultRetention(place, lock)] : [])] : []),
    {
      setting: 'public access', wanted: 'all four blocks', missing: /NoSuchPublicAccessBlock/, none: 'not blocked',
      read: async () => {
        const { PublicAccessBlockConfiguration: found } = await client.send(new GetPublicAccessBlockCommand({ Bucket }));
        const off = Object.entries(allBlocks).filter(([name]) => found?.[name as keyof typeof allBlocks] !== true).map(([name]) => name);
        return { ok: off.length === 0, found: off.length === 0 ? 'blocked' : `off: ${off.join(', ')}` };
      },
      apply: async () => await client.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: allBlocks })),
    },
    {
      setting: 'encryption', wanted: 'AES256 or a key of the KMS, by default', missing: /ServerSideEncryptionConfigurationNotFound/, none: 'none by default',
      read: async () => {
        const { ServerSideEncryptionConfiguration } = await client.send(new GetBucketEncryptionCommand({ Bucket }));
        const by = ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm;
        return { ok: by !== undefined, found: by ?? 'none by default' };
      },
      apply: async () => await encryptByDefault(place),
    },
    lifecycle(place),
  ];
}

const allBlocks = { BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true };

const objectLock = ({ client, bucket: Bucket }: Place): Kind => ({
  setting: 'object lock', wanted: 'Enabled', missing: /ObjectLockConfigurationNotFound/, none: 'off',
  read: async () => {
    const { ObjectLockConfiguration: found } = await client.send(new GetObjectLockConfigurationCommand({ Bucket }));
    return { ok: found?.ObjectLockEnabled === 'Enabled', found: found?.ObjectLockEnabled ?? 'off' };
  },
  // It is given to a bucket when it is made.
  apply: async () => await Promise.resolve(),
});

function defaultRetention({ client, bucket: Bucket }: Place, { mode, retain }: NonNullable<Config['lock']>): Kind {
  const Days = Math.ceil(retain / hours(24));
  const Mode = mode === 'governance' ? 'GOVERNANCE' : 'COMPLIANCE';
  return {
    setting: 'default retention', wanted: `${Mode}, ${Days} days`, missing: /ObjectLockConfigurationNotFound/, none: 'none',
    read: async () => {
      const rule = (await client.send(new GetObjectLockConfigurationCommand({ Bucket }))).ObjectLockConfiguration?.Rule?.DefaultRetention;
      return { ok: rule?.Mode === Mode && rule.Days === Days, found: rule ? `${rule.Mode}, ${rule.Days ?? `${rule.Years} years of`} days` : 'none' };
    },
    apply: async () => await client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode, Days } } } })),
  };
}

/** A server may take the setting and then refuse every put (it has no key to encrypt by): so one is tried, and the setting taken back where it fails. */
async function encryptByDefault({ client, bucket: Bucket, config }: Place): Promise<void> {
  await client.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }] } }));
  const Key = `${config.prefix === '' ? '' : `${config.prefix}/`}_probe/${ulid()}`;
  try {
    const { VersionId } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'encrypted by default' }));
    await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId })).catch(() => undefined);
  } catch (error) {
    await client.send(new DeleteBucketEncryptionCommand({ Bucket }));
    throw Object.assign(new Error(`with it, every put is refused: ${(error as Error).message}`), { name: 'PutRefused', isUnsupported: true });
  }
}

function lifecycle({ client, bucket: Bucket, config }: Place): Kind {
  const rulesNow = async (): Promise<LifecycleRule[]> =>
    (await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket })).catch((error: unknown) => {
      if (/NoSuchLifecycleConfiguration/.test((error as Error).name)) return { Rules: [] };
      throw error;
    })).Rules ?? [];
  const deletes = ({ Expiration, NoncurrentVersionExpiration, Filter, Status }: LifecycleRule): boolean => {
    const prefix = Filter?.Prefix ?? Filter?.And?.Prefix ?? '';
    const touches = prefix.startsWith(config.prefix) || config.prefix.startsWith(prefix);
    return Status === 'Enabled' && touches && (Expiration?.Days !== undefined || Expiration?.Date !== undefined || NoncurrentVersionExpiration !== undefined);
  };
  return {
    setting: 'lifecycle', wanted: `uploads that were never finished go after ${abortedAfterDays} days, and nothing else does`, none: 'no rules',
    read: async () => {
      const rules = await rulesNow();
      const harmful = rules.filter(deletes).map(({ ID }) => ID ?? 'without a name');
      if (harmful.length > 0) return { ok: false, only: 'cannot', found: `rules that delete backups: ${harmful.join(', ')}`, hint: 'take them out: what a kept chain needs is known to `holdfast retention` alone' };
      const aborts = rules.some(({ AbortIncompleteMultipartUpload: abort, Status }) => abort?.DaysAfterInitiation !== undefined && Status === 'Enabled');
      return { ok: aborts, found: aborts ? 'unfinished uploads go' : 'unfinished uploads stay for ever' };
    },
    apply: async () => await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [...(await rulesNow()), { ID: ruleId, Status: 'Enabled', Filter: { Prefix: config.prefix === '' ? '' : `${config.prefix}/` }, AbortIncompleteMultipartUpload: { DaysAfterInitiation: abortedAfterDays } }] } })),
  };
}

async function readOne(place: Place, { setting, wanted, missing, none, read }: Kind): Promise<Setting> {
  const asHow = (found: string, ok: boolean, hint: string | null = null, only?: 'cannot'): Setting => ({ setting, state: ok ? 'as-asked' : (only ?? 'to-do'), wanted, found, hint });
  try {
    const { ok, found, hint = null, only } = await read();
    return asHow(found, ok, hint, only);
  } catch (error) {
    const { name } = error as Error;
    if (missing?.test(name)) return setting === 'object lock' ? asHow('the bucket was made without it', false, lockHint(place), 'cannot') : asHow(none, false);
    if (isUnsupported(error)) return { setting, state: 'unsupported', wanted, found: `this server has no such setting (${name})`, hint: null };
    if (statusOf(error) === 403) return { setting, state: 'unread', wanted, found: 'these credentials may not look', hint: 'look with those of whoever keeps the bucket' };
    throw named(place, error);
  }
}

const lockHint = ({ bucket }: Place): string => `a bucket is given object lock when it is made: name another one than ${bucket} in the system file and let store init make it; what is in ${bucket} stays there, readable by its own name. Some providers can add it later: ask yours`;

const statusOf = (error: unknown): number | undefined => (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
const isUnsupported = (error: unknown): boolean => (error as { isUnsupported?: boolean }).isUnsupported === true || statusOf(error) === 501 || /NotImplemented|MethodNotAllowed/.test((error as Error).name);
const named = ({ config, options, bucket }: Place, error: unknown): unknown => readS3Error(error, { store: config.name, bucket, key: '', weakerTls: options.weakerTls }).error;

/** Whether a request is refused, by a status that says so; an outage is none. */
async function refused(place: Place, command: PutObjectCommand | DeleteObjectCommand, by: (status: number | undefined) => boolean): Promise<boolean> {
  try {
    await (place.client.send as (sent: unknown) => Promise<unknown>).call(place.client, command);
    return false;
  } catch (error) {
    if (by(statusOf(error))) return true;
    throw named(place, error);
  }
}
