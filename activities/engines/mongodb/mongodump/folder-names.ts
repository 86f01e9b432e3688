import { createHash } from 'node:crypto';

/** What a file name of a dump may be long, without the longest ending that it gets. */
const longestName = 238;

/** A collection's name as mongodump makes a file name of it: as a form field is encoded, and a long one cut and hashed. */
export function toFileName(collection: string): string {
  const escaped = encodeURIComponent(collection)
    .replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
  if (escaped.length <= longestName) return escaped;
  return `${escaped.slice(0, 208)}%24${createHash('sha1').update(collection).digest('base64url')}`;
}

/** The collection that a file name stands for; undefined: it is no such name. A long one is known from its metadata only. */
export function fromFileName(name: string): string | undefined {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}
