import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Document, MongoClient } from 'mongodb';
import { prepareRestore } from '../../../../activities/engines/mongodb/prepare-restore.ts';
import { planDump } from '../../../../activities/engines/mongodb/plan-dump.ts';
import { readGroupIndex } from '../../../../activities/engines/base/read-base.ts';
import { restoreGroup } from '../../../../activities/engines/mongodb/restore-group.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { backUp, backupInput, enginePlace, pointOf } from '../../../harness/engine-place.ts';

const numbered = (count: number, from = 0): Document[] => Array.from({ length: count }, (_, i) => ({ _id: from + i as never, n: i }));

test('parts that an attempt left half inserted are completed, a capped collection in its own order; a foreign document is refused', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  const source = await place.source.connect();
  await source.db('d').collection('c').insertMany(numbered(500));
  await source.db('d').createCollection('capped', { capped: true, size: 1_000_000 });
  await source.db('d').collection('capped').insertMany(numbered(100).reverse());
  await source.db('d').collection('foreign').insertMany(numbered(10));
  const summary = await backUp(place.context, 'b1');
  const point = pointOf(summary);
  const { context, target } = place;
  await (await openProvisioner(context)).provision(context, target);
  const [group] = (await prepareRestore(context, { target, point })).groups as [Awaited<ReturnType<typeof prepareRestore>>['groups'][number]];
  const client = await place.connectTarget();

  // What a killed attempt leaves: parts noted as begun, some of their documents there.
  const { parts } = await readGroupIndex(context, 'b1', group);
  const uuids = Object.fromEntries((await client.db('d').listCollections().toArray()).map((entry) => [entry.name, String((entry as { info?: { uuid?: unknown } }).info?.uuid)]));
  const begun = parts.filter(({ unit }) => unit !== uuids['foreign']).map(({ object }) => ({ _id: object.key as never, state: 'begun', documents: 0, plainBytes: 0 }));
  await client.db('holdfast_control').collection('restored').insertMany(begun);
  await client.db('d').collection('c').insertMany(numbered(123, 77).map((document) => ({ ...document, n: 'stale' })));
  await client.db('d').collection('capped').insertMany(numbered(100).reverse().slice(0, 40));
  await client.db('d').collection<Document>('foreign').insertOne({ _id: 3 as never, n: 'not of this backup' });
  await assert.rejects(restoreGroup(context, { target, point, group }), (error: Error) => {
    assert.equal(error.name, 'ReplayFailed');
    assert.match(error.message, /d\.foreign .*E11000/);
    assert.doesNotMatch(error.message, /_id: 3/, 'a message must not hold data');
    return true;
  });
  // Tried again, the part is written over whatever is there.
  await restoreGroup(context, { target, point, group });
  const ids = async (collection: string): Promise<unknown[]> => await client.db('d').collection(collection).find().map(({ _id }) => _id).toArray();
  assert.deepEqual(await ids('capped'), numbered(100).reverse().map(({ _id }) => _id as unknown));
  const hashes = async (server: MongoClient): Promise<unknown> => (await server.db('d').command({ dbHash: 1 }))['collections'];
  assert.deepEqual(await hashes(client), await hashes(source));
  assert.deepEqual(await prepareRestore(context, { target, point }), { groups: [group], plainBytes: summary.plainBytes }, 'preparing again changes nothing');
});

test('a source or target that does not answer is named by host and port, and may be tried again', async (t) => {
  const place = await enginePlace(t, { mongod: { auth: true } });
  const summary = await backUp(place.context, 'b1');
  await place.source.stop();
  const unreachable = assert.rejects(planDump(place.context, backupInput('b2')), (error: Error & { retryable: boolean }) => {
    assert.equal(error.name, 'SourceUnavailable');
    assert.equal(error.retryable, true);
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${place.source.port}`));
    assert.doesNotMatch(error.message, /holdfast|@/);
    return true;
  });
  await assert.rejects(prepareRestore(place.context, { target: place.target, point: pointOf(summary) }), { name: 'TargetUnavailable', message: /127\.0\.0\.1:\d+/ });
  await unreachable;
});
