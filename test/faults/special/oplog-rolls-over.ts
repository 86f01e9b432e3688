import assert from 'node:assert/strict';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import { withClient } from '../../../scripts/stack/primary.ts';
import type { BackupSummary } from '../../../workflows/contract.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import { source, type Bench } from '../bench.ts';
import { short } from '../cell.ts';
import { enterArchive } from '../phases/archive.ts';
import { verifyNewest } from '../phases/backup.ts';
import { detailsOf } from '../read-page.ts';
import { readsStatus } from '../read-status.ts';
import { until } from '../../harness/until.ts';
import type { SpecialCell } from './index.ts';

interface ArchiveState {
  last: { why: string; gap?: { why: string } | null } | null;
  baseWanted: unknown;
}

/** Writes until the source's log no longer holds what it held. */
async function rollOver(bench: Bench): Promise<void> {
  const { file, withApp } = { file: bench.stack.file, withApp: bench.stack.withApp.bind(bench.stack) };
  const oldest = async (): Promise<string> => await withClient(file, 'root', async (client) => {
    const entry = await client.db('local').collection('oplog.rs').find({}, { sort: { $natural: 1 } }).next();
    return String(entry?.['ts']);
  });
  const newest = await withClient(file, 'root', async (client) => {
    const entry = await client.db('local').collection('oplog.rs').find({}, { sort: { $natural: -1 } }).next();
    return BigInt(String(entry?.['ts']));
  });
  const text = 'abcdefghijklmnopqrstuvwxyz'.repeat(20_000);
  await until('the log to roll over', async () => {
    await withApp(async (db) => await db.collection<{ _id: string }>('rolled').bulkWrite(
      Array.from({ length: 16 }, (_, n) => ({ replaceOne: { filter: { _id: `of ${n}` }, replacement: { text, at: Date.now() + Math.random() }, upsert: true } })),
    ));
    return BigInt(await oldest()) > newest;
  }, 180_000, 200);
}

/**
 * The worker is gone for longer than the log reaches back. What is lost is named as a gap, a base is taken by itself, and behind
 * it everything can be restored again.
 */
export const oplogRollsOverInArchive: SpecialCell = async (bench) => {
  const { stack } = bench;
  const middle = await enterArchive(bench);
  await stack.killWorker();
  middle.release();
  await rollOver(bench);
  await readsStatus(bench, middle, [/[Hh]eartbeat timeout/]);
  await bench.startWorker();
  const place = await stack.source();
  const gap = await until('the gap is written down', async () => (await rebuildCatalog(place, { system: 'demo', source })).gaps[0], 120_000);
  await bench.pages.due('gap', [source, gap.why]);
  const base = await until('a base behind the gap', async () => {
    const { bases } = await rebuildCatalog(place, { system: 'demo', source });
    return bases.find(({ end }) => end >= gap.to);
  }, 120_000);
  await until('no base is wanted any more', async () => (await stack.handle(lockIds.archive('demo', source)).query<ArchiveState>('state')).baseWanted === null, 60_000);
  // A base that was read over a while needs log up to its end, and a source that is only alive gets a slice once a minute.
  await bench.note('behind the gap');
  await stack.archiveIsUpToDate();
  const catalog = await rebuildCatalog(place, { system: 'demo', source });
  const shown = JSON.stringify({ gaps: catalog.gaps, spans: catalog.spans, bases: catalog.bases });
  assert.deepEqual([catalog.spans.length, catalog.gaps.length, catalog.rejected], [2, 1, []], `one gap between two spans: ${shown}`);
  const verified = await verifyNewest(bench);
  assert.equal(verified.backup, base.backup satisfies BackupSummary['backup'], `the base behind the gap is the newest: ${shown}`);
  assert.match(await detailsOf(bench, middle.workflowId), /gap from/, 'the page of the archive tells of the gap');
  return { seen: `status: ${middle.read}; gap: ${short(gap.why)}`, end: 'the gap is named, a base was taken by itself behind it and verified, and the archive goes on' };
};
