import { createWriteStream } from 'node:fs';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

export interface WriteOptions {
  gzip: boolean;
  signal: AbortSignal;
}

/** Writes pieces into a new file, readable by its owner only, and returns its length when it is whole and on disk. */
export async function writeFile(path: string, pieces: AsyncGenerator<Buffer>, { gzip, signal }: WriteOptions): Promise<number> {
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
  await pipe(pieces, file, { gzip, signal });
  return file.bytesWritten;
}

async function pipe(pieces: AsyncGenerator<Buffer>, to: Writable, { gzip, signal }: { gzip: boolean; signal: AbortSignal }): Promise<void> {
  const source = Readable.from(pieces, { objectMode: false });
  if (gzip) await pipeline(source, createGzip({ level: 6 }), to, { signal });
  else await pipeline(source, to, { signal });
}
