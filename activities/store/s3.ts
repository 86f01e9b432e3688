import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  S3Client,
  type ListObjectVersionsCommandOutput,
  type ObjectLockMode,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { isEvidence } from '../../workflows/domain/layout.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { seconds } from '../../workflows/domain/units.ts';
import type { WeakerTls } from '../../workflows/domain/weaker-tls.ts';
import { letGoPiece } from '../stream/let-go.ts';
import { requireTls } from '../transport/require-tls.ts';
import { checkPut, checkRead, maxObjectBytes } from './checks.ts';
import { hasNoLock, isExists, readS3Error } from './s3-errors.ts';
import { groupVersions } from './s3-versions.ts';
import type { ObjectVersion, PutOptions, ReadOptions, Store } from './store.ts';

export interface S3StoreOptions {
  name: string;
  endpoint?: string | undefined;
  region: string;
  bucket: string;
  prefix: string;
  pathStyle: boolean;
  /** left out: the SDK's own chain (environment, profile, role) */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  /** `evidence`: how long evidence (`isEvidence`) is locked; left out: as long as everything */
  lock?: { mode: 'governance' | 'compliance'; retain: number; evidence?: number | undefined } | undefined;
  /** PEM, beside the usual ones */
  ca?: string | undefined;
  weakerTls?: WeakerTls;
  /** Waits between tries, one a try. A longer outage is the caller's to sit out: it can say so, and be cancelled. */
  retryAfterMs?: readonly number[];
}

const defaultRetryAfterMs = [200, 600, 1500];
/** No further try once this much time went by, so that a server that hangs is reported in bounded time. */
const retryWithinMs = seconds(15);

/** A bucket on any S3. Nothing is asked of it yet: the first put refuses a bucket that keeps no versions. */
export function openS3Store(options: S3StoreOptions): Store {
  return new S3Store(openS3Client(options), options);
}

/** A client that gives up in bounded time, and sends nothing off this machine but by TLS 1.3, or what `weakerTls` allows. */
export function openS3Client(options: Pick<S3StoreOptions, 'name' | 'endpoint' | 'region' | 'pathStyle' | 'credentials' | 'ca' | 'weakerTls'>): S3Client {
  const connector = { name: `store ${options.name}`, weakerTls: options.weakerTls };
  const { minVersion } = requireTls({ ...connector, hosts: [], tls: true });
  const client = new S3Client({
    region: options.region,
    forcePathStyle: options.pathStyle,
    ...(options.endpoint ? { endpoint: options.endpoint } : {}),
    ...(options.credentials ? { credentials: options.credentials } : {}),
    // Tries are counted here, where a put-if-absent can tell its own earlier try from somebody else's object.
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: seconds(3),
      socketTimeout: seconds(15),
      requestTimeout: seconds(120),
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: 32 },
      httpsAgent: { keepAlive: true, maxSockets: 32, minVersion, ...(options.ca === undefined ? {} : { ca: [...rootCertificates, options.ca] }) },
    },
  });
  // At each request, since the SDK finds its address by more than our own settings.
  client.middlewareStack.add((next) => async (args) => {
    const { hostname, protocol } = args.request as { hostname: string; protocol: string };
    requireTls({ ...connector, hosts: [hostname], tls: protocol === 'https:' });
    return await next(args);
  }, { step: 'finalizeRequest', name: 'requireTls' });
  return client;
}

class S3Store implements Store {
  readonly name: string;
  readonly #client: S3Client;
  readonly #options: S3StoreOptions;
  readonly #prefix: string;
  #versioned: Promise<void> | undefined;

