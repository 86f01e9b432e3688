import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { ElementCursor, bsonType, findElement, makeDocument, makeElement } from '../oplog/raw-elements.ts';

/**
 * Applies the update entry `o` to a raw document, giving the very bytes that the server leaves.
 *
 * Two forms: a whole replacement, and a diff `{$v: 2, diff}`. In a diff `d` deletes, `u` updates in place, `i` inserts at
 * the end, `s<field>` goes into a subdocument or array; in an array diff `l` is the new length, `u<index>` and
 * `s<index>` change an element. A diff that is applied to a later state (types differ) does what the server does then.
 *
 * @throws Unsupported - a form that this version does not know; nothing may be claimed of the document.
 * @source MongoDB server, update/document_diff_applier and the tests beside this file, which compare with a real server.
 */
export function applyUpdate(before: Buffer, o: Buffer): Buffer {
  const version = findElement(o, '$v');
  if (!version) return replaceDocument(before, o);
  const number = version.type === bsonType.double ? o.readDoubleLE(version.valueStart) : o.readInt32LE(version.valueStart);
  const diff = findElement(o, 'diff');
  if (number !== 2 || !diff) {
    throw new HoldfastError('Unsupported', `an update entry of form $v: ${number}, which this version does not know`);
  }
  return replaceDocument(before, applyObjectDiff(before, diff.value));
}

/**
 * The server keeps the stored `_id` and puts the new fields behind it, whatever place `_id` has in the entry; unless
 * nothing changed, when even a document whose `_id` stands elsewhere stays as it is.
 */
export function replaceDocument(before: Buffer, after: Buffer): Buffer {
  if (after.equals(before)) return before;
  const first = new ElementCursor(after);
  if (first.next() && first.name === '_id') return after;
  const id = findElement(before, '_id');
  if (!id) return after;
  const elements: Buffer[] = [id.element];
  for (const cursor = new ElementCursor(after); cursor.next(); ) if (cursor.name !== '_id') elements.push(cursor.element);
  return makeDocument(elements);
}

type Change =
  | { kind: 'delete' }
  | { kind: 'update'; type: number; value: Buffer }
  | { kind: 'insert' }
  | { kind: 'inside'; diff: Buffer };

interface ObjectDiff {
  changes: Map<string, Change>;
  /** in the diff's order: what stands at the end when the document does not have it yet */
  additions: { name: string; element: Buffer }[];
}

function applyObjectDiff(before: Buffer, diff: Buffer): Buffer {
  const { changes, additions } = readObjectDiff(diff);
  const elements: Buffer[] = [];
  const updatedInPlace = new Set<string>();
  for (const cursor = new ElementCursor(before); cursor.next(); ) {
    const name = cursor.name;
    const change = changes.get(name);
    if (!change) elements.push(cursor.element);
    else if (change.kind === 'update') {
      elements.push(makeElement(change.type, name, change.value));
      updatedInPlace.add(name);
    } else if (change.kind === 'inside') elements.push(applyInside(cursor.type, name, cursor.value, change.diff));
  }
  for (const { name, element } of additions) if (!updatedInPlace.has(name)) elements.push(element);
  return makeDocument(elements);
}

function readObjectDiff(diff: Buffer): ObjectDiff {
  const changes = new Map<string, Change>();
  const additions: ObjectDiff['additions'] = [];
  for (const section = new ElementCursor(diff); section.next(); ) {
    const name = section.name;
    if (name.startsWith('s')) {
      changes.set(name.slice(1), { kind: 'inside', diff: section.value });
      continue;
    }
    if (name !== 'd' && name !== 'u' && name !== 'i') throw unknownSection(name);
    for (const field = new ElementCursor(section.value); field.next(); ) {
      if (name === 'd') changes.set(field.name, { kind: 'delete' });
      else {
        changes.set(field.name, name === 'u' ? { kind: 'update', type: field.type, value: field.value } : { kind: 'insert' });
        additions.push({ name: field.name, element: field.element });
      }
    }
  }
  return { changes, additions };
}

const isArrayDiff = (diff: Buffer): boolean => {
  const cursor = new ElementCursor(diff);
  return cursor.next() && cursor.name === 'a';
};

function applyInside(type: number, name: string, value: Buffer, diff: Buffer): Buffer {
  const wantsArray = isArrayDiff(diff);
  if (type === bsonType.document && !wantsArray) return makeElement(type, name, applyObjectDiff(value, diff));
  if (type === bsonType.array && wantsArray) return makeElement(type, name, applyArrayDiff(value, diff));
  // The document is of a later state already, so an entry that follows overwrites this value.
  return makeElement(bsonType.null, name, noBytes);
}

const noBytes = Buffer.alloc(0);

type ArrayChange = { kind: 'update'; type: number; value: Buffer } | { kind: 'inside'; diff: Buffer };

function applyArrayDiff(before: Buffer, diff: Buffer): Buffer {
  const { changes, length, lastChanged } = readArrayDiff(diff);
  const elements: Buffer[] = [];
  for (const cursor = new ElementCursor(before); cursor.next(); ) {
    const index = elements.length;
    if (length !== null && index >= length) break;
    const change = changes.get(index);
    if (!change) elements.push(makeElement(cursor.type, String(index), cursor.value));
    else if (change.kind === 'update') elements.push(makeElement(change.type, String(index), change.value));
    else elements.push(applyInside(cursor.type, String(index), cursor.value, change.diff));
  }
  while (elements.length <= lastChanged || (length !== null && elements.length < length)) {
    const index = elements.length;
    const change = changes.get(index);
    elements.push(change?.kind === 'update' ? makeElement(change.type, String(index), change.value) : makeElement(bsonType.null, String(index), noBytes));
  }
  return makeDocument(elements);
}

function readArrayDiff(diff: Buffer): { changes: Map<number, ArrayChange>; length: number | null; lastChanged: number } {
  const changes = new Map<number, ArrayChange>();
  let length: number | null = null;
  let lastChanged = -1;
  for (const cursor = new ElementCursor(diff); cursor.next(); ) {
    const name = cursor.name;
    if (name === 'a') continue;
    if (name === 'l') {
      length = cursor.bytes.readInt32LE(cursor.valueStart);
      continue;
    }
    const index = Number(name.slice(1));
    if (!/^[us]\d+$/.test(name)) throw unknownSection(name);
    changes.set(index, name.startsWith('u') ? { kind: 'update', type: cursor.type, value: cursor.value } : { kind: 'inside', diff: cursor.value });
    lastChanged = Math.max(lastChanged, index);
  }
  return { changes, length, lastChanged };
}

const unknownSection = (name: string): HoldfastError =>
  new HoldfastError('Unsupported', `an update entry with section "${name}", which this version does not know`);
