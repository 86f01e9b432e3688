import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { findArchiveEnd } from '../../../activities/store/find-archive-end.ts';
import { findResumePosition } from '../../../activities/store/find-resume-position.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { ArchiveKeys } from '../../../activities/stream/archive-key.ts';
import { sliceContext } from '../../../activities/stream/contexts.ts';
import { seal } from '../../../activities/stream/sealed.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { logPosition, logPositionAt, type LogPosition } from '../../../workflows/domain/log-position.ts';
import type { HoldfastError } from '../../../workflows/domain/errors.ts';
import { collect } from '../../conformance/store.ts';
import { newKeys } from '../../harness/keys.ts';
import { of, scope, startFirstTimeline } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

async function place(t: TestContext) {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  const archiveKeys = new ArchiveKeys(store, keys);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const ago = (seconds: number): LogPosition => logPosition(nowSeconds - seconds, 1);
  const sealed = async (from: LogPosition, to: LogPosition) => await seal(await archiveKeys.forWriting(scope), Buffer.from('log'), sliceContext(scope, { from, to, epoch: 1 }));
  const write = async (from: LogPosition, to: LogPosition) => void (await store.put(layout.slice(scope, from, to), await sealed(from, to), { ifAbsent: true }));
  const end = async () => (await findArchiveEnd(store, keys, of)).archivedTo;
  return { store, keys, ago, sealed, write, end };
}

test('the end of the archive is found, whether its last slice is seconds or days old', async (t) => {
  const { store, keys, ago, write } = await place(t);
  assert.deepEqual(await findArchiveEnd(store, keys, of), { timeline: null, archivedTo: null, archivedToAt: null });
  const { timeline } = await startFirstTimeline(store, keys);
  assert.deepEqual(await findArchiveEnd(store, keys, of), { timeline, archivedTo: null, archivedToAt: null });
  for (const [from, to] of [[500_000, 499_990], [3_000, 2_990], [10, 5]] as const) {
    await write(ago(from), ago(to));
    assert.deepEqual(await findArchiveEnd(store, keys, of), { timeline, archivedTo: ago(to), archivedToAt: logPositionAt(ago(to)) });
  }
});

test('a slice whose name ends in the future makes the archive neither seem up to date nor skip log', async (t) => {
  const { store, keys, ago, sealed, write, end } = await place(t);
  await startFirstTimeline(store, keys);
  await write(ago(20), ago(10));
  await write(ago(10), ago(5));
  const forged: [string, LogPosition, LogPosition, Uint8Array][] = [
    ['in the far future', ago(5), logPosition(9_999_999_999, 0), Buffer.from('forged')],
    ['within a day', ago(5), ago(-40_000), Buffer.from('forged')],
    ['beside a real one', ago(10), ago(-30_000), Buffer.from('forged')],
    ['a real slice under another name', ago(5), ago(-20_000), await sealed(ago(10), ago(5))],
  ];
  for (const [what, from, to, body] of forged) {
    await store.put(layout.slice(scope, from, to), body);
    assert.equal(await end(), ago(5), what);
    assert.equal(await findResumePosition({ store, keys }, scope), ago(5), what);
  }
  await write(ago(5), ago(1));
  assert.equal(await end(), ago(1), 'the log goes on beside what is forged');
});

test('with another key nothing is called forged: the log is not begun again from its start', async (t) => {
  const { store, keys, ago, write } = await place(t);
  await startFirstTimeline(store, keys);
  await write(ago(10), ago(5));
  const stranger = await newKeys();
  await assert.rejects(findResumePosition({ store, keys: { ...keys, open: stranger.open.bind(stranger) } }, scope), { name: 'WrongKey' });
});

test('a hundred slices at the end that do not open stop the search, and the last of them is named', async (t) => {
  const { store, keys, ago, write } = await place(t);
  await startFirstTimeline(store, keys);
  await write(ago(300), ago(200));
  const forge = async (n: number) => void (await store.put(layout.slice(scope, ago(200), ago(199 - n)), Buffer.from('forged')));
  for (let n = 0; n < 99; n += 1) await forge(n);
  assert.equal(await findResumePosition({ store, keys }, scope), ago(200), 'ninety-nine are passed over');
  await forge(99);
  await assert.rejects(findResumePosition({ store, keys }, scope), (error: HoldfastError) => {
    assert.equal(error.type, 'Tampered');
    assert.match(error.message, /the last 100 slices of .* do not open: .*slices\//);
    return true;
  });
});

test('the key of the only slices is gone: said, and the log is not begun again', async (t) => {
  const { store, keys, ago, write } = await place(t);
  await startFirstTimeline(store, keys);
  await write(ago(20), ago(10));
  const first = await collect(store, layout.archiveKeys(scope));
  for (const version of first) await store.deleteVersion(version);
  await assert.rejects(findResumePosition({ store, keys }, scope), { name: 'ObjectMissing', message: /key that slices were sealed under is not in the store/ });
  // Slices of another hour open: the archive goes on behind them.
  const later = new ArchiveKeys(store, keys);
  const range = { from: ago(10), to: ago(5) };
  await store.put(layout.slice(scope, range.from, range.to), await seal(await later.forWriting(scope), Buffer.from('log'), sliceContext(scope, { ...range, epoch: 1 })));
  assert.equal(await findResumePosition({ store, keys }, scope), ago(5));
});
