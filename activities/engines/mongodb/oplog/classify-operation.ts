import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { formatLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Source } from '../../../../workflows/domain/system.ts';
import { isBackedUp } from '../namespaces.ts';
import { isIndexCommand } from '../replay/index-catalogue.ts';
import { commandOf, databaseOf, isServersOwn, type Operation } from './oplog-entry.ts';
import { ElementCursor, bsonType, findElement } from './raw-elements.ts';

/** What is done with an operation of the log; the replay and the fold that proves it both ask here. */
export type OperationClass = 'skip' | 'write' | 'index' | 'command';

/** Commands that change collections and are replayed as they are. */
const replayed = new Set(['create', 'drop', 'dropDatabase', 'renameCollection', 'collMod', 'convertToCapped', 'emptycapped']);
/** Commands that change nothing that is backed up. */
const withoutEffect = new Set(['dbCheck']);

/** @throws Unsupported - a command that this version does not know: passing over it would lose what it did. */
export function classifyOperation(operation: Operation, source: Pick<Source, 'namespaces'>, position: LogPosition): OperationClass {
  const { op, ns } = operation;
  if (op === 'i' || op === 'u' || op === 'd') return isReplayed(ns, source) ? 'write' : 'skip';
  if (op === 'n' || isServersOwn(ns)) return 'skip';
  if (op !== 'c') throw unsupported(position, `operation "${String(op)}" on ${ns} is not known to this version`);
  const command = commandOf(operation);
  if (withoutEffect.has(command)) return 'skip';
  if (command === 'renameCollection') return classifyRename(operation, source, position);
  if (!isBackedUp(commandNamespace(operation), source)) return 'skip';
  if (isIndexCommand(command)) return 'index';
  // An index is not built yet on the target: only the catalogue hears of a change to nothing else.
  if (command === 'collMod' && onlyIndex(operation)) return 'index';
  if (replayed.has(command)) return 'command';
  throw unsupported(position, `command ${command} on ${ns} cannot be replayed`);
}

/** By source and namespace: asked once for each of many million writes. */
const known = new WeakMap<object, Map<string, boolean>>();
const knownAtMost = 10_000;

function isReplayed(ns: string, source: Pick<Source, 'namespaces'>): boolean {
  let namespaces = known.get(source);
  if (!namespaces || namespaces.size > knownAtMost) known.set(source, (namespaces = new Map()));
  let answer = namespaces.get(ns);
  if (answer === undefined) namespaces.set(ns, (answer = !isServersOwn(ns) && isBackedUp(ns, source)));
  return answer;
}

/** The collection that a command of the log names, or its database. */
function commandNamespace({ ns, o }: Operation): string {
  const first = new ElementCursor(o);
  const database = databaseOf(ns);
  return first.next() && first.type === bsonType.string ? `${database}.${first.text}` : database;
}

function onlyIndex({ o }: Operation): boolean {
  const names: string[] = [];
  for (const cursor = new ElementCursor(o); cursor.next(); ) names.push(cursor.name);
  return names.length === 2 && names[1] === 'index';
}

function classifyRename({ o }: Operation, source: Pick<Source, 'namespaces'>, position: LogPosition): OperationClass {
  const from = findElement(o, 'renameCollection')?.text ?? '';
  const to = findElement(o, 'to')?.text ?? '';
  if (isBackedUp(from, source) === isBackedUp(to, source)) return isBackedUp(from, source) ? 'command' : 'skip';
  throw unsupported(position, `${from} was renamed to ${to}, and only one of them is backed up`);
}

const unsupported = (position: LogPosition, what: string): HoldfastError =>
  new HoldfastError('Unsupported', `entry ${formatLogPosition(position)}: ${what}`, {
    hint: `recover to before ${formatLogPosition(position)}, or from a base backup taken after it`,
  });
