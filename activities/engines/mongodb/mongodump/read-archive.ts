import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { archiveVersion, decodeHeader, decodePlain, magic, maxDocumentBytes, nameOf, type BlockHeader, type Namespace, type Prelude } from './archive-format.ts';
import { ByteQueue } from './byte-queue.ts';
import { Crc64 } from './crc64.ts';

/** What a dump says, in its order. `documents` come in pieces; `end` comes once for each namespace that had any block. */
export type DumpEvent =
  | { kind: 'prelude'; prelude: Prelude }
  | { kind: 'documents'; of: Namespace; documents: Buffer[]; bytes: number }
  | { kind: 'end'; of: Namespace };

interface Open {
  of: Namespace;
  crc: Crc64;
}

/** Documents handed on at once: a yield for each of many small ones would cost more than reading them. */
const batchDocuments = 1_000;
const terminatorValue = -1;

/**
 * Reads an archive from pieces of any length. Memory: one piece, or one document.
 *
 * @param where - the file, for messages.
 * @throws BadInput - no archive, altered or cut off: names file, byte, what was expected and what stood there.
 */
export class ArchiveParser {
  readonly #where: string;
  readonly #bytes = new ByteQueue();
  readonly #open = new Map<string, Open>();
  readonly #ended = new Set<string>();
  #state: 'magic' | 'header' | 'entries' | 'block' | 'documents' | 'namespace end' = 'magic';
  /** namespaces that blocks may be of */
  readonly #known = new Set<string>();
  #prelude: Prelude = { concurrentCollections: 0, serverVersion: '', toolVersion: '', entries: [] };
  #current: Open | undefined;
  #ending: BlockHeader | undefined;

  constructor(where: string) {
    this.#where = where;
  }

  *push(piece: Buffer): Generator<DumpEvent> {
    this.#bytes.push(piece);
    for (;;) {
      if (this.#state === 'magic') {
        if (this.#bytes.length < 4) return;
        const found = this.#bytes.take(4);
        if (!found.equals(magic)) throw this.#bad(0, `the first bytes of a mongodump archive (${magic.toString('hex')})`, found.toString('hex'));
        this.#state = 'header';
      }
      if (this.#state === 'documents') {
        const batch = this.#takeDocuments();
        if (batch) yield batch;
        // More documents may be whole already.
        if (this.#state === 'documents' && (batch?.documents.length ?? 0) < batchDocuments) return;
        continue;
      }
      const at = this.#bytes.offset;
      const taken = this.#takeOne();
      if (taken === undefined) return;
      yield* this.#step(at, taken);
    }
  }

  /** After the last piece. @throws BadInput - it ended in the middle. */
  end(): void {
    const at = this.#bytes.offset + this.#bytes.length;
    if (this.#state !== 'block' || this.#bytes.length > 0) throw this.#bad(at, this.#expected(), 'the end of the file');
    const [open] = this.#open.values();
    if (open) throw this.#bad(at, `the end of ${nameOf(open.of)}, with its CRC`, 'the end of the file');
    const silent = this.#prelude.entries.find((entry) => !this.#ended.has(nameOf(entry)) && !this.#ended.has(nameOf(bucketsOf(entry))));
    if (silent) throw this.#bad(at, `documents (or the end) of ${nameOf(silent)}, which the prelude names`, 'the end of the file');
  }

  #expected(): string {
    switch (this.#state) {
      case 'magic': return 'the first bytes of a mongodump archive';
      case 'header': case 'entries': return 'the rest of the prelude';
      case 'documents': return `the rest of a block of ${nameOf(this.#current!.of)}`;
      case 'namespace end': return `the terminator behind the end of ${nameOf(this.#ending!)}`;
      case 'block': return 'a whole header of a namespace';
    }
  }

  *#step(at: number, taken: Buffer | 'terminator'): Generator<DumpEvent> {
    switch (this.#state) {
      case 'header':
        this.#readHeader(at, taken);
        return;
      case 'entries':
        if (taken !== 'terminator') {
          this.#readEntry(at, taken);
          return;
        }
        this.#state = 'block';
        yield { kind: 'prelude', prelude: this.#prelude };
        return;
      case 'namespace end': {
        if (taken !== 'terminator') throw this.#bad(at, this.#expected(), 'a document');
        const { db, collection } = this.#ending!;
        this.#state = 'block';
        yield { kind: 'end', of: { db, collection } };
        return;
      }
      default:
        this.#readBlockHeader(at, taken);
    }
  }

  #readHeader(at: number, taken: Buffer | 'terminator'): void {
    const header = taken === 'terminator' ? {} : decodePlain(taken);
    const { version, server_version: serverVersion, tool_version: toolVersion, concurrent_collections: concurrentCollections } = header;
    if (typeof version !== 'string') throw this.#bad(at, 'the header of an archive, with its version', taken === 'terminator' ? 'a terminator' : 'another document');
    if (version !== archiveVersion) throw this.#bad(at, `archive version ${archiveVersion}`, `version ${version}`);
    this.#prelude = { concurrentCollections: Number(concurrentCollections ?? 0), serverVersion: String(serverVersion ?? ''), toolVersion: String(toolVersion ?? ''), entries: [] };
    this.#state = 'entries';
  }

  #readEntry(at: number, taken: Buffer): void {
    const { db, collection, metadata, size, type } = decodePlain(taken);
    if (typeof db !== 'string' || typeof collection !== 'string') throw this.#bad(at, 'a namespace of the prelude', 'another document');
    const entry = { db, collection, metadata: String(metadata ?? ''), size: Number(size ?? 0), type: String(type ?? '') };
    this.#prelude.entries.push(entry);
    this.#known.add(nameOf(entry)).add(nameOf(bucketsOf(entry)));
  }

