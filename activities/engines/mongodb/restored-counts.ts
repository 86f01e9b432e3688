import type { MongoClient } from 'mongodb';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Unit } from '../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../context.ts';
import { inParallel } from '../../store/in-parallel.ts';
import { splitNamespace } from './namespaces.ts';
import { decodeDetail } from './plan.ts';

const countsAtOnce = 8;

/**
 * Every restored collection of the target has as many documents as the manifest says: nothing was left out, nothing came twice.
 * Asked when all groups are restored and before the log is replayed. Capped collections drop documents by themselves.
 *
 * @throws ValidationFailed - names each collection that differs.
 */
export async function requireRestoredCounts(context: SourceContext, client: MongoClient, of: { backup: string; units: readonly Unit[] }): Promise<void> {
  const wrong: string[] = [];
  await inParallel(of.units, countsAtOnce, async (unit) => {
    if (decodeDetail(unit.detail).options['capped'] === true) return;
    const count = await countOf(client, unit);
    if (count !== unit.documents) wrong.push(`${unit.name} has ${count} documents, the base ${unit.documents}`);
  }, context.signal);
  if (wrong.length === 0) return;
  throw new HoldfastError('ValidationFailed', `restored collections differ from backup ${of.backup}: ${wrong.slice(0, 10).join('; ')}${wrong.length > 10 ? ` and ${wrong.length - 10} more` : ''}`);
}

async function countOf(client: MongoClient, unit: Unit): Promise<number> {
  const { database, collection } = splitNamespace(unit.name);
  const { n } = await client.db(database).command({ count: collection }) as { n: number };
  if (n === unit.documents) return n;
  // The server's own counter can be off after it was killed: count what is there before calling it a difference.
  const { cursor } = await client.db(database).command({ aggregate: collection, pipeline: [{ $count: 'n' }], cursor: {} }) as { cursor: { firstBatch: { n: number }[] } };
  return cursor.firstBatch[0]?.n ?? 0;
}
