import { createReadStream, type Dirent } from 'node:fs';
import { lstat, open, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip, gunzipSync } from 'node:zlib';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import { unreadable } from '../../../exchange/allowed-path.ts';
import type { Namespace, Prelude, PreludeEntry } from './archive-format.ts';
import { fromFileName, toFileName } from './folder-names.ts';
import { parseMetadata } from './metadata.ts';
import { ArchiveParser, DocumentParser, type DumpEvent } from './read-archive.ts';

/** Something that mongodump wrote, whichever way. */
export interface Dump {
  path: string;
  form: 'archive' | 'folder';
  gzip: boolean;
  /** its files with length and time of change: a dump that was changed meanwhile is another one */
  identity: string;
  storedBytes: number;
  /** when the newest of its files was written */
  writtenAtMs: number;
  /** Reads all of it; the first event is the prelude. Each call reads from the beginning. */
  events(signal: AbortSignal, onBytes?: (stored: number) => void): AsyncGenerator<DumpEvent>;
}

const pieceBytes = mib(1);

/** Looks at what lies there. @param path - real: see allowed-path.ts. @throws BadInput - nothing that mongodump wrote. */
export async function openDump(path: string): Promise<Dump> {
  const found = await lstat(path);
  if (found.isDirectory()) return await openFolder(path);
  if (!found.isFile()) throw notAFile(path);
  return await openArchive(path);
}

async function openArchive(path: string): Promise<Dump> {
  const file = await open(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const { size, mtimeMs } = await file.stat();
  const { buffer: start } = await file.read(Buffer.alloc(2), 0, 2, 0);
  await file.close();
  const gzip = isGzip(start);
  return {
    path,
    form: 'archive',
    gzip,
    identity: `${size} ${mtimeMs}`,
    storedBytes: size,
    writtenAtMs: mtimeMs,
    async *events(signal, onBytes) {
      const parser = new ArchiveParser(path);
      for await (const piece of readPieces(path, gzip, signal, onBytes)) yield* parser.push(piece);
      parser.end();
    },
  };
}

interface DumpFile {
  path: string;
  bytes: number;
  mtimeMs: number;
  gzip: boolean;
}

interface FolderEntry extends PreludeEntry {
  data: DumpFile | undefined;
}

async function openFolder(path: string): Promise<Dump> {
  const files = await listFiles(path);
  if (files.length === 0) throw noDump(path);
  const all = files.map(({ file }) => file);
  return {
    path,
    form: 'folder',
    gzip: all.some(({ gzip }) => gzip),
    identity: files.map(({ db, name, file }) => `${db}/${name} ${file.bytes} ${file.mtimeMs}`).join('\n'),
    storedBytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    writtenAtMs: Math.max(...all.map(({ mtimeMs }) => mtimeMs)),
    async *events(signal, onBytes) {
      const { prelude, entries } = await readFolder(path, files);
      yield { kind: 'prelude', prelude };
      for (const entry of entries) {
        const of = dataNamespace(entry);
        if (entry.data) yield* readCollection(entry.data, of, signal, onBytes);
        yield { kind: 'end', of };
      }
    },
  };
}

interface ListedFile {
  db: string;
  /** without the ending `.gz` */
  name: string;
  file: DumpFile;
}

async function listFiles(path: string): Promise<ListedFile[]> {
  const listed: ListedFile[] = [];
  const add = async (db: string, file: string): Promise<void> => {
    const name = file.replace(/\.gz$/, '');
    if (!/\.(bson|metadata\.json)$/.test(name) && name !== 'prelude.json') return;
    const full = join(path, db, file);
    const found = await lstat(full);
    if (!found.isFile()) throw notAFile(full);
    listed.push({ db, name, file: { path: full, bytes: found.size, mtimeMs: found.mtimeMs, gzip: file.endsWith('.gz') } });
  };
  for (const entry of await sortedEntries(path)) {
    // The real program makes none; one may lead out of what may be read.
    if (entry.isSymbolicLink()) throw notAFile(join(path, entry.name));
    if (entry.isDirectory()) for (const { name } of await sortedEntries(join(path, entry.name))) await add(entry.name, name);
    else if (/^(oplog\.bson|prelude\.json)(\.gz)?$/.test(entry.name)) await add('', entry.name);
  }
  refuseMixed(listed);
  // The log of a gzip'd folder is gzip'd too, under a name that does not say so.
  const log = listed.find(({ db, name }) => db === '' && name === 'oplog.bson');
  if (log && !log.file.gzip) log.file.gzip = listed.some(({ file }) => file.gzip);
  return listed.some(({ name }) => name !== 'prelude.json') ? listed : [];
}

async function sortedEntries(path: string): Promise<Dirent[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const notAFile = (path: string): HoldfastError => new HoldfastError('BadInput', `${path}: expected a file that mongodump wrote, found a symbolic link or no file at all`, { hint: 'put the file itself there' });

/** Two dumps in one folder would each be half of another. */
function refuseMixed(listed: readonly ListedFile[]): void {
  const collections = listed.filter(({ db }) => db !== '');
  const packed = collections.find(({ file }) => file.gzip);
  const plain = collections.find(({ file }) => !file.gzip);
  if (!packed || !plain) return;
  throw new HoldfastError('BadInput', `${plain.file.path}: expected gzip (.gz), as ${packed.file.path} beside it is`, { hint: 'two dumps lie in one folder: take them apart' });
}

async function readFolder(path: string, files: readonly ListedFile[]): Promise<{ prelude: Prelude; entries: FolderEntry[] }> {
  const prelude: Prelude = { concurrentCollections: 1, serverVersion: '', toolVersion: '', entries: [] };
  const entries: FolderEntry[] = [];
  const data = new Map(files.filter(({ name }) => name.endsWith('.bson')).map((listed) => [`${listed.db}/${listed.name.slice(0, -5)}`, listed]));
  for (const { name, file } of files) {
    if (name !== 'prelude.json') continue;
    const { ServerVersion, ToolVersion } = parsePrelude((await readWhole(file)).toString(), file.path);
    prelude.serverVersion = String(ServerVersion ?? '');
    prelude.toolVersion = String(ToolVersion ?? '');
  }
  for (const { db, name, file } of files) {
    if (!name.endsWith('.metadata.json')) continue;
    const base = name.slice(0, -'.metadata.json'.length);
    const text = (await readWhole(file)).toString();
    const { collectionName, type } = parseMetadata(text, file.path);
    const collection = collectionName || fromFileName(base) || base;
    if (toFileName(collection) !== base && fromFileName(base) !== collection) {
      throw new HoldfastError('BadInput', `${file.path}: expected metadata of ${db}.${fromFileName(base) ?? base}, as its name says, found that of ${db}.${collection}`, { hint: 'the files were renamed or belong to different dumps' });
    }
    const dataName = type === 'timeseries' ? `${db}/system.buckets.${base}` : `${db}/${base}`;
    const found = data.get(dataName);
    data.delete(dataName);
    if (!found && type !== 'view') throw new HoldfastError('BadInput', `${join(path, dataName)}.bson: expected the documents of ${db}.${collection}, which ${file.path} describes, found no such file`);
    entries.push({ db, collection, metadata: text, size: 0, type, data: found?.file });
  }
  for (const { db, name, file } of data.values()) {
    const collection = fromFileName(name.slice(0, -5)) ?? name.slice(0, -5);
    entries.push({ db, collection, metadata: '', size: 0, type: '', data: file });
  }
  // The log last, as in an archive: whoever reads it knows every collection by then.
  entries.sort((a, b) => Number(a.db === '') - Number(b.db === ''));
  return { prelude: { ...prelude, entries: entries.map(({ data: _data, ...entry }) => entry) }, entries };
}

async function* readCollection(file: DumpFile, of: Namespace, signal: AbortSignal, onBytes?: (stored: number) => void): AsyncGenerator<DumpEvent> {
  const parser = new DocumentParser(file.path);
  for await (const piece of readPieces(file.path, file.gzip, signal, onBytes)) {
    for (const documents of parser.push(piece)) yield { kind: 'documents', of, documents, bytes: documents.reduce((sum, { length }) => sum + length, 0) };
  }
  parser.end();
}

function parsePrelude(text: string, where: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed !== null && typeof parsed === 'object') return parsed as Record<string, unknown>;
  } catch {
    // Said below, whatever stands there.
  }
  throw new HoldfastError('BadInput', `${where}: expected a JSON object with ServerVersion and ToolVersion, found ${JSON.stringify(text.slice(0, 40))}`, { hint: 'it may be left out: delete the file' });
}