  #readBlockHeader(at: number, taken: Buffer | 'terminator'): void {
    const header = taken === 'terminator' ? undefined : decodeHeader(taken);
    if (!header) throw this.#bad(at, 'the header of a namespace', taken === 'terminator' ? 'a terminator' : 'another document');
    const name = nameOf(header);
    if (!this.#known.has(name)) throw this.#bad(at, 'a block of a collection that the prelude names', `one of ${name}`);
    if (this.#ended.has(name)) throw this.#bad(at, 'another namespace', `${name} again, which had ended`);
    const open = this.#open.get(name) ?? { of: { db: header.db, collection: header.collection }, crc: new Crc64() };
    if (!header.end) {
      this.#open.set(name, open);
      this.#current = open;
      this.#state = 'documents';
      return;
    }
    const crc = open.crc.value();
    if (crc !== header.crc) throw this.#bad(at, `${name} with the CRC of its documents, ${hex(crc)}`, `CRC ${hex(header.crc)}: the archive was altered or is damaged`);
    this.#open.delete(name);
    this.#ended.add(name);
    this.#ending = header;
    this.#state = 'namespace end';
  }

  #takeDocuments(): Extract<DumpEvent, { kind: 'documents' }> | undefined {
    const { of, crc } = this.#current!;
    const documents: Buffer[] = [];
    let bytes = 0;
    while (documents.length < batchDocuments) {
      const taken = this.#takeOne();
      if (taken === undefined) break;
      if (taken === 'terminator') {
        this.#state = 'block';
        break;
      }
      crc.add(taken);
      documents.push(taken);
      bytes += taken.length;
    }
    return documents.length > 0 ? { kind: 'documents', of, documents, bytes } : undefined;
  }

  /** A whole document, or a terminator; undefined: not all of it is there yet. */
  #takeOne(): Buffer | 'terminator' | undefined {
    const size = this.#bytes.peekInt32();
    if (size === undefined) return undefined;
    if (size === terminatorValue) {
      this.#bytes.take(4);
      return 'terminator';
    }
    checkSize(this.#where, this.#bytes.offset, size, 'a document or a terminator');
    if (this.#bytes.length < size) return undefined;
    const at = this.#bytes.offset;
    const document = this.#bytes.take(size);
    checkEnd(this.#where, at, document);
    return document;
  }

  #bad(at: number, expected: string, found: string): HoldfastError {
    return badDump(this.#where, at, expected, found);
  }
}

/** A collection's documents from a file of their own, without anything around them. */
export class DocumentParser {
  readonly #where: string;
  readonly #bytes = new ByteQueue();

  constructor(where: string) {
    this.#where = where;
  }

  *push(piece: Buffer): Generator<Buffer[]> {
    this.#bytes.push(piece);
    let documents: Buffer[] = [];
    for (let size = this.#bytes.peekInt32(); size !== undefined; size = this.#bytes.peekInt32()) {
      const at = this.#bytes.offset;
      checkSize(this.#where, at, size, 'a document');
      if (this.#bytes.length < size) break;
      const document = this.#bytes.take(size);
      checkEnd(this.#where, at, document);
      documents.push(document);
      if (documents.length < batchDocuments) continue;
      yield documents;
      documents = [];
    }
    if (documents.length > 0) yield documents;
  }

  end(): void {
    if (this.#bytes.length > 0) throw badDump(this.#where, this.#bytes.offset + this.#bytes.length, 'the rest of a document', 'the end of the file');
  }
}

const bucketsOf = ({ db, collection }: Namespace): Namespace => ({ db, collection: `system.buckets.${collection}` });
const hex = (crc: bigint): string => BigInt.asUintN(64, crc).toString(16).padStart(16, '0');

function checkSize(where: string, at: number, size: number, expected: string): void {
  if (size < 5 || size > maxDocumentBytes) throw badDump(where, at, `${expected} (5 to ${maxDocumentBytes} bytes)`, `a length of ${size}`);
}

function checkEnd(where: string, at: number, document: Buffer): void {
  if (document.at(-1) !== 0) throw badDump(where, at, `a document of ${document.length} bytes that ends with 0`, `one that ends with ${document.at(-1)}`);
}

export const badDump = (where: string, at: number, expected: string, found: string): HoldfastError =>
  new HoldfastError('BadInput', `${where}: byte ${at}: expected ${expected}, found ${found}`, { details: { file: where, offset: at } });
