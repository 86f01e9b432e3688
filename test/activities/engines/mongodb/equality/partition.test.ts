import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import { Partitions, RecordId, recordKind } from '../../../../../activities/engines/mongodb/equality/partition.ts';
import { HashSum } from '../../../../../activities/engines/base/hash-sum.ts';

const text = 'x'.repeat(1_000);
const documentOf = (_id: number, n: number): Buffer => Buffer.from(BSON.serialize({ _id, n, text }));

test('documents that do not fit into one partition are cut into more, and fold to the same', async () => {
  const documents = 160_000;
  const partitions = new Partitions(1);
  const id = new RecordId();
  const before = new HashSum();
  const after = new HashSum();
  const add = (kind: Parameters<ReturnType<typeof partitions.of>['add']>[0], document: Buffer, body: Buffer): void => {
    assert.ok(id.take(7, document));
    partitions.of(id.hash).add(kind, id, body);
  };
  for (let n = 0; n < documents; n += 1) {
    const document = documentOf(n, 0);
    add(recordKind.base, document, document);
    before.add(document);
  }
  // One in four is deleted, one replaced, one replaced twice; the last stays as it was.
  for (let n = 0; n < documents; n += 1) {
    const document = documentOf(n, 1);
    if (n % 4 === 0) add(recordKind.delete, document, Buffer.alloc(0));
    if (n % 4 === 1 || n % 4 === 2) add(recordKind.insert, document, document);
    if (n % 4 === 2) add(recordKind.insert, document, documentOf(n, 2));
    if (n % 4 !== 0) after.add(n % 4 === 3 ? documentOf(n, 0) : documentOf(n, n % 4));
  }
  let folded = 0;
  let most = 0;
  const found = { before: new HashSum(), after: new HashSum(), count: 0 };
  for await (const { collections } of partitions.fold()) {
    folded += 1;
    const { documents: held, base } = collections.get(7)!;
    most = Math.max(most, held.size);
    found.before.addSum(base.sum);
    found.count += base.count;
    for (const document of held.values()) if (document) found.after.add(document);
  }
  partitions.close();
  assert.ok(folded > 1, 'it was cut');
  assert.ok(most < documents / 8, `${most} documents in one partition`);
  assert.equal(found.count, documents);
  assert.equal(found.before.hex(), before.hex());
  assert.equal(found.after.hex(), after.hex());
});
