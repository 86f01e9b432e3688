import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFile, type WriteOptions } from '../../../exchange/write-file.ts';
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
