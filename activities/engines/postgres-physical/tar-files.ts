import { chmodSync, closeSync, fsync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { mib } from '../../../workflows/domain/units.ts';
import { TarReader, type TarEntry } from './tar-reader.ts';

const toDisk = promisify(fsync);
/** From this size on a file is sent to the disk as soon as it is written, and not at the end, by the server, with all others: disk and processors work at the same time then. */
const sentFromBytes = mib(1);
/** At most so many files are on their way to the disk. */
const onTheirWay = 16;

/**
 * Writes the files of a base's tar into a directory that is ours alone. What is in it was authenticated, and still no name leads out of the directory, and nothing that is there is written to.
 *
 * Writing is synchronous: the kernel only copies, and that takes less than a trip to the pool; what takes long, decryption and decompression of the parts to come, goes on in the pool meanwhile.
 */
export class TarFiles {
  readonly #directory: Buffer;
  readonly #what: string;
  readonly #reader = new TarReader({ entry: (entry) => this.#begin(entry), data: (chunk) => this.#write(chunk), end: () => this.#finish() });
  #file: { descriptor: number; bytes: number } | undefined;
  readonly #sending = new Set<Promise<void>>();

  /** @param what - whose tar it is, for errors. */
  constructor(directory: string, what: string) {
    this.#directory = Buffer.from(`${directory}/`);
    this.#what = what;
  }

  /** @throws Tampered - a name leads out of the directory, or comes twice. */
  async add(chunk: Buffer): Promise<void> {
    this.#reader.add(chunk);
    while (this.#sending.size > onTheirWay) await Promise.race(this.#sending);
  }

  /** @throws Tampered - it ends too early. */
  async end(): Promise<void> {
    await Promise.all(this.#sending);
    if (this.#file || !this.#reader.hasEnded) throw new HoldfastError('Tampered', `${this.#what} ends too early`);
  }

  /** What was begun is given up. */
  async leave(): Promise<void> {
    if (this.#file) closeSync(this.#file.descriptor);
    this.#file = undefined;
    await Promise.allSettled(this.#sending);
  }

  #begin({ path, kind, bytes, mode, target }: TarEntry): void {
    const name = path.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
    if (name === '' || name === '.') return;
    if (name.startsWith('/') || name.split('/').includes('..')) throw this.#bad(name, 'leads out of its directory');
    const to = Buffer.concat([this.#directory, Buffer.from(name, 'latin1')]);
    try {
      if (kind === 'directory') {
        mkdirSync(to, { recursive: true });
        chmodSync(to, mode & 0o777);
      } else if (kind === 'link') {
        symlinkSync(Buffer.from(target, 'latin1'), to);
      } else if (kind === 'file') {
        // Only where none is: a link that lies there would be followed.
        this.#file = { descriptor: openSync(to, 'wx', mode & 0o777), bytes };
      } else {
        throw this.#bad(name, 'is neither file nor directory nor link');
      }
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? this.#bad(name, 'comes twice') : error;
    }
  }

  #bad = (name: string, why: string): HoldfastError => new HoldfastError('Tampered', `${this.#what}: ${JSON.stringify(name)} ${why}`);

  #write(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) at += writeSync(this.#file!.descriptor, chunk, at);
  }

  #finish(): void {
    const { descriptor, bytes } = this.#file!;
    this.#file = undefined;
    if (bytes < sentFromBytes) return closeSync(descriptor);
    const sent = toDisk(descriptor).finally(() => closeSync(descriptor));
    // Whoever waits for it next is told.
    sent.catch(() => undefined);
    const done = sent.then(() => void this.#sending.delete(done));
    done.catch(() => undefined);
    this.#sending.add(done);
  }
}
