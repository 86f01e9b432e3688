import { BSON } from 'mongodb';
import type { DivergedNamespace, DivergedReport } from '../../../../workflows/domain/diverged.ts';
import { commandOf, databaseOf, isServersOwn, type Operation } from '../oplog/oplog-entry.ts';
import { findElement, makeDocument } from '../oplog/raw-elements.ts';

const namespacesShown = 200;
const commandsShown = 100;
const idsANamespace = 200;
/** Ids of all namespaces together: the report goes through a workflow's history. */
const idsShown = 2_000;
const canaryDatabase = 'holdfast_canary';

type Change = 'insert' | 'update' | 'delete';
const changes: Readonly<Record<string, Change>> = { i: 'insert', u: 'update', d: 'delete' };

interface Counted {
  counts: Record<Change, number>;
  ids: Map<string, Change>;
  /** changes to documents whose id is not shown */
  left: number;
}

type Result = Pick<DivergedReport, 'firstAt' | 'lastAt' | 'inserts' | 'updates' | 'deletes' | 'namespaces' | 'namespaceCount' | 'commands' | 'commandCount'>;

/** Counts what people would miss, by namespace. Bounded in memory by the number of namespaces. */
export class DivergedTally {
  readonly #namespaces = new Map<string, Counted>();
  readonly #commands: Result['commands'] = [];
  #commandCount = 0;
  #ids = 0;
  #firstMs: number | null = null;
  #lastMs: number | null = null;
  readonly #unknown = new Map<string, number>();
  readonly #showsIds: boolean;

  /** @param options.ids - false: whoever asks wants figures alone, and no id is read. */
  constructor({ ids = true }: { ids?: boolean } = {}) {
    this.#showsIds = ids;
  }

  add(operation: Operation, wallMs: number): void {
    const { op, ns } = operation;
    if (op === 'n' || isServersOwn(ns) || databaseOf(ns) === canaryDatabase) return;
    this.#firstMs ??= wallMs;
    this.#lastMs = wallMs;
    const change = changes[op];
    if (change) this.#count(operation, change);
    else if (op === 'c') this.#command(operation, wallMs);
    else this.#unknown.set(String(op), (this.#unknown.get(String(op)) ?? 0) + 1);
  }

  result(): Result {
    const all = [...this.#namespaces].map(([ns, { counts, ids, left }]): DivergedNamespace => ({
      ns,
      inserts: counts.insert,
      updates: counts.update,
      deletes: counts.delete,
      ids: [...ids].map(([id, change]) => ({ change, id })),
      idsLeftOut: left,
    }));
    const sum = (of: (one: DivergedNamespace) => number): number => all.reduce((total, one) => total + of(one), 0);
    const writes = (one: DivergedNamespace): number => one.inserts + one.updates + one.deletes;
    return {
      firstAt: isoOf(this.#firstMs),
      lastAt: isoOf(this.#lastMs),
      inserts: sum(({ inserts }) => inserts),
      updates: sum(({ updates }) => updates),
      deletes: sum(({ deletes }) => deletes),
      namespaces: all.sort((a, b) => writes(b) - writes(a) || (a.ns < b.ns ? -1 : 1)).slice(0, namespacesShown),
      namespaceCount: all.length,
      commands: this.#commands,
      commandCount: this.#commandCount,
    };
  }

  notCovered(): string[] {
    return [...this.#unknown].map(([op, count]) => `${count} entries of type "${op}" are not known to this version: they are in the entries, and not counted`);
  }

  #count(operation: Operation, change: Change): void {
    let counted = this.#namespaces.get(operation.ns);
    if (!counted) this.#namespaces.set(operation.ns, (counted = { counts: { insert: 0, update: 0, delete: 0 }, ids: new Map(), left: 0 }));
    counted.counts[change] += 1;
    if (!this.#showsIds) return;
    const id = idOf(change === 'update' ? (operation.o2 ?? operation.o) : operation.o);
    if (id === undefined) counted.left += 1;
    else if (counted.ids.has(id)) counted.ids.set(id, change);
    else if (counted.ids.size < idsANamespace && this.#ids < idsShown) {
      counted.ids.set(id, change);
      this.#ids += 1;
    } else counted.left += 1;
  }

  #command(operation: Operation, wallMs: number): void {
    this.#commandCount += 1;
    if (this.#commands.length < commandsShown) this.#commands.push({ ns: operation.ns, command: commandOf(operation), at: new Date(wallMs).toISOString() });
  }
}

const isoOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** As relaxed extended JSON, cut where it is long. */
function idOf(document: Buffer): string | undefined {
  const found = findElement(document, '_id');
  if (!found) return undefined;
  const { _id } = BSON.deserialize(makeDocument([found.element])) as { _id: unknown };
  return BSON.EJSON.stringify(_id).slice(0, 200);
}
