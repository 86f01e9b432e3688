import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { encodeBlockStart, encodeNamespaceEnd, encodePrelude, terminator } from './archive-format.ts';
import { Crc64 } from './crc64.ts';
import type { ExportContents, ExportedCollection } from './export-contents.ts';
import { toFileName } from './folder-names.ts';

/** A whole archive, in pieces. One namespace after the other: whoever restores with fewer threads than namespaces never waits for a block. */
export async function* archiveBytes(contents: ExportContents): AsyncGenerator<Buffer> {
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
  /** names the temporary file or folder: a second attempt of the same export writes over what the first one left */
  attempt: string;
}

export interface WrittenDump {
  path: string;
  writtenBytes: number;
}

/**
 * Writes an archive under another name beside its own, and renames it when it is whole and on disk.
 * @throws BadInput - there is something at `path`, or others may read the directory.
 */
export async function writeArchive(path: string, contents: ExportContents, options: WriteOptions): Promise<WrittenDump> {
  await requirePrivate(path);
  const temporary = temporaryOf(path, options.attempt);
  await rm(temporary, { force: true });
  const writtenBytes = await writeFile(temporary, archiveBytes(contents), options);
  await finish(temporary, path);
  return { path, writtenBytes };
}

/** As `writeArchive`, a folder: one file of documents and one of metadata for each collection. */
export async function writeFolder(path: string, contents: ExportContents, options: WriteOptions): Promise<WrittenDump> {
  await requirePrivate(path);
  const temporary = temporaryOf(path, options.attempt);
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { mode: 0o700 });
  const { serverVersion, toolVersion } = contents.prelude;
  let writtenBytes = await writeFile(join(temporary, ending('prelude.json', options)), text(JSON.stringify({ ServerVersion: serverVersion, ToolVersion: toolVersion })), options);
  for (const collection of contents.collections) writtenBytes += await writeCollection(temporary, collection, options);
  await finish(temporary, path);
  return { path, writtenBytes };
}

async function writeCollection(folder: string, { db, collection, data, type, metadata, bytes }: ExportedCollection, options: WriteOptions): Promise<number> {
  const directory = join(folder, db);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  let written = 0;
  if (type !== 'view') written += await writeFile(join(directory, ending(`${toFileName(data.collection)}.bson`, options)), bytes(), options);
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

/** To a file, or to the standard output of whoever pipes it on. */
export async function pipe(pieces: AsyncGenerator<Buffer>, to: Writable, { gzip, signal }: { gzip: boolean; signal: AbortSignal }): Promise<void> {
  const source = Readable.from(pieces, { objectMode: false });
  if (gzip) await pipeline(source, createGzip({ level: 6 }), to, { signal });
  else await pipeline(source, to, { signal });
}

async function finish(temporary: string, path: string): Promise<void> {
  await chmod(temporary, (await stat(temporary)).isDirectory() ? 0o700 : 0o600);
  await requireFree(path);
  await rename(temporary, path);
  const directory = await open(dirname(path));
  await directory.sync();
  await directory.close();
}

const temporaryOf = (path: string, attempt: string): string => `${path}.${createHash('sha256').update(attempt).digest('hex').slice(0, 12)}.partial`;

async function requireFree(path: string): Promise<void> {
  if (await stat(path).then(() => true, () => false)) throw new HoldfastError('BadInput', `${path}: expected nothing there, found something`, { hint: 'an export never writes over what is there: give another name' });
}

/** What is written is not encrypted: nobody else may read the directory that it lies in. */
async function requirePrivate(path: string): Promise<void> {
  await requireFree(path);
  const directory = dirname(path);
  const found = await stat(directory).catch(() => undefined);
  if (!found?.isDirectory()) throw new HoldfastError('BadInput', `${directory}: expected a directory for the export, found none`, { hint: `mkdir -m 700 ${directory}` });
  if ((found.mode & 0o077) === 0) return;
  throw new HoldfastError('BadInput', `${directory}: expected a directory that only its owner may enter (0700), found ${(found.mode & 0o777).toString(8)}`, {
    hint: `an export is not encrypted: chmod 700 ${directory}`,
  });
}
