import type { Exposed } from './local-tree.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';

/** One version in a listing, delete markers included. */
export interface ObjectVersion {
  key: string;
  versionId: string;
  bytes: number;
  isLatest: boolean;
  isDeleteMarker: boolean;
  modifiedAt: string;
}

export interface PutOptions {
  /** Refuse, with AlreadyExists, when the key has a current version. */
  ifAbsent?: boolean;
  /** Overrides the store's own lock (its `lock.retain`, of evidence its `lock.evidence`, from now); a time that is over: no lock. Ignored by a store without locks. */
  lockUntil?: Date;
  signal?: AbortSignal;
}

export interface ReadOptions {
  signal?: AbortSignal;
}

/**
 * Where objects lie. Objects are at most 16 MiB, so they are put and got whole.
 *
 * Everything that is written is locked (where the store has locks), checked by SHA-256 on the way in and on the way
 * out, and addressed by exact version: a key can get a newer version behind our back, a version cannot change.
 *
 * Keys are below the store's prefix, which callers never see. `list` never reads a "current" state: it yields versions.
 *
 * @throws StoreUnavailable - retryable: no answer, 5xx, throttled, connection cut; after the store's own short retries.
 * @throws AlreadyExists - `put` with `ifAbsent`; the key is in `details.key`.
 * @throws ObjectMissing - the version (or any version of the key) is not there.
 * @throws Tampered - the bytes read are not the bytes that the ref names.
 */
export interface Store {
  readonly name: string;
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<ObjectRef>;
  /** The bytes of exactly this version, compared with `ref.sha256` and `ref.bytes`. */
  get(ref: ObjectRef, options?: ReadOptions): Promise<Buffer>;
  /** The bytes of one version named by a listing; nothing is known yet to compare with. */
  getVersion(version: { key: string; versionId: string }, options?: ReadOptions): Promise<Buffer>;
  /** Every version whose key starts with `prefix`, in key order; within a key the oldest first. Streams page by page. */
  list(prefix: string, options?: ReadOptions & { startAfter?: string }): AsyncIterable<ObjectVersion>;
  /** Whether the key has a current version, asked for by its name: a listing may be older than what the store holds. A delete marker is none. */
  has(key: string, options?: ReadOptions): Promise<boolean>;
  /**
   * Makes a lock longer; a store refuses to shorten. No-op for a store without locks.
   * @param until - left out: the store's `lock.retain` from now on, by the store's own clock where it has one: ours may be wrong.
   */
  extendLock(version: { key: string; versionId: string }, until?: Date): Promise<void>;
  /** Until when a version is locked, UTC ISO; null: it is not, or the store has no locks. A lock that is over counts as none. */
  lockedUntil(version: { key: string; versionId: string }, options?: ReadOptions): Promise<string | null>;
  /** What of it others than its owner may read or change, on the disk that it lies on; left out: there is no such thing to look at. */
  exposed?(options?: ReadOptions): Promise<Exposed[]>;
  /** Deletes one version for ever. @throws NotPermitted while it is locked. */
  deleteVersion(version: { key: string; versionId: string }): Promise<void>;
  /** What time it is for the store, to a few minutes. Ours may be wrong by hours, and what is kept for so long is kept by this. */
  now(options?: ReadOptions): Promise<Date>;
  close(): void;
}
