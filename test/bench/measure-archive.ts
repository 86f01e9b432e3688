import { setTimeout as sleep } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import type { LogPosition } from '../../workflows/domain/log-position.ts';
import { readSliceNames, type StoredSlice } from '../../activities/store/slice-names.ts';
import { carriesData, parseEntry } from '../../activities/engines/mongodb/oplog/oplog-entry.ts';
import { splitDocuments } from '../../activities/engines/mongodb/oplog/raw-elements.ts';
import { readPositions } from '../../activities/engines/mongodb/server-facts.ts';
import { SliceObjects } from '../../activities/engines/mongodb/oplog/slice-object.ts';
import { currentTimeline } from '../../activities/store/timelines.ts';
import { until } from '../harness/until.ts';
import { CommitLag } from './commit-lag.ts';
import { database } from './data.ts';
import { lineOf, type BenchLine } from './line.ts';
import { MemoryWatch } from './memory.ts';
import { percentile } from './race.ts';
import type { Stages } from './stages.ts';
import { writeBeside } from './write-beside.ts';
import { of } from './world.ts';

const lookEveryMs = 50;
const lastSliceWithinMs = 5_000;

/**
 * How far the bucket is behind the source while it writes: at each moment, the age of the oldest write that no stored slice holds. Told by the
 * bucket alone: when a slice was first listed, and what the clocks of its entries say.
 */
export async function measureArchive(stages: Stages): Promise<BenchLine[]> {
  const { world } = stages;
  await stages.base();
  const { quick, say } = world.options;
  const plan = quick ? { rate: 500, seconds: 3, together: 10 } : { rate: 5_000, seconds: 60, together: 10 };
  const stopped = new AbortController();
  const memory = new MemoryWatch();
  const archive = world.job('archiveLog', { ...of, epoch: 1, forMs: 3_600_000 }, { signal: stopped.signal, memory });
  archive.catch(() => undefined);
  try {
    const { store, keys } = await world.context();
    const timeline = (await until('the timeline is there', async () => await currentTimeline(store, keys, of))).timeline;
    const scope = { ...of, timeline };
    const seen = new Map<LogPosition, { slice: StoredSlice; atMs: number }>();
    let newest: string | undefined;
    const look = async (): Promise<void> => {
      for await (const slice of readSliceNames(store, scope, { startAfter: newest })) {
        if ('unreadable' in slice) continue;
        seen.set(slice.to, { slice, atMs: Date.now() });
        newest = slice.key;
      }
    };
    // Until then it catches up with what was written before, and slices of an earlier archive are there before this one runs.
    const mark = await world.withSource(writeMark);
    await until('the archive has caught up', async () => (await look(), newestOf(seen) >= mark), 120_000);
    const commits = await world.withSource(async (client) => new CommitLag(client));
    const beganAtMs = Date.now();
    let endsAtMs = Infinity;
    const written = writeBeside(world, plan).finally(() => (endsAtMs = Date.now() + lastSliceWithinMs));
    written.catch(() => undefined);
    // On to the last slice, at the same pace: one that is looked for late would seem to have been stored late.
    while (Date.now() < endsAtMs) {
      await look();
      await sleep(lookEveryMs);
    }
    const committedMs = await commits.end();
    const { writes, elapsedMs } = await written;
    const objects = new SliceObjects(await world.context(), scope);
    const lags = await lagsOf([...seen.values()].filter(({ atMs }) => atMs > beganAtMs), objects);
    const rate = Math.round((writes * 1000) / elapsedMs);
    const [p50, p99] = [percentile(lags.sampledMs, 0.5), percentile(lags.sampledMs, 0.99)];
    say(`  ${rate} writes/s  lag p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms, most ${Math.round(lags.sampledMs.at(-1)!)} ms`);
    const result = (medianMs: number) => ({ medianMs, leastMs: lags.sampledMs[0]!, mostMs: lags.sampledMs.at(-1)!, peakRssBytes: memory.peakRssBytes, rounds: [medianMs] });
    const head = { bench: 'archive', bytes: lags.bytes, entries: lags.entries };
    const source = [percentile(committedMs, 0.5), percentile(committedMs, 0.99), committedMs.at(-1)!].map(Math.round);
    const note = `at ${rate} writes/s (asked: ${plan.rate}), slices of 1 s; the source itself has a write committed by its majority after ${source[0]} ms (p50), ${source[1]} ms (p99), at most ${source[2]} ms; no peer stores the log this often`;
    return [
      lineOf({ ...head, of: 'lag, p50', note }, result(p50)),
      lineOf({ ...head, of: 'lag, p99', atMostMs: 2_000, note }, result(p99)),
    ];
  } finally {
    memory.stop();
    stopped.abort(new Error('enough'));
    await archive.catch(() => undefined);
  }
}

/** @returns the position of a write that was just made. */
async function writeMark(client: MongoClient): Promise<LogPosition> {
  await client.db(database).collection('written').insertOne({ mark: true }, { writeConcern: { w: 'majority' } });
  return (await readPositions(client)).newest;
}

const newestOf = (seen: ReadonlyMap<LogPosition, unknown>): string => [...seen.keys()].reduce((a, b) => (a > b ? a : b), '' as LogPosition);

interface Lags {
  /** rising */
  sampledMs: number[];
  entries: number;
  bytes: number;
}

/** A slice is waited for from its oldest write on, until it is listed; in between the lag grows with the clock. */
async function lagsOf(seen: { slice: StoredSlice; atMs: number }[], objects: SliceObjects): Promise<Lags> {
  const sampledMs: number[] = [];
  let [entries, bytes] = [0, 0];
  let lastAtMs: number | undefined;
  for (const { slice, atMs } of seen.sort((a, b) => (a.slice.to < b.slice.to ? -1 : 1))) {
    const plain = await objects.open(slice);
    let oldestMs: number | undefined;
    for (const raw of splitDocuments(plain)) {
      const entry = parseEntry(raw);
      entries += 1;
      if (carriesData(entry)) oldestMs ??= entry.wallMs;
    }
    bytes += plain.length;
    if (oldestMs !== undefined) for (let at = Math.max(lastAtMs ?? 0, oldestMs); at < atMs; at += 10) sampledMs.push(at - oldestMs);
    lastAtMs = atMs;
  }
  if (sampledMs.length === 0) throw new Error('no slice was stored while the source was written to');
  return { sampledMs: sampledMs.sort((a, b) => a - b), entries, bytes };
}
