import assert from 'node:assert/strict';
import { withClient } from '../../../scripts/stack/primary.ts';
import { whatWasSaid, type Strike } from '../cell.ts';
import { until } from '../../harness/until.ts';

const awayForSeconds = 3;

/** The primary steps down, nobody takes writes for a while, and then one is elected in a new term. */
export const elect: Strike = async (bench, middle) => {
  const { file } = bench.stack;
  const term = async (): Promise<number> => await withClient(file, 'root', async (client) => Number((await client.db('admin').command({ replSetGetStatus: 1 }))['term']));
  const before = await term();
  await withClient(file, 'root', async (client) => await client.db('admin').command({ replSetStepDown: awayForSeconds, force: true }));
  middle.release();
  await until('a primary of a later term', async () => await withClient(file, undefined, async (client) => (await client.db('admin').command({ hello: 1 }))['isWritablePrimary'] === true));
  assert.ok(await term() > before, 'an election was held');
  const end = await middle.finish();
  return { seen: await whatWasSaid(bench, middle), end };
};
