import { createWriteStream } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { MongoClient } from 'mongodb';
import type { BackupSummary } from '../../workflows/contract.ts';
import { findRecoveryPoint } from '../../workflows/domain/find-recovery-point.ts';
import { nextLogPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import { positionOf, timestampOf } from '../../activities/engines/mongodb/bson-position.ts';
import { findArchiveEnd } from '../../activities/store/find-archive-end.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import { pointOf } from '../harness/engine-place.ts';
import { until } from '../harness/until.ts';
import { hashOf, loadData, writeLog, type Loaded } from './data.ts';
import { backUp, restore } from './ours.ts';
import { dumpToFolder, dumpToStore, dumpTool } from './peers.ts';
import { of, owning, type World } from './world.ts';

export interface Base {
  summary: BackupSummary;
  /** the base alone, without any log */
  point: RecoveryPoint;
  /** of the source's data then */
  hash: string;
  /** what mongodump wrote of the same data; undefined where it is not on PATH */
  folder: string | undefined;
  /** key of the same in the store, gzipped and encrypted as people do it; undefined where mongodump is not on PATH */
  archive: string | undefined;
}

export interface Log {
  point: RecoveryPoint;
  entries: number;
  bytes: number;
  /** of the source's data behind it */
  hash: string;
  /** the same entries as mongodump would have written them: `<folder>/oplog.bson` and nothing else */
  oplogFolder: string;
}

/** What benches have in common, each made when it is first asked for: data, then a base of it, then the log behind the base. */
export class Stages {
  readonly world: World;
  #data: Promise<Loaded> | undefined;
  #base: Promise<Base> | undefined;
  #log: Promise<{ whole: Log; short: Log }> | undefined;
  #restored: Promise<string> | undefined;

  constructor(world: World) {
    this.world = world;
  }

  async data(): Promise<Loaded> {
    return await (this.#data ??= this.#load());
  }

  async base(): Promise<Base> {
    return await (this.#base ??= this.#backUp());
  }

  /** @param part - `short`: the first fifth of it, for what takes minutes to replay the whole. */
  async log(part: 'whole' | 'short' = 'whole'): Promise<Log> {
    return (await (this.#log ??= this.#write()))[part];
  }

  /** Data files of a standalone that the base was restored to, by us, and that was stopped in order. */
  async restored(): Promise<string> {
    return await (this.#restored ??= this.#restore());
  }

  async #load(): Promise<Loaded> {
    const { options } = this.world;
    options.say(`loading ${Math.round(options.bytes / 1024 / 1024)} MiB of data`);
    return await this.world.withSource(async (client) => await loadData(client, options.bytes));
  }

  async #backUp(): Promise<Base> {
    await this.data();
    const summary = await backUp(this.world);
    const folder = dumpTool() ? join(this.world.directory, 'dump') : undefined;
    const archive = dumpTool() ? 'peer/base' : undefined;
    if (folder) await dumpToFolder(this.world.source, folder);
    if (archive) await dumpToStore(this.world.source, archive);
    const hash = await this.world.withSource(hashOf);
    return { summary, point: { ...pointOf(summary), ...of }, hash, folder, archive };
  }

  async #write(): Promise<{ whole: Log; short: Log }> {
    const { world } = this;
    const { summary } = await this.base();
    world.options.say(`writing about ${world.options.entries} entries of log`);
    return await world.withSource(async (client) => {
      const { entries } = world.options;
      const fifth = Math.ceil(entries / 5);
      const write = async (count: number, from: number): Promise<{ to: LogPosition; hash: string }> => {
        await writeLog(client, count, from);
        return { to: await newestPosition(client), hash: await hashOf(client) };
      };
      const [short, whole] = [await write(fifth, 0), await write(entries - fifth, fifth)];
      await this.#archiveTo(whole.to);
      const catalog = await rebuildCatalog(await world.context(), of);
      const save = async (name: string, { to, hash }: typeof whole): Promise<Log> => {
        const oplogFolder = join(world.directory, name);
        const saved = await saveLog(client, { after: summary.end, to }, oplogFolder);
        const point = findRecoveryPoint(catalog, { targetPosition: nextLogPosition(to) }, { now: new Date().toISOString() });
        return { point, oplogFolder, hash, ...saved };
      };
      return { short: await save('short-log', short), whole: await save('log', whole) };
    });
  }

  async #archiveTo(end: LogPosition): Promise<void> {
    const stopped = new AbortController();
    const archive = this.world.job('archiveLog', { ...of, epoch: 1, forMs: 3_600_000 }, { signal: stopped.signal });
    archive.catch(() => undefined);
    const { store, keys } = await this.world.context();
    const reached = until('the log is archived', async () => ((await findArchiveEnd(store, keys, of)).archivedTo ?? '') >= end, 300_000);
    await Promise.race([reached, archive]);
    stopped.abort(new Error('enough'));
    await archive.catch(() => undefined);
  }

  async #restore(): Promise<string> {
    const { point, hash } = await this.base();
    const kept = join(this.world.directory, 'restored');
    await owning(async (owner) => {
      const target = await this.world.target(owner, 'standalone');
      await restore(this.world, point, target);
      await requireEqual(await target.connect(), hash);
      await target.stop();
      await cp(join(target.directory, 'data'), kept, { recursive: true });
    });
    return kept;
  }
}

/** @throws Error - what was measured did not do the work. */
export async function requireEqual(client: MongoClient, hash: string): Promise<void> {
  const found = await hashOf(client);
  if (found !== hash) throw new Error(`the data differs from the source's: dbHash ${found}, expected ${hash}`);
}

async function newestPosition(client: MongoClient): Promise<LogPosition> {
  const { lastWrite } = await client.db('admin').command({ hello: 1 }) as { lastWrite: { opTime: { ts: Parameters<typeof positionOf>[0] } } };
  return positionOf(lastWrite.opTime.ts);
}

/** The log between two positions as one file of BSON. */
async function saveLog(client: MongoClient, range: { after: LogPosition; to: LogPosition }, folder: string): Promise<{ entries: number; bytes: number }> {
  await mkdir(folder);
  let entries = 0;
  let bytes = 0;
  const cursor = client.db('local').collection('oplog.rs').find(
    { ts: { $gt: timestampOf(range.after), $lte: timestampOf(range.to) } },
    { raw: true, batchSize: 5_000 },
  );
  await pipeline(async function* () {
    for await (const raw of cursor as unknown as AsyncIterable<Buffer>) {
      entries += 1;
      bytes += raw.length;
      yield raw;
    }
  }, createWriteStream(join(folder, 'oplog.bson')));
  return { entries, bytes };
}
