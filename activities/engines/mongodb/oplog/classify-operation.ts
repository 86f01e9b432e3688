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
  if (op === 'n' || isServersOwn(ns)) return 'skip';
  if (op !== 'c') return isBackedUp(ns, source) ? 'write' : 'skip';
  const command = commandOf(operation);
  if (withoutEffect.has(command)) return 'skip';
  if (command === 'renameCollection') return classifyRename(operation, source, position);
  if (!isBackedUp(commandNamespace(operation), source)) return 'skip';
  if (isIndexCommand(command)) return 'index';
  // Its index was not built yet on the target: only the catalogue hears of the change.
  if (command === 'collMod' && findElement(operation.o, 'index')) return 'index';
  if (replayed.has(command)) return 'command';
  throw new HoldfastError('Unsupported', `entry ${formatLogPosition(position)}: command ${command} on ${ns} cannot be replayed`, {
    hint: `recover to before ${formatLogPosition(position)}, or from a base backup taken after it`,
  });
}

/** The collection that a command of the log names, or its database. */
function commandNamespace({ ns, o }: Operation): string {
  const first = new ElementCursor(o);
  const database = databaseOf(ns);
  return first.next() && first.type === bsonType.string ? `${database}.${first.text}` : database;
}

function classifyRename({ o }: Operation, source: Pick<Source, 'namespaces'>, position: LogPosition): OperationClass {
  const from = findElement(o, 'renameCollection')?.text ?? '';
  const to = findElement(o, 'to')?.text ?? '';
  if (isBackedUp(from, source) === isBackedUp(to, source)) return isBackedUp(from, source) ? 'command' : 'skip';
  throw new HoldfastError('Unsupported', `entry ${formatLogPosition(position)}: ${from} was renamed to ${to}, and only one of them is backed up`, {
    hint: `recover to before ${formatLogPosition(position)}, or from a base backup taken after it`,
  });
}
