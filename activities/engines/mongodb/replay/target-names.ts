import { BSON, type Document, type MongoClient } from 'mongodb';
import { splitNamespace } from '../namespaces.ts';
import { commandOf, databaseOf, type Operation } from '../oplog/oplog-entry.ts';
import { ElementCursor, bsonType, findElement } from '../oplog/raw-elements.ts';

/**
 * What each collection of the target is called now, for entries that the target may be later than: those in the base's
 * own window, and those that a killed attempt may have applied.
 *
 * Server 6.0 does not take such entries well. It looks an operation up by name and then writes to its UUID: where these
 * are two collections it aborts (an invariant on the lock of the wrong one), and where the name is gone it refuses what it
 * should write. A `create` whose name is taken by a later collection moves that one aside, and a time-series collection under
 * such a name aborts the server too. So names are put right, and commands whose effect is already there are passed over.
 */
export class TargetNames {
  readonly #client: MongoClient;
  #names = new Map<string, string>();

  constructor(client: MongoClient) {
    this.#client = client;
  }

  /** Reads the names again: after each command, since one may move other collections out of its way. */
  async reload(): Promise<void> {
    const { databases } = await this.#client.db('admin').command({ listDatabases: 1, nameOnly: true }) as { databases: { name: string }[] };
    const names = new Map<string, string>();
    for (const { name: database } of databases) {
      const listed = this.#client.db(database).runCursorCommand({ listCollections: 1, filter: { type: 'collection' } }, { promoteValues: false });
      for await (const entry of listed) {
        const { uuid } = entry['info'] as Document;
        if (uuid instanceof BSON.Binary) names.set(Buffer.from(uuid.buffer).toString('latin1'), `${database}.${String(entry['name'])}`);
      }
    }
    this.#names = names;
  }

  /** The operation under its collection's present name; undefined when the target has no such collection. */
  locate(operation: Operation): Operation | undefined {
    if (!operation.ui) return operation;
    const ns = this.#names.get(operation.ui.toString('latin1'));
    if (ns === operation.ns) return operation;
    return ns === undefined ? undefined : { ...operation, ns };
  }

  /** What is left to do of a command; undefined when its effect is there already, or is undone by what follows in the log. */
  remainder(operation: Operation): Operation | undefined {
    if (this.#isToDo(operation)) return operation;
    // The collection that it takes the place of has ended with it in any case.
    const ui = commandOf(operation) === 'renameCollection' ? dropTargetOf(operation) : undefined;
    const ns = ui && this.#names.get(ui.toString('latin1'));
    if (!ui || ns === undefined) return undefined;
    const { database, collection } = splitNamespace(ns);
    return { op: 'c', ns: `${database}.$cmd`, ui, o: Buffer.from(BSON.serialize({ drop: collection })), o2: null };
  }

  /** A collection that is gone, or has moved on from the name that the command knows it by, was taken further later on. */
  #isToDo(operation: Operation): boolean {
    const uuid = operation.ui?.toString('latin1');
    const ns = uuid === undefined ? undefined : this.#names.get(uuid);
    switch (commandOf(operation)) {
      case 'create': return ns === undefined && !this.#isTaken(`${databaseOf(operation.ns)}.${firstText(operation.o)}`);
      case 'renameCollection': {
        const to = findElement(operation.o, 'to')?.text ?? '';
        const replaced = dropTargetOf(operation);
        const replaces = replaced && this.#names.get(replaced.toString('latin1'));
        return ns === firstText(operation.o) && (replaces === to || !this.#isTaken(to));
      }
      // Each of its collections has a drop of its own before it: what is left was made later.
      case 'dropDatabase': return ![...this.#names.values()].some((name) => databaseOf(name) === databaseOf(operation.ns));
      default: return ns !== undefined;
    }
  }

  #isTaken(ns: string): boolean {
    for (const name of this.#names.values()) if (name === ns) return true;
    return false;
  }
}

function dropTargetOf({ o }: Operation): Buffer | undefined {
  const target = findElement(o, 'dropTarget');
  return target?.type === bsonType.binary ? target.value.subarray(5) : undefined;
}

const firstText = (o: Buffer): string => {
  const first = new ElementCursor(o);
  return first.next() && first.type === bsonType.string ? first.text : '';
};
