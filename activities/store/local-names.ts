import { HoldfastError } from '../../workflows/domain/errors.ts';

/** Ends the name of an object's directory; `encodeName` never makes one, so a folder and an object may share a name. */
export const objectSuffix = '@';

/** A key's segment as a file name: all but letters, digits, dot, dash and underscore as %XX of its UTF-8 bytes. */
export function encodeName(segment: string): string {
  let name = '';
  for (const byte of Buffer.from(segment)) {
    const char = String.fromCharCode(byte);
    name += /[A-Za-z0-9._-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  if (/^\.+$/.test(name)) name = name.replaceAll('.', '%2E');
  if (name.length > 240) throw new HoldfastError('BadInput', `a segment of a key is too long for a file name: ${name.slice(0, 60)}…`);
  return name;
}

export const decodeName = (name: string): string => decodeURIComponent(name);

export const encodeKey = (key: string): string => key.split('/').map(encodeName).join('/');
