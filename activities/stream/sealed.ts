import { promisify } from 'node:util';
import { constants, createZstdCompress, zstdDecompress } from 'node:zlib';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatBytes, mib } from '../../workflows/domain/units.ts';
import { dataKeyId } from './data-key.ts';
import type { DataKey } from './keys.ts';
import { letGo } from './let-go.ts';
import { decryptMessage, encryptMessage, readMessageHeader } from './message.ts';

const decompress = promisify(zstdDecompress);
/** Each piece is a trip to the pool and back: by the default of 16 KiB, trips cost more than the work. */
const chunkSize = mib(1);

/** No sealed object holds more than this when opened: what keeps a reader's memory bounded, whoever wrote the object. */
export const maxPlainBytes = mib(64);

/**
 * Compresses (zstd, in libuv's pool), then encrypts (1 MiB frames, committed to the key).
 * Sealing the same bytes twice gives different bytes: never compare sealed bytes to find out whether data is equal.
 *
 * @param context - see contexts.ts; the same words are needed to open.
 * @returns memory of its own: the caller's, to let go (`letGo`) once it is stored.
 * @throws BadInput - `plain` is larger than a sealed object may be.
 */
export async function seal(key: DataKey, plain: Uint8Array, context: Record<string, string>, options: { level?: 1 | 2 | 3 } = {}): Promise<Buffer> {
  if (plain.byteLength > maxPlainBytes) {
    throw new HoldfastError('BadInput', `${formatBytes(plain.byteLength)} to seal as one object; at most ${formatBytes(maxPlainBytes)}`);
  }
  const compressed = await compress(plain, options.level ?? 1);
  const message = await encryptMessage({ name: key.id, bytes: key.bytes }, compressed, context);
  letGo(compressed);
  return message;
}

/** As large as what is compressed can become. What is not written to takes no memory. @source zstd.h, ZSTD_COMPRESSBOUND */
const compressedBound = (plainBytes: number): number => plainBytes + (plainBytes >> 8) + 128;

/**
 * One frame that says how much it holds, in the pool, in one go: zstd compresses right from the one buffer into the other. By `zstdCompress` it is told of the end only behind everything: it
 * copies what comes in and what goes out, and the frame says nothing.
 */
async function compress(plain: Uint8Array, level: number): Promise<Buffer> {
  const stream = createZstdCompress({ chunkSize: compressedBound(plain.byteLength), pledgedSrcSize: plain.byteLength, params: { [constants.ZSTD_c_compressionLevel]: level } });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => void pieces.push(piece)).once('end', resolve).once('error', reject);
  // While this is written the end is told of: then the content is the first that comes.
  stream.write(Buffer.alloc(0));
  stream.end(plain);
  // To its end: behind the content comes another frame, of nothing, which the pool writes into the same memory. Whoever lets that go before would have it written to what is somebody else's by then.
  await promise;
  if (stream.bytesWritten !== plain.byteLength) throw new Error(`zstd took ${stream.bytesWritten} of ${plain.byteLength} bytes`);
  return pieces[0]!;
}

/**
 * Authenticates, decrypts and decompresses.
 *
 * @returns memory of its own: the caller's, to let go.
 * @throws WrongKey - sealed under another key, or `key` has the right name and the wrong bytes.
 * @throws Tampered - altered after sealing, or sealed as something else (the context differs): both are named.
 */
export async function open(key: DataKey, stored: Uint8Array, context: Record<string, string>): Promise<Buffer> {
  const sealedUnder = keyIdOf(stored);
  if (sealedUnder !== key.id) {
    throw new HoldfastError('WrongKey', `${describe(context)} is sealed under key ${sealedUnder}, not ${key.id}`);
  }
  const opened = await decryptMessage({ name: key.id, bytes: key.bytes }, stored).catch((cause: unknown) => {
    // The name is a hash of the key: when they agree the key is right, so the bytes are not.
    throw dataKeyId(key.bytes) === key.id
      ? new HoldfastError('Tampered', `${describe(context)} does not authenticate: it was altered after it was sealed`, { cause })
      : new HoldfastError('WrongKey', `${describe(context)} does not open: the bytes of key ${key.id} are not that key`, { cause });
  });
  requireSameContext(opened.context, context);
  try {
    const plain = await decompress(opened.plain, { chunkSize: pieceFor(opened.plain), maxOutputLength: maxPlainBytes });
    letGo(opened.plain);
    return plain;
  } catch (cause) {
    throw new HoldfastError('Tampered', `${describe(context)} is authentic but not zstd of at most ${formatBytes(maxPlainBytes)}`, { cause });
  }
}

/** One piece that holds everything, where the frame says how much that is, as ours do: zstd opens it right into that. Only a hint. */
function pieceFor(compressed: Buffer): number {
  const bytes = contentBytes(compressed);
  return bytes === undefined || bytes > maxPlainBytes ? chunkSize : Math.max(1024, bytes + 1);
}

/** @source RFC 8878, 3.1.1.1: a magic number, a descriptor (how long its fields are), a window, a dictionary, the size of the content. */
function contentBytes(frame: Buffer): number | undefined {
  const descriptor = frame[4];
  if (descriptor === undefined || frame.length < 18) return undefined;
  const isOneSegment = (descriptor & 0x20) !== 0;
  const at = 5 + (isOneSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  switch (descriptor >> 6) {
    case 0: return isOneSegment ? frame[at] : undefined;
    case 1: return frame.readUInt16LE(at) + 256;
    case 2: return frame.readUInt32LE(at);
    default: return Number(frame.readBigUInt64LE(at));
  }
}

/** The key that opens it, as its header says. @throws Tampered - it has no header of ours. */
export const keyIdOf = (stored: Uint8Array): string => readMessageHeader(stored).keyName;

/** The words it was sealed under, not yet authenticated: `open` compares them. @throws Tampered */
export const contextOf = (stored: Uint8Array): Record<string, string> => readMessageHeader(stored).context;

function requireSameContext(found: Record<string, string>, wanted: Record<string, string>): void {
  const names = new Set([...Object.keys(found), ...Object.keys(wanted)]);
  const different = [...names].filter((name) => found[name] !== wanted[name]);
  if (different.length === 0) return;
  const list = different.map((name) => `${name} is ${found[name] ?? 'missing'}, expected ${wanted[name] ?? 'nothing'}`);
  throw new HoldfastError('Tampered', `${describe(wanted)} holds something else: ${list.join('; ')}`);
}

const describe = (context: Record<string, string>): string =>
  Object.entries(context).map(([name, value]) => (name === 'holdfast' ? value : `${name}=${value}`)).join(' ') || 'object';
