import type { Operation } from '../oplog/oplog-entry.ts';
import { ElementCursor, bsonType, findElement, makeDocument } from '../oplog/raw-elements.ts';

/**
 * The collections of a partial restore, by UUID: those whose name at the recovery point was chosen. A UUID outlives every
 * rename, so what was filled under a temporary name (`$out`, a rename across databases, convertToCapped) is chosen with
 * the name that it ends under, and none of them is dropped on the way.
 */
export class Selection {
  readonly uuids: ReadonlySet<string>;
  /** the same by their bytes: asked for each of many million writes */
  readonly #bytes: ReadonlySet<string>;

  constructor(uuids: Iterable<string>) {
    this.uuids = new Set(uuids);
    this.#bytes = new Set([...this.uuids].map((uuid) => Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('latin1')));
  }

  /** Whether an operation of the log concerns one of them. What names no collection (dropDatabase) concerns none: it finds them gone already. */
  holds({ ui }: Operation): boolean {
    return ui !== null && this.#bytes.has(ui.toString('latin1'));
  }
}

/** A rename without what it takes the place of: that was dropped by it, so it was not chosen, and is not on the target. */
export function withoutDropTarget(operation: Operation): Operation {
  if (operation.op !== 'c' || findElement(operation.o, 'dropTarget')?.type !== bsonType.binary) return operation;
  const elements: Buffer[] = [];
  for (const cursor = new ElementCursor(operation.o); cursor.next(); ) if (cursor.name !== 'dropTarget') elements.push(cursor.element);
  return { ...operation, o: makeDocument(elements) };
}
