import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enginePlace } from '../../../../harness/engine-place.ts';
import { recover } from '../replay-place.ts';
import { expectedOf, importDump, importedPoint, stateOf, underLoad, unpackedFolder } from './dump-place.ts';

for (const [what, name] of [['a folder', 'folder'], ['an archive taken under load, with its log', 'under-load']] as const) {
  test(`${what} that mongodump wrote is imported, restored and replayed to exactly what mongorestore makes of it`, { timeout: 180_000 }, async (t) => {
    const place = await enginePlace(t);
    const summary = await importDump(place.context, name === 'folder' ? await unpackedFolder(t) : underLoad, 'i1');
    assert.equal(summary.timeline, 'imported-i1');
    const point = await importedPoint(place.context, 'i1');
    const { validation } = await recover(place, point);
    assert.deepEqual(validation.problems, []);

    const target = await place.connectTarget();
    const expected = expectedOf(name);
    const found = await stateOf(target, Object.keys(expected.databases));
    for (const [database, { collections, counts, types, indexes }] of Object.entries(expected.databases)) {
      assert.deepEqual(found.databases[database]!.collections, collections, `dbHash of ${database}`);
      assert.deepEqual(found.databases[database]!.counts, counts);
      assert.deepEqual(found.databases[database]!.types, types);
      assert.deepEqual(found.databases[database]!.indexes, indexes);
    }
    assert.deepEqual(found.users, expected.users);
  });
}
