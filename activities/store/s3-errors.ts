import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { WeakerTls } from '../../workflows/domain/weaker-tls.ts';
import { asWeakTransport } from '../transport/require-tls.ts';

interface SdkError extends Error {
  code?: string;
  $metadata?: { httpStatusCode?: number; clockSkewCorrected?: boolean };
}

const throttled = new Set(['SlowDown', 'RequestTimeout', 'Throttling', 'ThrottlingException', 'TooManyRequestsException', 'RequestTimeoutException']);
/** The bytes changed on their way: sending them again can help. */
const garbled = new Set(['BadDigest', 'InvalidDigest', 'XAmzContentChecksumMismatch', 'XAmzContentSHA256Mismatch', 'IncompleteBody']);
/** Ours is wrong, or was when the client last heard the server's time and is right now. */
const skewed = new Set(['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture']);
const gone = new Set(['NoSuchKey', 'NoSuchVersion', 'NotFound', 'MethodNotAllowed']);

/** A put-if-absent was refused because the key has an object. */
export const isExists = (error: unknown): boolean =>
  (error as SdkError).name === 'PreconditionFailed' || (error as SdkError).$metadata?.httpStatusCode === 412;

const noLock = new Set(['NoSuchObjectLockConfiguration', 'ObjectLockConfigurationNotFoundError']);

/** An object without a lock, or a bucket without any, is an error to S3 where it is asked for one. */
export const hasNoLock = (error: unknown): boolean => noLock.has((error as SdkError).name) || ((error as SdkError).name === 'InvalidRequest' && /object ?lock/i.test((error as SdkError).message));

/** What an error of the S3 client means here; `retry` when the same request may succeed. Other errors are passed on as they are. */
export function readS3Error(error: unknown, where: { store: string; bucket: string; key: string; weakerTls?: WeakerTls }): { error: unknown; retry: boolean } {
  if (!(error instanceof Error) || error instanceof HoldfastError || error instanceof TypeError) return { error, retry: false };
  const { name, message, code, $metadata } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  const at = `store ${where.store}, ${where.key || `bucket ${where.bucket}`}`;
  const said = `${name}${code ? ` ${code}` : ''}${status ? ` (${status})` : ''}${message && message !== name ? `: ${message}` : ''}`;
  const make = (type: ConstructorParameters<typeof HoldfastError>[0], text: string, hint?: string) => ({
    error: new HoldfastError(type, text, { ...(hint ? { hint } : {}), details: { key: where.key }, cause: error }),
    retry: type === 'StoreUnavailable',
  });

  const weak = status === undefined ? asWeakTransport(error, { name: `store ${where.store}`, weakerTls: where.weakerTls }) : undefined;
  if (weak) return { error: weak, retry: false };
  if (name === 'NoSuchBucket') return make('BadSystemFile', `store ${where.store}: bucket ${where.bucket} does not exist`, 'make it, with object lock enabled');
  if (name === 'CredentialsProviderError') return make('NotPermitted', `store ${where.store}: no credentials: ${message}`);
  if (isExists(error)) return make('AlreadyExists', `${where.key} exists`);
  if (gone.has(name) || status === 404 || status === 405) return make('ObjectMissing', `${where.key} is not in store ${where.store} (${name})`);
  // A conflict says that another request on the key was under way, and nothing of who won: the next try is told.
  if (status === undefined || status >= 500 || status === 429 || status === 409 || throttled.has(name) || garbled.has(name)) {
    return make('StoreUnavailable', `${at}: ${said}`);
  }
  // The client has taken the server's time from this very answer: the next request is signed with that.
  if ($metadata?.clockSkewCorrected === true || skewed.has(name)) return make('StoreUnavailable', `${at}: ${said}`, 'the clock of this machine is wrong by minutes or hours: set it');
  if (status === 401 || status === 403) return make('NotPermitted', `${at}: refused: ${said}`);
  // A reply that parses as success but is none (cut off in the middle) comes without a code worth trusting.
  if (status < 300) return make('StoreUnavailable', `${at}: answer cannot be read: ${said}`);
  return make('BadInput', `${at}: ${said}`);
}
