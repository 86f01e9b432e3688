import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatBytes, kib, mib } from '../../workflows/domain/units.ts';
import { dataKeyId } from './data-key.ts';
import type { DataKey } from './keys.ts';
import { decryptMessage, encryptMessage, readMessageHeader } from './message.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
/** Each piece is a trip to the pool and back: by the default of 16 KiB, trips cost more than the compression. */
const chunkSize = mib(1);
/** What is small takes no more room than it needs: buffers of 1 MiB for thousands of small parts make V8 mark its whole heap again and again. */
const chunkFor = (plainBytes: number): number => Math.min(chunkSize, Math.max(kib(16), plainBytes));

/** No sealed object holds more than this when opened: what keeps a reader's memory bounded, whoever wrote the object. */
export const maxPlainBytes = mib(64);

/**
 * Compresses (zstd, in libuv's pool), then encrypts (1 MiB frames, committed to the key).
 * Sealing the same bytes twice gives different bytes: never compare sealed bytes to find out whether data is equal.
 *
 * @param context - see contexts.ts; the same words are needed to open.
 * @throws BadInput - `plain` is larger than a sealed object may be.
 */
export async function seal(key: DataKey, plain: Uint8Array, context: Record<string, string>, options: { level?: 1 | 2 | 3 } = {}): Promise<Buffer> {
  if (plain.byteLength > maxPlainBytes) {
    throw new HoldfastError('BadInput', `${formatBytes(plain.byteLength)} to seal as one object; at most ${formatBytes(maxPlainBytes)}`);
  }
  const compressed = await compress(plain, { chunkSize: chunkFor(plain.byteLength), params: { [constants.ZSTD_c_compressionLevel]: options.level ?? 1 } });
  return encryptMessage({ name: key.id, bytes: key.bytes }, compressed, context);
}

/**
 * Authenticates, decrypts and decompresses.
 *
 * @param options.plainBytes - what it is expected to open to: then it is opened into one buffer. Only a hint.
 * @throws WrongKey - sealed under another key, or `key` has the right name and the wrong bytes.
 * @throws Tampered - altered after sealing, or sealed as something else (the context differs): both are named.
 */
export async function open(key: DataKey, stored: Uint8Array, context: Record<string, string>, options: { plainBytes?: number } = {}): Promise<Buffer> {
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
    return await decompress(opened.plain, { chunkSize: pieceFor(options.plainBytes), maxOutputLength: maxPlainBytes });
  } catch (cause) {
    throw new HoldfastError('Tampered', `${describe(context)} is authentic but not zstd of at most ${formatBytes(maxPlainBytes)}`, { cause });
  }
}

/** One piece that holds everything, where it is known how much that is; the least that zlib takes otherwise. */
const pieceFor = (plainBytes: number | undefined): number => (plainBytes === undefined ? chunkSize : Math.min(maxPlainBytes, Math.max(1024, plainBytes + 1)));

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
