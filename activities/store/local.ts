import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { isEvidence } from '../../workflows/domain/layout.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { checkPut, checkRead, maxObjectBytes, sha256Hex } from './checks.ts';
import { exposedUnder, type Exposed } from './local-tree.ts';
import { decodeName, encodeKey, encodeName, objectSuffix } from './local-names.ts';
import { makeDiskRoom, Quota } from './quota.ts';
import type { ObjectVersion, PutOptions, ReadOptions, Store } from './store.ts';

export interface LocalStoreOptions {
  name: string;
  path: string;
  prefix: string;
  /** how long everything that is put stays locked; left out: no locks */
  lockMs?: number | undefined;
  /** the same for evidence (`isEvidence`); left out: as long as everything */
  evidenceLockMs?: number | undefined;
  /** so much may lie in the directory, of all systems: no data is put beyond it; left out: as much as there is room for */
  quotaBytes?: number | undefined;
}

const code = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null)?.code;
const missing = (error: unknown): boolean => code(error) === 'ENOENT' || code(error) === 'ENOTDIR';

/**
 * A directory as a store: for one machine, for a mounted disk, for tests.
 *
 * `<path>/<prefix>/a/b/name@/00000001-<random>` is version 1 of key `a/b/name`; `….lock` beside it holds the time until
 * which it must not be deleted. An object's directory appears by one rename, with its first version in it, and a rename
 * onto a directory that is not empty fails: so put-if-absent is atomic even against another process. There are no
 * delete markers. The lock binds this program only: who owns the directory can do as he likes.
 * Directories are made 0700 and files 0600; what somebody opens to others later, `exposed` names.
 */
export async function openLocalStore(options: LocalStoreOptions): Promise<Store> {
  const root = join(options.path, ...encodeKey(options.prefix || 'root').split('/'));
  const temporary = join(options.path, '.temporary');
  await guard(options.name, async () => {
    for (const directory of [options.path, root, temporary]) await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(temporary, 0o700);
    await sweep(temporary);
  });
  return new LocalStore(options, root, temporary);
}

class LocalStore implements Store {
  readonly name: string;
  readonly #lockMs: number | undefined;
  readonly #evidenceLockMs: number | undefined;
  readonly #quota: Quota | undefined;
  readonly #path: string;
  readonly #root: string;
  readonly #temporary: string;

