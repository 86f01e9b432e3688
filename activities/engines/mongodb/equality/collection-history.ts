import type { Unit } from '../../../../workflows/domain/manifest.ts';
import { commandOf, databaseOf, type Operation } from '../oplog/oplog-entry.ts';
import { ElementCursor, bsonType, findElement } from '../oplog/raw-elements.ts';
import { decodeDetail } from '../plan.ts';
import { uuidText } from '../replay/index-catalogue.ts';

export interface KnownCollection {
  /** a small number of its own, for records */
  number: number;
  uuid: string;
  ns: string;
  capped: boolean;
}

/** Which collections there are, from the base on and as the log goes: made, renamed, dropped. */
export class CollectionHistory {
  readonly #present = new Map<string, KnownCollection>();
  /** text of a UUID by its bytes: asked for once an operation */
  readonly #uuids = new Map<string, string>();
  #numbered = 0;

  constructor(units: readonly Unit[]) {
    for (const unit of units) this.#make(unit.id, unit.name, decodeDetail(unit.detail).options['capped'] === true);
  }

  /** Those that are there now, by UUID. */
  get present(): ReadonlyMap<string, KnownCollection> {
    return this.#present;
  }

  /** undefined: it is not there (any more). That is so only inside the base's own window, where replay passes over it too. */
  ofOperation({ ui }: Operation): KnownCollection | undefined {
    if (!ui) return undefined;
    const bytes = ui.toString('latin1');
    let uuid = this.#uuids.get(bytes);
    if (uuid === undefined) this.#uuids.set(bytes, (uuid = uuidText(ui)));
    return this.#present.get(uuid);
  }

  apply(operation: Operation): void {
    const uuid = operation.ui ? uuidText(operation.ui) : undefined;
    switch (commandOf(operation)) {
      case 'create': {
        const first = new ElementCursor(operation.o);
        if (!uuid || !first.next()) return;
        const ns = `${databaseOf(operation.ns)}.${first.text}`;
        const known = this.#present.get(uuid);
        if (known) known.ns = ns;
        else this.#make(uuid, ns, findElement(operation.o, 'capped')?.isTrue === true);
        return;
      }
      case 'drop': return this.#drop(uuid);
      case 'renameCollection': {
        const target = findElement(operation.o, 'dropTarget');
        if (target?.type === bsonType.binary) this.#drop(uuidText(target.value.subarray(5)));
        const collection = uuid ? this.#present.get(uuid) : undefined;
        if (collection) collection.ns = findElement(operation.o, 'to')!.text;
        return;
      }
      case 'dropDatabase':
        for (const { uuid: id, ns } of [...this.#present.values()]) if (databaseOf(ns) === databaseOf(operation.ns)) this.#drop(id);
        return;
      default: // collMod, convertToCapped, emptycapped: no document of a collection that we claim anything of
    }
  }

  #make(uuid: string, ns: string, capped: boolean): void {
    this.#present.set(uuid, { number: this.#numbered, uuid, ns, capped });
    this.#numbered += 1;
  }

  #drop(uuid: string | undefined): void {
    if (uuid) this.#present.delete(uuid);
  }
}
