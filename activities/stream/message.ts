import { HoldfastError } from '../../workflows/domain/errors.ts';
import { kib, mib } from '../../workflows/domain/units.ts';
import { letGo } from './let-go.ts';

/**
 * AWS Encryption SDK messages under a raw AES-256 key. Any implementation of that SDK opens them, so a backup never
 * depends on this program. The SDK is loaded with the first message: most commands open none.
 *
 * @source AWS Encryption SDK developer guide, message format reference.
 */
export const keyNamespace = 'holdfast';
const frameBytes = mib(1);
/** As much as the header of any message of ours is. */
const headBytes = kib(4);

/** A key under the name that messages call it by. */
export interface NamedKey {
  name: string;
  bytes: Uint8Array;
}

export async function encryptMessage(key: NamedKey, plain: Uint8Array, context: Record<string, string>): Promise<Buffer> {
  const { encrypt, keyringOf, suiteId } = await import('./encryption-sdk.ts');
  const { result } = await encrypt(keyringOf(key), Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength), { suiteId, frameLength: frameBytes, encryptionContext: context });
  return result;
}

/**
 * Decrypts and authenticates; the caller still has to compare the context. Throws the SDK's own errors, and one of its own
 * where bytes follow the message: the SDK would not look at them, so nothing would vouch for them.
 */
export async function decryptMessage(key: NamedKey, message: Uint8Array): Promise<{ plain: Buffer; context: Record<string, string> }> {
  const { decryptStream, keyringOf } = await import('./encryption-sdk.ts');
  const stream = decryptStream(keyringOf(key), { maxBodySize: frameBytes });
  // A frame comes once it is authenticated. What all of them come to is less than the message.
  const memory = Buffer.allocUnsafeSlow(message.byteLength);
  let length = 0;
  const headers: { encryptionContext: Readonly<Record<string, string>> }[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.once('MessageHeader', (header: (typeof headers)[number]) => headers.push(header)).once('end', resolve).on('error', reject).on('data', (frame: Buffer) => {
    length += frame.copy(memory, length);
    letGo(frame);
  });
  // The SDK copies what comes until it has the header: of a part that would be all of it.
  stream.write(message.subarray(0, headBytes));
  stream.end(message.length > headBytes ? message.subarray(headBytes) : undefined);
  await promise;
  const bytes = messageBytes(message);
  if (bytes !== message.byteLength) throw new RangeError(`the message ends after ${bytes} of ${message.byteLength} bytes`);
  return { plain: memory.subarray(0, length), context: { ...headers[0]!.encryptionContext } };
}

/** Where a message of ours that was decrypted ends: its header, whole frames, and a last one that names its own length. */
function messageBytes(message: Uint8Array): number {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  let offset = 1 + 2 + 32; // version, algorithm, message id
  const skipField = (): void => void (offset += 2 + bytes.readUInt16BE(offset));
  skipField(); // context
  offset += 2; // one wrapping: namespace, provider information, wrapped key
  for (let field = 0; field < 3; field += 1) skipField();
  const bodyFrameBytes = bytes.readUInt32BE(offset + 1); // behind the content type
  offset += 1 + 4 + 32 + 16; // …, commitment, tag of the header
  while (bytes.readUInt32BE(offset) !== lastFrame) offset += 4 + 12 + bodyFrameBytes + 16;
  offset += 4 + 4 + 12;
  return offset + 4 + bytes.readUInt32BE(offset) + 16;
}

/** Stands before the sequence number of a message's last frame. */
const lastFrame = 0xffff_ffff;

/**
 * What the header of a message says, before anything of it is authenticated: good for choosing a key, for nothing else.
 * @throws Tampered - not a version 2 message of ours.
 */
export function readMessageHeader(message: Uint8Array): { keyName: string; context: Record<string, string> } {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  let offset = 0;
  const take = (length: number): Buffer => {
    if (offset + length > bytes.length) throw new RangeError('short');
    offset += length;
    return bytes.subarray(offset - length, offset);
  };
  const field = (): Buffer => take(take(2).readUInt16BE());
  try {
    if (take(1)[0] !== 2) throw new RangeError('version');
    take(2 + 32); // algorithm, message id
    const context = readContext(field());
    if (take(2).readUInt16BE() !== 1) throw new RangeError('wrappings');
    if (field().toString() !== keyNamespace) throw new RangeError('namespace');
    const providerInfo = field();
    // The raw AES keyring appends tag length (4), IV length (4) and a 12-byte IV to the name.
    return { keyName: providerInfo.subarray(0, providerInfo.length - 20).toString(), context };
  } catch (cause) {
    throw new HoldfastError('Tampered', `not an encrypted object of Holdfast: its header cannot be read (${bytes.length} bytes)`, { cause });
  }
}

function readContext(aad: Buffer): Record<string, string> {
  const context: Record<string, string> = {};
  if (aad.length === 0) return context;
  let offset = 2;
  for (let left = aad.readUInt16BE(0); left > 0; left -= 1) {
    const [name, value] = [0, 0].map(() => {
      const length = aad.readUInt16BE(offset);
      offset += 2 + length;
      return aad.toString('utf8', offset - length, offset);
    });
    context[name!] = value!;
  }
  return context;
}
