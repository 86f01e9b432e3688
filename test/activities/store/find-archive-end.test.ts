import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findArchiveEnd } from '../../../activities/store/find-archive-end.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { logPosition, logPositionAt } from '../../../workflows/domain/log-position.ts';
import { newKeys } from '../../harness/keys.ts';
import { of, startFirstTimeline } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

test('the end of the archive is found, whether its last slice is seconds or days old', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  assert.deepEqual(await findArchiveEnd(store, keys, of), { timeline: null, archivedTo: null, archivedToAt: null });
  const { timeline } = await startFirstTimeline(store, keys);
  assert.deepEqual(await findArchiveEnd(store, keys, of), { timeline, archivedTo: null, archivedToAt: null });
  const now = Math.floor(Date.now() / 1000);
  for (const [from, to] of [[now - 500_000, now - 499_990], [now - 3_000, now - 2_990], [now - 10, now - 5]] as const) {
    const end = logPosition(to, 3);
    await store.put(layout.slice({ ...of, timeline }, logPosition(from, 1), end), Buffer.from('slice'));
    assert.deepEqual(await findArchiveEnd(store, keys, of), { timeline, archivedTo: end, archivedToAt: logPositionAt(end) });
  }
});

test('a slice that is named to end in the far future is not believed: the archive would seem up to date for ever', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  const { timeline } = await startFirstTimeline(store, keys);
  const now = Math.floor(Date.now() / 1000);
  const end = logPosition(now - 5, 3);
  await store.put(layout.slice({ ...of, timeline }, logPosition(now - 10, 1), end), Buffer.from('slice'));
  await store.put(layout.slice({ ...of, timeline }, logPosition(now - 4, 1), logPosition(9_999_999_999, 0)), Buffer.from('forged'));
  assert.deepEqual(await findArchiveEnd(store, keys, of), { timeline, archivedTo: end, archivedToAt: logPositionAt(end) });
});
