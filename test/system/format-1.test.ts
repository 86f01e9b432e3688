import assert from 'node:assert/strict';
import { chmodSync, cpSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Document } from 'mongodb';
import { verifyRecoveryPoint } from '../../activities/store/verify.ts';
import type { LogPosition } from '../../workflows/domain/log-position.ts';
import { pointAt, readState, recover, sortOptions, type CollectionState } from '../activities/engines/mongodb/replay-place.ts';
import { enginePlace, openContext } from '../harness/engine-place.ts';

const fixture = join(import.meta.dirname, '..', 'fixtures', 'format-1');
const read = <T>(name: string): T => JSON.parse(readFileSync(join(fixture, name), 'utf8')) as T;

test('a backup of format 1 verifies, restores onto a real server, and is what it was then', { timeout: 120_000 }, async (t) => {
  const expected = read<{ backup: string; position: LogPosition; collections: CollectionState[] }>('expected.json');
  const place = await enginePlace(t);
  // A copy: a restore writes holds, and the store of then is to stay as it was.
  const path = join(place.directory, 'format-1');
  cpSync(join(fixture, 'store'), path, { recursive: true });
  // A checkout's modes are anybody's; a store's are its owner's.
  for (const entry of ['.', ...readdirSync(path, { recursive: true, encoding: 'utf8' })]) chmodSync(join(path, entry), statSync(join(path, entry)).isDirectory() ? 0o700 : 0o600);
  const file = { ...place.file, stores: [{ name: 'main', kind: 'local' as const, path }] };
  const context = await openContext(file, { ...place.secrets, ...read<Record<string, string>>('test-keys.json') }, () => undefined);

  const verified = await verifyRecoveryPoint(context, {});
  assert.deepEqual([verified.ok, verified.problems, verified.backup], [true, [], expected.backup]);
  assert.ok(verified.slices > 0 && verified.entries > 60);

  const point = await pointAt(context, expected.position);
  assert.equal(point.base.backup, expected.backup);
  const { replay, validation } = await recover(place, point, context);
  assert.deepEqual([validation.ok, validation.problems], [true, []]);
  assert.equal(replay.appliedTo, expected.position);
  const state = await readState(await place.connectTarget(), context);
  const collections = [...state.values()].sort((a, b) => a.ns.localeCompare(b.ns));
  const asListedNow = (index: string): string => JSON.stringify(sortOptions(JSON.parse(index) as Document));
  assert.deepEqual(collections, expected.collections.map((of) => ({ ...of, indexes: of.indexes.map(asListedNow) })));
});
