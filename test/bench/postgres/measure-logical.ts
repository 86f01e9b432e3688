import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { ulid } from 'ulid';
import type { BackupSummary } from '../../../workflows/contract.ts';
import { formatBytes } from '../../../workflows/domain/units.ts';
import type { Owner } from '../../harness/cleanup.ts';
import { lineOf, type BenchLine } from '../line.ts';
import { openClient } from '../object-client.ts';
import { timed } from '../ours.ts';
import { spending } from '../processor-time.ts';
import { race, summarize, type Contender } from '../race.ts';
import { bucket, owning, type Options } from '../world.ts';
import { database, hashOf, loadData } from './data.ts';
import { backUp, restore } from './ours.ts';
import { chain, chainBack, dumpToStore, restoreFromStore } from './peers.ts';
import { pointOf, requireEqual } from './restored.ts';
import { of, PostgresWorld } from './world.ts';

/**
 * A whole backup of a database to S3 and back, against the chain of the handbooks: `pg_dump | gzip | encrypt | upload`, and its way back. Ours goes onto the server that our
 * provisioner makes, theirs onto one with the same memory, page checksums as ours and fsync, that is otherwise as people start it. The servers are empty and run when the
 * clock starts, and after each restore every row of every table must be the source's. Ours makes its database and gathers statistics within its time; theirs has
 * its database before, and is measured without statistics, as it is, and with them.
 */
export async function measureLogical(owner: Owner, options: Options): Promise<BenchLine[]> {
  const world = await PostgresWorld.open(owner, options);
  options.say(`loading ${formatBytes(options.bytes)} of rows`);
  const client = await world.source.connect(database);
  const { rows, diskBytes } = await loadData(client, options.bytes);
  const hash = await hashOf(client);
  options.say(`  ${rows} rows, ${formatBytes(diskBytes)} on disk`);
  const { line, summary, key } = await measureBackup(world, rows);
  return [line, ...(await measureRestore(world, { summary, key, hash, rows }))];
}

async function measureBackup(world: PostgresWorld, rows: number): Promise<{ line: BenchLine; summary: BackupSummary; key: string }> {
  const { rounds, say } = world.options;
  const servers = [world.source.pid, world.store.pid];
  let summary: BackupSummary | undefined;
  let key = '';
  const ours: Contender = { name: 'ours', run: async () => await spending(servers, async () => await timed(async (memory) => (summary = await backUp(world, memory)))) };
  const peer: Contender = { name: chain, run: async () => await spending(servers, async () => await dumpToStore(world.source, (key = `peer/${ulid()}`))) };
  // Once, unmeasured: the source's cache is as warm for the first as for the last.
  await peer.run(-1);
  const [taken, peers] = await race([ours, peer], rounds, say);
  const { ContentLength } = await openClient().send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  const { plainBytes, storedBytes } = summary!;
  const note = [`${formatBytes(plainBytes)} of rows became ${formatBytes(storedBytes)} (1:${(plainBytes / storedBytes).toFixed(1)}), by gzip ${formatBytes(ContentLength!)} (1:${(plainBytes / ContentLength!).toFixed(1)})`, taken!.spent!, peers!.spent!].join('; ');
  return { line: lineOf({ bench: 'postgres backup', of: 'to S3', bytes: plainBytes, entries: rows, atLeast: 2, note }, taken!, { name: peer.name, result: peers! }), summary: summary!, key };
}

async function measureRestore(world: PostgresWorld, { summary, key, hash, rows }: { summary: BackupSummary; key: string; hash: string; rows: number }): Promise<BenchLine[]> {
  const { rounds, say } = world.options;
  const point = pointOf(of, summary);
  const phases: string[] = [];
  const statisticsMs: number[] = [];
  const ours: Contender = {
    name: 'ours',
    run: async () => await owning(async (owner) => {
      const { pid } = await world.ourTarget(owner);
      const taken = await spending([pid, world.store.pid], async () => await timed(async (memory) => phases.push(await restore(world, point, memory))));
      await requireEqual({ host: '127.0.0.1', port: world.targetPort }, hash, 'ours');
      return taken;
    }),
  };
  const peer: Contender = {
    name: chainBack,
    run: async () => await owning(async (owner) => {
      const target = await world.theirTarget(owner);
      const taken = await spending([target.pid, world.store.pid], async () => await restoreFromStore(target, key));
      const startedAtMs = performance.now();
      await target.query('ANALYZE', [], database);
      statisticsMs.push(performance.now() - startedAtMs);
      await requireEqual({ host: '127.0.0.1', port: target.port }, hash, chainBack);
      return taken;
    }),
  };
  const [taken, peers] = await race([ours, peer], rounds, say);
  const note = [taken!.spent!, peers!.spent!, `ours by round: ${phases.join('; ')}`].join('; ');
  const whole = `${chainBack}, ANALYZE`;
  const wholeTaken = summarize(whole, peers!.rounds.map((ms, at) => ({ ms: ms + statisticsMs[at]!, peakRssBytes: peers!.peakRssBytes })));
  const head = { bench: 'postgres restore', bytes: summary.plainBytes, entries: rows };
  return [
    lineOf({ ...head, of: 'indexes and constraints included', atLeast: 1.43, note }, taken!, { name: peer.name, result: peers! }),
    lineOf({ ...head, of: 'and statistics on both sides' }, taken!, { name: whole, result: wholeTaken }),
  ];
}