/** A time-series collection's documents are its buckets. */
const dataNamespace = ({ db, collection, type }: PreludeEntry): Namespace =>
  ({ db, collection: type === 'timeseries' ? `system.buckets.${collection}` : collection });

async function* readPieces(path: string, gzip: boolean, signal: AbortSignal, onBytes?: (stored: number) => void): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: pieceBytes, signal });
  if (onBytes) file.on('data', (piece) => onBytes(piece.length));
  // Its error is met by whoever reads the last stream; without a listener it would end the process.
  const source = gzip ? pipeline(file, createGunzip({ chunkSize: pieceBytes }), () => undefined) : file;
  try {
    for await (const piece of source) yield piece as Buffer;
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('Z_')) throw unreadable(path, error);
    throw new HoldfastError('BadInput', `${path}: byte ${file.bytesRead}: expected gzip that goes on to its end, found: ${message}`, { details: { file: path, offset: file.bytesRead }, cause: error });
  } finally {
    file.destroy();
  }
}

async function readWhole(file: DumpFile): Promise<Buffer> {
  const bytes = await readFile(file.path).catch((error: unknown) => {
    throw unreadable(file.path, error);
  });
  if (!file.gzip) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    throw new HoldfastError('BadInput', `${file.path}: byte ${bytes.length}: expected gzip that goes on to its end, found: ${(cause as Error).message}`, { cause });
  }
}

const isGzip = (start: Buffer): boolean => start[0] === 0x1f && start[1] === 0x8b;

const noDump = (path: string): HoldfastError =>
  new HoldfastError('BadInput', `${path}: expected a folder that mongodump wrote (database folders with .bson and .metadata.json), found none of these files`);

