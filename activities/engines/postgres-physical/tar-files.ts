import { chmodSync, closeSync, mkdirSync, openSync, symlinkSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { kib, mib } from '../../../workflows/domain/units.ts';
import { TarReader, type TarEntry } from './tar-reader.ts';
import type { ToDisk } from './to-disk.ts';

const writeSome = promisify(write);
/** From this size on a file is sent to the disk as soon as it is written, and not at the end, by the server, with all others. */
const sentFromBytes = mib(1);
/** Less than this is written right away, in this thread: it takes less than a trip to the pool. */
const pooledFromBytes = kib(256);

interface OpenFile {
  descriptor: number;
  bytes: number;
  /** how much of it has come */
  at: number;
  /** what is written of it in the pool by now */
  writing: Promise<unknown>[];
}

/** Writes the files of a base's tar into a directory that is ours alone. What is in it was authenticated, and still no name leads out of the directory, and nothing that is there is written to. */
export class TarFiles {
  readonly #directory: Buffer;
  readonly #what: string;
  readonly #toDisk: ToDisk;
  readonly #reader = new TarReader({ entry: (entry) => this.#begin(entry), data: (chunk) => this.#write(chunk), end: () => this.#finish() });
  #file: OpenFile | undefined;
  /** what the present `add` has begun in the pool */
  #begun: Promise<unknown>[] = [];

  /** @param what - whose tar it is, for errors. @param toDisk - sends them there. */
  constructor(directory: string, what: string, toDisk: ToDisk) {
    this.#directory = Buffer.from(`${directory}/`);
    this.#what = what;
    this.#toDisk = toDisk;
  }

  /** Returns once all of it is written, and its memory may go. @throws Tampered - a name leads out of the directory, or comes twice. */
  async add(chunk: Buffer): Promise<void> {
    this.#begun = [];
    this.#reader.add(chunk);
    await Promise.all(this.#begun);
    await this.#toDisk.room();
  }

  /** @throws Tampered - it ends too early. */
  end(): void {
    if (this.#file || !this.#reader.hasEnded) throw new HoldfastError('Tampered', `${this.#what} ends too early`);
  }

  /** What was begun is given up. */
  async leave(): Promise<void> {
    await Promise.allSettled(this.#begun);
    if (this.#file) closeSync(this.#file.descriptor);
    this.#file = undefined;
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
        this.#file = { descriptor: openSync(to, 'wx', mode & 0o777), bytes, at: 0, writing: [] };
      } else {
        throw this.#bad(name, 'is neither file nor directory nor link');
      }
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? this.#bad(name, 'comes twice') : error;
    }
  }

  #bad = (name: string, why: string): HoldfastError => new HoldfastError('Tampered', `${this.#what}: ${JSON.stringify(name)} ${why}`);

  #write(chunk: Buffer): void {
    const { descriptor, at } = this.#file!;
    this.#file!.at += chunk.length;
    if (chunk.length >= pooledFromBytes) this.#pool(writeAll(descriptor, chunk, at));
    else for (let done = 0; done < chunk.length;) done += writeSync(descriptor, chunk, done, chunk.length - done, at + done);
  }

  #pool(work: Promise<void>): void {
    this.#file!.writing.push(work);
    this.#begun.push(work);
  }

  #finish(): void {
    const { descriptor, bytes, writing } = this.#file!;
    this.#file = undefined;
    const written = (): void => (bytes < sentFromBytes ? closeSync(descriptor) : this.#toDisk.send(descriptor));
    if (writing.length === 0) written();
    else this.#begun.push(Promise.all(writing).then(written, (error: unknown) => {
      closeSync(descriptor);
      throw error;
    }));
  }
}

/** In the pool: to copy so much into the kernel takes as long as to decompress it, which is done beside. */
async function writeAll(descriptor: number, chunk: Buffer, at: number): Promise<void> {
  for (let done = 0; done < chunk.length;) done += (await writeSome(descriptor, chunk, done, chunk.length - done, at + done)).bytesWritten;
}
