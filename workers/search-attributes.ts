import { HoldfastError } from '../workflows/domain/errors.ts';
import { searchAttributes } from '../workflows/domain/names.ts';
import type { WorkerConnection } from './connection.ts';

/** IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD of the Temporal API. */
const keyword = 2;

/**
 * Registers the search attributes that are missing, and checks those that are there. Before polling: a workflow that
 * sets an unregistered one is stuck in retries for ever. Safe to repeat.
 *
 * @throws NotPermitted - one is missing and may not be registered by us (Temporal Cloud), or has another type; names it.
 */
export async function registerSearchAttributes({ connection, namespace }: WorkerConnection): Promise<void> {
  const names = Object.values(searchAttributes);
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const known = customAttributes ?? {};
  const wrong = names.filter((name) => known[name] !== undefined && known[name] !== keyword);
  if (wrong.length > 0) {
    throw new HoldfastError('NotPermitted', `search attribute ${wrong.join(', ')} of namespace "${namespace}" is not of type Keyword`, {
      hint: 'remove it and let the worker register it again',
    });
  }
  const missing = names.filter((name) => known[name] === undefined);
  if (missing.length === 0) return;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, keyword])),
    });
  } catch (error) {
    // Another worker that starts at the same time may have been first.
    const { customAttributes: now } = await connection.operatorService.listSearchAttributes({ namespace });
    if (missing.every((name) => now?.[name] === keyword)) return;
    throw new HoldfastError('NotPermitted', `search attributes ${missing.join(', ')} are missing in namespace "${namespace}", and could not be registered: ${(error as Error).message}`, {
      hint: `register them as Keyword: temporal operator search-attribute create --namespace ${namespace} ${missing.map((name) => `--name ${name} --type Keyword`).join(' ')}`,
      cause: error,
    });
  }
}
