/** What heads a file, a directory or a link in a tar. */
export interface TarEntry {
  /** its bytes as latin1: names may be in any encoding */
  path: string;
  kind: 'file' | 'directory' | 'link' | 'other';
  bytes: number;
  mode: number;
  /** of a link, as latin1 */
  target: string;
}

export interface TarHandler {
  /** @param behind - where in the tar what it heads begins. */
  entry(entry: TarEntry, behind: number): void;
  /** Of the last entry that is a file, in order. The memory is the stream's. */
  data(chunk: Buffer): void;
  /** All of that file has passed. */
  end(): void;
}

const block = 512;
const kinds: Readonly<Record<string, TarEntry['kind']>> = { '0': 'file', '\0': 'file', '2': 'link', '5': 'directory' };

/** Reads a tar of PostgreSQL's while it passes, in chunks of any size. @source PostgreSQL, src/port/tar.c: POSIX ustar, whose names fit in its fields; sizes from 8 GiB on in base 256. */
export class TarReader {
  readonly #handler: TarHandler;
  #header = Buffer.alloc(block);
  #filled = 0;
  /** bytes of the present file, and of the padding behind it, still to come */
  #left = 0;
  #padding = 0;
  /** bytes that have passed before the present chunk */
  #passed = 0;
  /** a block of zeros has passed: the end */
  hasEnded = false;

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  add(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#handler.data(chunk.subarray(at, at + taken));
        this.#left -= taken;
        at += taken;
        if (this.#left === 0) this.#handler.end();
      } else if (this.#padding > 0) {
        const taken = Math.min(this.#padding, chunk.length - at);
        this.#padding -= taken;
        at += taken;
      } else {
        const taken = Math.min(block - this.#filled, chunk.length - at);
        chunk.copy(this.#header, this.#filled, at, at + taken);
        this.#filled += taken;
        at += taken;
        if (this.#filled === block) this.#readHeader(this.#passed + at);
      }
    }
    this.#passed += chunk.length;
  }

  #readHeader(behind: number): void {
    this.#filled = 0;
    if (this.#header.every((byte) => byte === 0)) {
      this.hasEnded = true;
      return;
    }
    const name = textAt(this.#header, 0, 100);
    const prefix = textAt(this.#header, 345, 155);
    const kind = kinds[String.fromCharCode(this.#header[156]!)] ?? 'other';
    const bytes = kind === 'file' ? sizeIn(this.#header) : 0;
    this.#left = bytes;
    this.#padding = (block - (bytes % block)) % block;
    this.#handler.entry({ path: prefix === '' ? name : `${prefix}/${name}`, kind, bytes, mode: octalAt(this.#header, 100, 108), target: textAt(this.#header, 157, 100) }, behind);
    if (kind === 'file' && bytes === 0) this.#handler.end();
  }
}

/** As bytes: names of files may be in any encoding. */
function textAt(header: Buffer, at: number, length: number): string {
  const field = header.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end === -1 ? length : end);
}

const octalAt = (header: Buffer, at: number, end: number): number => Number.parseInt(header.toString('latin1', at, end).replace(/[\0 ]+$/, '') || '0', 8);

/** Octal digits, or, from 8 GiB on, bytes behind a set first bit. */
const sizeIn = (header: Buffer): number => ((header[124]! & 0x80) === 0 ? octalAt(header, 124, 136) : Number(header.readBigUInt64BE(128)));
