import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { encodeBlockStart, encodeNamespaceEnd, encodePrelude, terminator } from './archive-format.ts';
import { Crc64 } from './crc64.ts';
import type { ExportContents, ExportedCollection } from './export-contents.ts';
import { toFileName } from './folder-names.ts';

/** A whole archive, in pieces. One namespace after the other: whoever restores with fewer threads than namespaces never waits for a block. */
export async function* archiveBytes(contents: Pick<ExportContents, 'prelude' | 'collections'>): AsyncGenerator<Buffer> {
  yield encodePrelude(contents.prelude);
  for (const { data, bytes } of contents.collections) {
    const crc = new Crc64();
    yield encodeBlockStart(data);
    for await (const piece of bytes()) {
      crc.add(piece);
      yield piece;
    }
    yield terminator;
    yield encodeNamespaceEnd(data, crc.value());
  }
}

export interface WriteOptions {
  gzip: boolean;
  signal: AbortSignal;
}

/** Writes an archive, readable by its owner only, and returns its length when it is whole and on disk. */
export async function writeArchive(path: string, contents: ExportContents, options: WriteOptions): Promise<number> {
  return await writeFile(path, archiveBytes(contents), options);
}

/** As `writeArchive`, a folder: one file of documents and one of metadata for each collection. */
export async function writeFolder(path: string, contents: ExportContents, options: WriteOptions): Promise<number> {
  await mkdir(path, { mode: 0o700 });
  const { serverVersion, toolVersion } = contents.prelude;
  let writtenBytes = await writeFile(join(path, ending('prelude.json', options)), text(JSON.stringify({ ServerVersion: serverVersion, ToolVersion: toolVersion })), options);
  for (const collection of contents.collections) writtenBytes += await writeCollection(path, collection, options);
  return writtenBytes;
}

async function writeCollection(folder: string, { db, collection, data, type, metadata, bytes }: ExportedCollection, options: WriteOptions): Promise<number> {
  const directory = join(folder, db);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  let written = 0;
  // The real program looks for the log under this name alone, also where it is gzip.
  const dataFile = db === '' ? `${collection}.bson` : ending(`${toFileName(data.collection)}.bson`, options);
  if (type !== 'view') written += await writeFile(join(directory, dataFile), bytes(), options);
  if (metadata !== '') written += await writeFile(join(directory, ending(`${toFileName(collection)}.metadata.json`, options)), text(metadata), options);
  return written;
}

const ending = (name: string, { gzip }: WriteOptions): string => (gzip ? `${name}.gz` : name);

async function* text(content: string): AsyncGenerator<Buffer> {
  yield await Promise.resolve(Buffer.from(content));
}

async function writeFile(path: string, pieces: AsyncGenerator<Buffer>, { gzip, signal }: WriteOptions): Promise<number> {
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
  await pipe(pieces, file, { gzip, signal });
  return file.bytesWritten;
}

async function pipe(pieces: AsyncGenerator<Buffer>, to: Writable, { gzip, signal }: { gzip: boolean; signal: AbortSignal }): Promise<void> {
  const source = Readable.from(pieces, { objectMode: false });
  if (gzip) await pipeline(source, createGzip({ level: 6 }), to, { signal });
  else await pipeline(source, to, { signal });
}