  constructor(options: LocalStoreOptions, root: string, temporary: string) {
    this.name = options.name;
    this.#lockMs = options.lockMs;
    this.#evidenceLockMs = options.evidenceLockMs ?? options.lockMs;
    this.#quota = options.quotaBytes === undefined ? undefined : new Quota(options.name, options.path, options.quotaBytes);
    this.#path = options.path;
    this.#root = root;
    this.#temporary = temporary;
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<ObjectRef> {
    checkPut(key, body);
    options.signal?.throwIfAborted();
    const directory = this.#objectDirectory(key);
    const lockUntil = this.#lockUntil(key, options.lockUntil);
    return guard(this.name, async () => {
      await this.#quota?.require(key, body.byteLength);
      const staged = join(this.#temporary, randomBytes(12).toString('hex'));
      await mkdir(staged, { mode: 0o700 });
      try {
        const versionId = versionName(1);
        await writeDurably(join(staged, versionId), body);
        if (lockUntil) await writeDurably(join(staged, `${versionId}.lock`), Buffer.from(lockUntil.toISOString()));
        await syncDirectory(staged);
        options.signal?.throwIfAborted();
        const final = await this.#publish(key, directory, staged, versionId, options.ifAbsent ?? false);
        return { key, versionId: final, bytes: body.byteLength, sha256: sha256Hex(body) };
      } finally {
        await rm(staged, { recursive: true, force: true });
      }
    });
  }

  /** Makes the staged version visible, as the first one of its key or as the next. */
  async #publish(key: string, directory: string, staged: string, versionId: string, ifAbsent: boolean): Promise<string> {
    const parent = dirname(directory);
    await mkdir(parent, { recursive: true, mode: 0o700 });
    const isFirst = await rename(staged, directory).then(() => true, (error: unknown) => {
      if (code(error) === 'ENOTEMPTY' || code(error) === 'EEXIST') return false;
      throw error;
    });
    if (isFirst) {
      await syncDirectory(parent);
      return versionId;
    }
    if (ifAbsent) throw new HoldfastError('AlreadyExists', `${key} exists`, { details: { key } });
    const next = versionName(1 + Math.max(0, ...(await versionsIn(directory)).map((name) => Number.parseInt(name, 10))));
    // The lock first: a version is never visible without it.
    const lock = join(staged, `${versionId}.lock`);
    await link(lock, join(directory, `${next}.lock`)).catch((error: unknown) => {
      if (code(error) !== 'ENOENT') throw error;
    });
    await link(join(staged, versionId), join(directory, next));
    await syncDirectory(directory);
    return next;
  }

  async get(ref: ObjectRef, options: ReadOptions = {}): Promise<Buffer> {
    return checkRead(ref, await this.getVersion(ref, options));
  }

  async getVersion(version: { key: string; versionId: string }, options: ReadOptions = {}): Promise<Buffer> {
    options.signal?.throwIfAborted();
    const path = this.#versionPath(version);
    return guard(this.name, async () => {
      const found = await stat(path).catch((error: unknown) => {
        if (missing(error)) return undefined;
        throw error;
      });
      if (!found) throw await this.#missing(version);
      if (found.size > maxObjectBytes) {
        throw new HoldfastError('Tampered', `${version.key} version ${version.versionId}: ${found.size} bytes, more than any object of ours`);
      }
      return readFile(path, { signal: options.signal });
    }, options.signal);
  }

  async has(key: string, options: ReadOptions = {}): Promise<boolean> {
    return await guard(this.name, async () => (await versionsIn(this.#objectDirectory(key))).length > 0, options.signal);
  }

  async *list(prefix: string, options: ReadOptions & { startAfter?: string } = {}): AsyncGenerator<ObjectVersion> {
    await guard(this.name, () => stat(this.#root));
    const cut = prefix.lastIndexOf('/') + 1;
    yield* this.#walk(prefix.slice(0, cut), { prefix, startAfter: options.startAfter ?? '', signal: options.signal });
  }

  /** Depth first in the order of whole keys: `a-b` comes before `a/b`, as `-` comes before `/`. */
  async *#walk(folder: string, want: { prefix: string; startAfter: string; signal: AbortSignal | undefined }): AsyncGenerator<ObjectVersion> {
    const path = join(this.#root, ...(folder === '' ? [] : encodeKey(folder.slice(0, -1)).split('/')));
    const names = await guard(this.name, () => readdir(path).catch((error: unknown) => {
      if (missing(error)) return [];
      throw error;
    }));
    const entries = names
      .map((name) => (name.endsWith(objectSuffix)
        ? { key: folder + decodeName(name.slice(0, -objectSuffix.length)), directory: join(path, name) }
        : { key: `${folder}${decodeName(name)}/`, directory: undefined }))
      .filter(({ key, directory }) => key.startsWith(want.prefix) || (!directory && want.prefix.startsWith(key)))
      .sort((a, b) => compareKeys(a.key, b.key));
    for (const { key, directory } of entries) {
      want.signal?.throwIfAborted();
      const isPast = compareKeys(key, want.startAfter) > 0;
      if (directory && isPast) yield* await guard(this.name, () => this.#versions(key, directory));
      else if (!directory && (isPast || want.startAfter.startsWith(key))) yield* this.#walk(key, want);
    }
  }

  async #versions(key: string, directory: string): Promise<ObjectVersion[]> {
    const names = await versionsIn(directory);
    const found: ObjectVersion[] = [];
    for (const [index, versionId] of names.entries()) {
      const file = await stat(join(directory, versionId)).catch((error: unknown) => {
        // deleted since the directory was read
        if (missing(error)) return undefined;
        throw error;
      });
      if (!file) continue;
      found.push({
        key,
        versionId,
        bytes: file.size,
        isLatest: index === names.length - 1,
        isDeleteMarker: false,
        modifiedAt: file.mtime.toISOString(),
      });
    }
    return found;
  }

  async extendLock(version: { key: string; versionId: string }, asked?: Date): Promise<void> {
    if (this.#lockMs === undefined) return;
    const until = asked ?? new Date(Date.now() + this.#lockMs);
    const path = this.#versionPath(version);
    await guard(this.name, async () => {
      await stat(path).catch(async (error: unknown) => {
        throw missing(error) ? await this.#missing(version) : error;
      });
      const current = await readLock(path);
      if (current && current > until) {
        throw new HoldfastError('NotPermitted', `${version.key} is locked until ${current.toISOString()}, which is later than ${until.toISOString()}: a lock is never made shorter`);
      }
      const staged = join(this.#temporary, randomBytes(12).toString('hex'));
      await writeDurably(staged, Buffer.from(until.toISOString()));
      await rename(staged, `${path}.lock`);
      await syncDirectory(dirname(path));
    });
  }

  async lockedUntil(version: { key: string; versionId: string }, options: ReadOptions = {}): Promise<string | null> {
    const until = await guard(this.name, () => readLock(this.#versionPath(version)), options.signal);
    return until && until.getTime() > Date.now() ? until.toISOString() : null;
  }

  async exposed(options: ReadOptions = {}): Promise<Exposed[]> {
    return await guard(this.name, () => exposedUnder(this.#path, options.signal), options.signal);
  }

  async deleteVersion(version: { key: string; versionId: string }): Promise<void> {
    const path = this.#versionPath(version);
    await guard(this.name, async () => {
      const until = await readLock(path);
      if (until && until.getTime() > Date.now()) {
        throw new HoldfastError('NotPermitted', `${version.key} version ${version.versionId} is locked until ${until.toISOString()}`, { details: { key: version.key } });
      }
      await rm(path, { force: true });
      await rm(`${path}.lock`, { force: true });
      await rmdir(dirname(path)).catch((error: unknown) => {
        if (code(error) !== 'ENOTEMPTY' && !missing(error)) throw error;
      });
    });
  }

  /** What the file system says of a file that is new: on a mounted disk, its server's clock. */
  async now(options: ReadOptions = {}): Promise<Date> {
    const path = join(this.#temporary, randomBytes(12).toString('hex'));
    return await guard(this.name, async () => {
      await writeDurably(path, Buffer.alloc(0));
      const { mtime } = await stat(path);
      await rm(path, { force: true });
      return mtime;
    }, options.signal);
  }

  close(): void {
    // holds nothing open
  }

  #lockUntil(key: string, asked: Date | undefined): Date | undefined {
    if (this.#lockMs === undefined) return undefined;
    const until = asked ?? new Date(Date.now() + (isEvidence(key) ? this.#evidenceLockMs! : this.#lockMs));
    return until.getTime() > Date.now() ? until : undefined;
  }

  #objectDirectory(key: string): string {
    const segments = key.split('/');
    const last = segments.pop()!;
    return join(this.#root, ...segments.map(encodeName), encodeName(last) + objectSuffix);
  }

  #versionPath({ key, versionId }: { key: string; versionId: string }): string {
    // A version id comes from a manifest: it must not walk out of the directory.
    if (!/^\d{8}-[0-9a-f]{8}$/.test(versionId)) {
      throw new HoldfastError('ObjectMissing', `${key}: no version ${versionId} in store ${this.name}`, { details: { key } });
    }
    return join(this.#objectDirectory(key), versionId);
  }

  async #missing(version: { key: string; versionId: string }): Promise<unknown> {
    // A disk that is not mounted has lost nothing yet.
    await stat(this.#root);
    return new HoldfastError('ObjectMissing', `${version.key} version ${version.versionId} is not in store ${this.name}`, { details: { key: version.key } });
  }
}

const versionName = (n: number): string => `${String(n).padStart(8, '0')}-${randomBytes(4).toString('hex')}`;

const compareKeys = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const versionsIn = async (directory: string): Promise<string[]> =>
  (await readdir(directory).catch((error: unknown) => {
    if (missing(error)) return [];
    throw error;
  })).filter((name) => /^\d{8}-[0-9a-f]{8}$/.test(name)).sort();

async function readLock(path: string): Promise<Date | undefined> {
  const text = await readFile(`${path}.lock`, 'utf8').catch((error: unknown) => {
    if (missing(error)) return undefined;
    throw error;
  });
  return text === undefined ? undefined : new Date(text);
}

async function writeDurably(path: string, body: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(body);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** What a killed writer left: never visible, and not of a writer that is still at work when it is a day old. */
async function sweep(temporary: string): Promise<void> {
  for (const name of await readdir(temporary)) {
    const path = join(temporary, name);
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > 86_400_000) await rm(path, { recursive: true, force: true });
  }
}

/** A disk that is gone, full or read-only may come back: every failure of the file system is worth another try. */
async function guard<T>(name: string, act: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof HoldfastError || code(error) === undefined) throw error;
    signal?.throwIfAborted();
    const isFull = code(error) === 'ENOSPC' || code(error) === 'EDQUOT';
    throw new HoldfastError('StoreUnavailable', `store ${name}: ${isFull ? 'its disk is full: ' : ''}${(error as Error).message}`, { cause: error, ...(isFull ? { hint: makeDiskRoom } : {}) });
  }
}
