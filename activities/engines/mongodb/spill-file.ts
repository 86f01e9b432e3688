import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { kib } from '../../../workflows/domain/units.ts';

/** Lives and ends with the process: what it encrypted is noise to everybody else, and to us after a kill. */
const key = randomBytes(32);
let chunksEncrypted = 0;

const chunkBytes = kib(64);
const tagBytes = 16;
const lengthBytes = 4;

/** Numbers only: a small buffer for each of a hundred thousand chunks would lie between the large ones that come and go, and keep their memory from going back. */
interface Chunk {
  counter: number;
  at: number;
  bytes: number;
}

/**
 * Records that do not fit into memory, read again in the order that they were added.
 *
 * What lies on disk is compressed and encrypted (AES-256-GCM) under a key that exists in this process only, in a file that has no name
 * any more when the first byte is written: however the process ends, the system takes the file with it, and there is nothing to clean up.
 * Fewer bytes than a chunk (64 KiB) never reach the disk. Memory: one chunk; while it is written or read, one record where that is larger.
 *
 * Synchronous, so that a writer of a million records waits for none of them: a chunk takes about half a millisecond.
 */
export class SpillFile {
  readonly #chunks: Chunk[] = [];
  #file: number | undefined;
  #end = 0;
  #buffer = Buffer.allocUnsafe(kib(1));
  #used = 0;
  records = 0;

  /** @param pieces - of one record, copied. @throws DataPlaneLost - the disk is full. */
  add(pieces: readonly Uint8Array[]): void {
    let bytes = lengthBytes;
    for (const piece of pieces) bytes += piece.length;
    if (this.#used + bytes > this.#buffer.length) this.#makeRoom(bytes);
    this.#used = this.#buffer.writeInt32LE(bytes - lengthBytes, this.#used);
    for (const piece of pieces) {
      this.#buffer.set(piece, this.#used);
      this.#used += piece.length;
    }
    this.records += 1;
    if (this.#used >= chunkBytes) this.#writeChunk();
  }

  /** Every record, as a view into its chunk: copy what is kept. Nothing may be added meanwhile. @throws Tampered */
  *read(): Generator<Buffer> {
    for (const chunk of this.#chunks) yield* recordsOf(this.#open(chunk));
    yield* recordsOf(this.#buffer.subarray(0, this.#used));
  }

  /** Gives memory and disk back. Safe to repeat. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    this.#chunks.length = 0;
    this.#buffer = Buffer.alloc(0);
    this.#used = 0;
  }

  #makeRoom(bytes: number): void {
    if (this.#used > 0 && this.#used + bytes > chunkBytes) this.#writeChunk();
    const wanted = this.#used + bytes;
    if (wanted <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(wanted, Math.min(chunkBytes, this.#buffer.length * 4)));
    this.#buffer.copy(larger, 0, 0, this.#used);
    this.#buffer = larger;
  }

  #writeChunk(): void {
    const counter = (chunksEncrypted += 1);
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(counter));
    const compressed = zstdCompressSync(this.#buffer.subarray(0, this.#used), { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    const sealed = Buffer.concat([cipher.update(compressed), cipher.final(), cipher.getAuthTag()]);
    this.#write(sealed);
    this.#chunks.push({ counter, at: this.#end, bytes: sealed.length });
    this.#end += sealed.length;
    this.#used = 0;
    if (this.#buffer.length > chunkBytes) this.#buffer = Buffer.allocUnsafe(chunkBytes);
  }

  #write(sealed: Buffer): void {
    try {
      this.#file ??= openNameless();
      for (let done = 0; done < sealed.length; ) done += writeSync(this.#file, sealed, done, sealed.length - done, this.#end + done);
    } catch (cause) {
      throw new HoldfastError('DataPlaneLost', `what does not fit into memory could not be put into ${spillDirectory()}: ${(cause as Error).message}`, {
        hint: 'make room there, or name another directory in HOLDFAST_SPILL',
        cause,
      });
    }
  }

  #open({ counter, at, bytes }: Chunk): Buffer {
    const sealed = Buffer.allocUnsafe(bytes);
    for (let done = 0; done < bytes; ) {
      const read = readSync(this.#file!, sealed, done, bytes - done, at + done);
      if (read === 0) throw new HoldfastError('Tampered', 'a file of this process for what does not fit into memory was cut');
      done += read;
    }
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(counter)).setAuthTag(sealed.subarray(bytes - tagBytes));
    try {
      const compressed = Buffer.concat([decipher.update(sealed.subarray(0, bytes - tagBytes)), decipher.final()]);
      return zstdDecompressSync(compressed);
    } catch (cause) {
      throw new HoldfastError('Tampered', 'a file of this process for what does not fit into memory was changed', { cause });
    }
  }
}

function nonceOf(counter: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(counter, 6, 6);
  return nonce;
}

/** HOLDFAST_SPILL, or the system's directory for temporary files. Some systems keep that one in memory: then name another. */
const spillDirectory = (): string => process.env['HOLDFAST_SPILL'] ?? tmpdir();

function openNameless(): number {
  const directory = mkdtempSync(join(spillDirectory(), 'holdfast-spill-'));
  try {
    return openSync(join(directory, 'spill'), 'wx+', 0o600);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function* recordsOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + lengthBytes + bytes.readInt32LE(at);
    yield bytes.subarray(at + lengthBytes, end);
    at = end;
  }
}
