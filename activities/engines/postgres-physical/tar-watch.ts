import { createHash } from 'node:crypto';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { TarReader, type TarEntry } from './tar-reader.ts';

/** What a base backup says of itself, as far as Holdfast needs it. */
export interface BackupManifest {
  timeline: number;
  startLsn: string;
  endLsn: string;
  files: number;
}

interface ManifestFile {
  'System-Identifier'?: number | string;
  Files: { Path?: string; 'Encoded-Path'?: string; Size: number }[];
  'WAL-Ranges': { Timeline: number; 'Start-LSN': string; 'End-LSN': string }[];
  'Manifest-Checksum': string;
}

const manifestName = 'backup_manifest';
/** A list of half a million files has about 100 MB: more would be held in memory. */
const longestManifest = 256 * 2 ** 20;

/** Of what another tar holds: names in the server's list begin with it. */
export const prefixOfTablespace = (oid: string): string => `pg_tblspc/${oid}/`;

/**
 * Looks at a tar of a base backup while it passes, as pg_basebackup writes it; where there is only one it goes to standard output, and the server's list of files comes last in it.
 *
 * What is checked is that nothing is missing: every file that the server lists passed with the size that it has there, and the list itself is whole. Each
 * file's checksum is compared by pg_verifybackup when the base is restored: what happens to the bytes in between, the digests of the parts tell.
 */
export class TarWatch {
  readonly #prefix: string;
  readonly #reader = new TarReader({
    entry: (entry, behind) => this.#look(entry, behind),
    // A copy: the chunk's memory is the stream's.
    data: (chunk) => this.#manifest?.push(Buffer.from(chunk)),
    end: () => this.#endOfFile(),
  });
  #manifest: Buffer[] | undefined;
  #text: Buffer | undefined;
  #listAt = 0;
  /** by name, in any encoding */
  readonly sizes = new Map<string, number>();

  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  add(chunk: Buffer): void {
    this.#reader.add(chunk);
  }

  /** The list that passed in this tar, and where in it. @throws ToolFailed - retryable: none did. */
  list(): { text: Buffer; at: number } {
    if (!this.#text) throw incomplete('its list of files (backup_manifest) is missing');
    return { text: this.#text, at: this.#listAt };
  }

  /** @param behind - where what it heads begins. */
  #look({ path, kind, bytes }: TarEntry, behind: number): void {
    if (kind === 'file') this.sizes.set(`${this.#prefix}${path}`, bytes);
    if (kind !== 'file' || path !== manifestName || this.#prefix !== '') return;
    if (bytes > longestManifest) throw new HoldfastError('Unsupported', `the server's list of files has ${bytes} bytes: more than ${longestManifest} are not read`);
    this.#manifest = [];
    this.#listAt = behind;
  }

  #endOfFile(): void {
    if (!this.#manifest) return;
    this.#text = Buffer.concat(this.#manifest);
    this.#manifest = undefined;
  }
}

/** Holds what passed against the server's own list. @throws ToolFailed - retryable: something that it lists did not pass, or the list is not whole. */
export function checkList(text: Buffer, tars: readonly TarWatch[]): BackupManifest {
  const { Files, 'WAL-Ranges': ranges, 'Manifest-Checksum': checksum } = parseManifest(text);
  const upToChecksum = text.subarray(0, text.lastIndexOf('"Manifest-Checksum"'));
  if (createHash('sha256').update(upToChecksum).digest('hex') !== checksum) throw incomplete('its list of files does not have the checksum that it says');
  for (const { Path, 'Encoded-Path': encoded, Size } of Files) {
    const path = Path ?? Buffer.from(encoded!, 'hex').toString('latin1');
    const name = Path === undefined ? path : Buffer.from(path, 'utf8').toString('latin1');
    const passed = tars.map(({ sizes }) => sizes.get(name)).find((size) => size !== undefined);
    if (passed !== Size) throw incomplete(`${Path ?? encoded} has ${Size} bytes by the server's list, and ${passed === undefined ? 'did not come' : `${passed} came`}`);
  }
  const [range, ...others] = ranges;
  if (!range || others.length > 0) throw new HoldfastError('Unsupported', `the base backup needs WAL of ${ranges.length} PostgreSQL timelines`, { hint: 'take it again, once the server has been promoted for a while' });
  return { timeline: range.Timeline, startLsn: range['Start-LSN'], endLsn: range['End-LSN'], files: Files.length };
}

const incomplete = (what: string): HoldfastError => new HoldfastError('ToolFailed', `pg_basebackup ended well, and its backup is not whole: ${what}`);

function parseManifest(text: Buffer): ManifestFile {
  try {
    return JSON.parse(text.toString('utf8')) as ManifestFile;
  } catch (cause) {
    throw new HoldfastError('ToolFailed', `pg_basebackup ended well, and its list of files cannot be read: ${(cause as Error).message}`, { cause });
  }
}
