import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON, Timestamp } from 'mongodb';
import { applyUpdate } from '../../../../activities/engines/mongodb/equality/apply-update.ts';
import { parseEntry } from '../../../../activities/engines/mongodb/oplog/oplog-entry.ts';
import { splitDocuments } from '../../../../activities/engines/mongodb/oplog/raw-elements.ts';
import { startMongod } from '../../../harness/mongod.ts';
import { Random, processSeed, randomDocument } from './random.ts';
import { randomUpdate } from './random-update.ts';

test('folding an update entry gives the bytes that the server holds, for every operator', async (t) => {
  const seed = processSeed();
  t.diagnostic(`HOLDFAST_SEED=${seed}`);
  const random = new Random(seed);
  const mongod = await startMongod(t, { replicaSet: 'rs0' });
  const client = await mongod.connect();
  const db = client.db('fold');
  const oplog = client.db('local').collection('oplog.rs');
  const documents = 150;
  const updates = 4000;
  await db.command({ insert: 'things', documents: Array.from({ length: documents }, (_, id) => randomDocument(random, id)) });
  const read = async (): Promise<Map<string, Buffer>> => {
    const found = await db.collection('things').find({}, { raw: true }).toArray();
    return new Map(found.map((raw) => [String(BSON.deserialize(raw as unknown as Buffer)['_id']), Buffer.from(raw as unknown as Buffer)]));
  };
  const folded = await read();
  const start = (await client.db('admin').command({ hello: 1 }))['lastWrite'].opTime.ts as Timestamp;

  const kinds = new Map<number, string>();
  for (let done = 0; done < updates; done += 100) {
    const batch = Array.from({ length: 100 }, () => ({ ...randomUpdate(random), q: { _id: random.below(documents) } }));
    batch.forEach(({ kind }, index) => kinds.set(done + index, kind));
    await db.command({ update: 'things', ordered: false, updates: batch.map(({ kind: _, ...update }) => update) });
  }

  let entries = 0;
  const logged = await oplog.find({ ts: { $gt: start }, ns: 'fold.things', op: 'u' }, { raw: true }).sort({ $natural: 1 }).toArray();
  for (const raw of logged) {
    const entry = parseEntry(Buffer.from(raw as unknown as Buffer));
    const id = String(BSON.deserialize(entry.o2!)['_id']);
    folded.set(id, applyUpdate(folded.get(id)!, entry.o));
    entries += 1;
  }
  const now = await read();
  assert.equal(now.size, folded.size);
  for (const [id, document] of now) {
    const ours = folded.get(id)!;
    assert.ok(document.equals(ours), `document ${id}: server ${BSON.EJSON.stringify(BSON.deserialize(document))}, folded ${BSON.EJSON.stringify(BSON.deserialize(ours))}`);
  }
  assert.ok(entries > updates / 2, `only ${entries} of ${updates} updates were logged: the generator aims badly`);
  t.diagnostic(`${entries} update entries of ${updates} updates`);
  assert.equal([...splitDocuments(Buffer.concat([...now.values()]))].length, now.size);
});