  constructor(client: S3Client, options: S3StoreOptions) {
    this.name = options.name;
    this.#client = client;
    this.#options = options;
    this.#prefix = options.prefix === '' ? '' : `${options.prefix}/`;
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<ObjectRef> {
    checkPut(key, body);
    await this.#requireVersions(options.signal);
    const digest = createHash('sha256').update(body).digest();
    const answer = await this.#send(key, options.signal, async (abort, isRetry) => {
      try {
        return await this.#client.send(
          new PutObjectCommand({
            Bucket: this.#options.bucket,
            Key: this.#prefix + key,
            Body: body,
            ContentLength: body.byteLength,
            ContentType: 'application/octet-stream',
            // The server refuses bytes that are not these.
            ChecksumSHA256: digest.toString('base64'),
            ...(options.ifAbsent ? { IfNoneMatch: '*' } : {}),
            ...this.#lockHeaders(key, options.lockUntil),
          }),
          abort,
        );
      } catch (error) {
        // An earlier try may have been stored though its answer was lost.
        const mine = isRetry && options.ifAbsent && isExists(error) ? await this.#versionWith(key, digest, options.signal) : undefined;
        if (mine) return { VersionId: mine, ChecksumSHA256: undefined };
        throw error;
      }
    });
    const stored = answer.ChecksumSHA256;
    if (stored !== undefined && stored !== digest.toString('base64')) {
      throw new HoldfastError('StoreUnavailable', `store ${this.name}: ${key} was stored with SHA-256 ${stored}, sent ${digest.toString('base64')}`);
    }
    const versionId = answer.VersionId;
    if (!versionId || versionId === 'null') throw this.#noVersions();
    return { key, versionId, bytes: body.byteLength, sha256: digest.toString('hex') };
  }

  async get(ref: ObjectRef, options: ReadOptions = {}): Promise<Buffer> {
    return checkRead(ref, await this.getVersion(ref, options));
  }

  async getVersion(version: { key: string; versionId: string }, options: ReadOptions = {}): Promise<Buffer> {
    return this.#send(version.key, options.signal, async (abort) => {
      const answer = await this.#client.send(
        new GetObjectCommand({ Bucket: this.#options.bucket, Key: this.#prefix + version.key, VersionId: version.versionId }),
        abort,
      );
      if ((answer.ContentLength ?? 0) > maxObjectBytes) {
        // Closes the connection: the rest of the body is not wanted.
        (answer.Body as { destroy?: () => void } | undefined)?.destroy?.();
        throw new HoldfastError('Tampered', `${version.key} version ${version.versionId}: ${answer.ContentLength} bytes, more than any object of ours`);
      }
      return await readBody(answer.Body as Readable, answer.ContentLength);
    });
  }

  async has(key: string, options: ReadOptions = {}): Promise<boolean> {
    try {
      await this.#send(key, options.signal, (abort) => this.#client.send(new HeadObjectCommand({ Bucket: this.#options.bucket, Key: this.#prefix + key }), abort));
      return true;
    } catch (error) {
      // S3 refuses a user who may list versions alone where there is nothing, so that they learn nothing; that they may read what is there is seen by every other read.
      if (error instanceof HoldfastError && (error.type === 'ObjectMissing' || error.type === 'NotPermitted')) return false;
      throw error;
    }
  }

  async *list(prefix: string, options: ReadOptions & { startAfter?: string } = {}): AsyncGenerator<ObjectVersion> {
    const { startAfter } = options;
    let marker: Pick<ListObjectVersionsCommandOutput, 'NextKeyMarker' | 'NextVersionIdMarker'> = {
      NextKeyMarker: startAfter ? this.#prefix + startAfter : undefined,
    };
    // The versions of one key can go over the end of a page, and pages have the newest first: the last key waits.
    let waiting: ObjectVersion[] = [];
    for (;;) {
      const page = await this.#send(prefix, options.signal, (abort) =>
        this.#client.send(
          new ListObjectVersionsCommand({
            Bucket: this.#options.bucket,
            Prefix: this.#prefix + prefix,
            KeyMarker: marker.NextKeyMarker,
            VersionIdMarker: marker.NextVersionIdMarker,
          }),
          abort,
        ),
      );
      const groups = groupVersions(page, this.#prefix.length, waiting);
      waiting = page.IsTruncated ? groups.pop() ?? [] : [];
      for (const group of groups) {
        if (startAfter === undefined || group[0]!.key !== startAfter) yield* group.reverse();
      }
      if (!page.IsTruncated) return;
      marker = page;
    }
  }

  async extendLock(version: { key: string; versionId: string }, asked?: Date): Promise<void> {
    const { lock } = this.#options;
    if (!lock) return;
    const until = asked ?? new Date(this.#clockMs() + lock.retain);
    await this.#send(version.key, undefined, (abort) =>
      this.#client.send(
        new PutObjectRetentionCommand({
          Bucket: this.#options.bucket,
          Key: this.#prefix + version.key,
          VersionId: version.versionId,
          Retention: { Mode: lockMode(lock.mode), RetainUntilDate: until },
        }),
        abort,
      ),
    );
  }

  async lockedUntil(version: { key: string; versionId: string }, { signal }: ReadOptions = {}): Promise<string | null> {
    const until = await this.#send(version.key, signal, async (abort) => {
      try {
        const { Retention } = await this.#client.send(new GetObjectRetentionCommand({ Bucket: this.#options.bucket, Key: this.#prefix + version.key, VersionId: version.versionId }), abort);
        return Retention?.RetainUntilDate;
      } catch (error) {
        if (hasNoLock(error)) return undefined;
        throw error;
      }
    });
    return until && until.getTime() > this.#clockMs() ? until.toISOString() : null;
  }

  async deleteVersion(version: { key: string; versionId: string }): Promise<void> {
    await this.#send(version.key, undefined, (abort) =>
      this.#client.send(
        new DeleteObjectCommand({ Bucket: this.#options.bucket, Key: this.#prefix + version.key, VersionId: version.versionId }),
        abort,
      ),
    );
  }

  /** An answer's Date header; the client takes it over where it differs from ours by five minutes. */
  async now({ signal }: ReadOptions = {}): Promise<Date> {
    await this.#send('', signal, (abort) => this.#client.send(new GetBucketVersioningCommand({ Bucket: this.#options.bucket }), abort));
    return new Date(this.#clockMs());
  }

  close(): void {
    this.#client.destroy();
  }

  /** The server's clock, by its last answer: a lock that a clock of ours counts that is behind would be over too early. */
  #clockMs(): number {
    return Date.now() + (this.#client.config.systemClockOffset ?? 0);
  }

  #lockHeaders(key: string, asked: Date | undefined): { ObjectLockMode?: ObjectLockMode; ObjectLockRetainUntilDate?: Date } {
    const { lock } = this.#options;
    if (!lock) return {};
    const until = asked ?? new Date(this.#clockMs() + ((isEvidence(key) ? lock.evidence : undefined) ?? lock.retain));
    return until.getTime() > this.#clockMs() ? { ObjectLockMode: lockMode(lock.mode), ObjectLockRetainUntilDate: until } : {};
  }

  /** Runs one request, again after what another try can mend. */
  async #send<T>(key: string, signal: AbortSignal | undefined, request: (abort: { abortSignal?: AbortSignal }, isRetry: boolean) => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      try {
        return await request(signal ? { abortSignal: signal } : {}, attempt > 0);
      } catch (thrown) {
        signal?.throwIfAborted();
        const { error, retry } = readS3Error(thrown, { store: this.name, bucket: this.#options.bucket, key, weakerTls: this.#options.weakerTls });
        const waitMs = (this.#options.retryAfterMs ?? defaultRetryAfterMs)[attempt];
        if (!retry || waitMs === undefined || performance.now() - startedMs > retryWithinMs) throw error;
        await delay(waitMs, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
      }
    }
  }

  /** The version of a key that holds exactly these bytes, if any. */
  async #versionWith(key: string, digest: Buffer, signal: AbortSignal | undefined): Promise<string | undefined> {
    for await (const version of this.list(key, signal ? { signal } : {})) {
      if (version.key !== key) break;
      if (version.isDeleteMarker) continue;
      const bytes = await this.getVersion(version, signal ? { signal } : {});
      if (createHash('sha256').update(bytes).digest().equals(digest)) return version.versionId;
    }
    return undefined;
  }

  /** Without versions the first overwrite destroys a backup: asked once, before the first put. */
  #requireVersions(signal: AbortSignal | undefined): Promise<void> {
    this.#versioned ??= this.#send('', signal, async (abort) => {
      const { Status } = await this.#client.send(new GetBucketVersioningCommand({ Bucket: this.#options.bucket }), abort);
      if (Status !== 'Enabled') throw this.#noVersions();
    }).catch((error: unknown) => {
      this.#versioned = undefined;
      throw error;
    });
    return this.#versioned;
  }

  #noVersions(): HoldfastError {
    return new HoldfastError('BadSystemFile', `store ${this.name}: bucket ${this.#options.bucket} keeps no versions`, {
      hint: 'enable versioning (object lock does it), or anybody who may write can destroy a backup',
    });
  }
}

/** Into one buffer of the length that was announced: pieces that are put together at the end are in memory twice. */
async function readBody(body: Readable, length: number | undefined): Promise<Buffer> {
  // A server need not say how much comes; the caller knows what it wants, and checks it.
  if (length === undefined) return Buffer.concat(await body.toArray() as Buffer[]);
  const bytes = Buffer.allocUnsafeSlow(length);
  let at = 0;
  body.on('data', (piece: Buffer) => {
    if (at + piece.length > bytes.length) return void body.destroy(new RangeError(`more than the ${bytes.length} bytes that were announced`));
    at += piece.copy(bytes, at);
    letGoPiece(piece);
  });
  await finished(body);
  if (at < bytes.length) throw new RangeError(`${at} of the ${bytes.length} bytes that were announced`);
  return bytes;
}

const lockMode = (mode: 'governance' | 'compliance'): ObjectLockMode => (mode === 'governance' ? 'GOVERNANCE' : 'COMPLIANCE');
