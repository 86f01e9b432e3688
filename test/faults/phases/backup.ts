import assert from 'node:assert/strict';
import type { BackupSummary, VerifyResult } from '../../../workflows/contract.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import type { Bench } from '../bench.ts';
import { scope, smallCollections } from '../bench.ts';
import type { Enter, Middle } from '../cell.ts';
import { detailsOf } from '../read-page.ts';
import type { Matches } from '../../harness/store-proxy.ts';
import { until } from '../../harness/until.ts';
import { inFlight, isDone, isGet, isGroup, isManifest, isPart, isPut, partIndex } from './requests.ts';
import { dataPlaneOf, isAtWork } from './data-planes.ts';

/** The second of three parts is on its way. */
export const enterBackup: Enter = async (bench) => await backUpUntil(bench, 'dumpGroup', (of) => isPut(of) && isPart(of) && partIndex(of.key) === 1);

export const enterSeal: Enter = async (bench) => await backUpUntil(bench, 'sealBackup', (of) => isPut(of) && isManifest(of));

/** A capped collection is read as it changes, so its base ends where the source is then: the seal asks, behind its look at what each group left. */
export const enterSealAsking: Enter = async (bench) => {
  const ring = 'ring';
  await bench.stack.withApp(async (db) => {
    await db.dropCollection(ring);
    await (await db.createCollection(ring, { capped: true, size: 4096 })).insertOne({ text: 'of a ring' });
  });
  const middle = await backUpUntil(bench, 'sealBackup', (of) => isGet(of) && isGroup(of) && isAtWork(bench, 'sealBackup'));
  return {
    ...middle,
    finish: async () => {
      const end = await middle.finish();
      await bench.stack.withApp(async (db) => await db.dropCollection(ring));
      return end;
    },
  };
};

async function backUpUntil(bench: Bench, activity: string, matches: Matches): Promise<Middle> {
  const { stack } = bench;
  const held = stack.store.hold(matches);
  const startedAt = Date.now();
  const entry = await stack.start('backUpSystem', { system: 'demo', requestedBy: 'faults' });
  await held.reached;
  const stored = (): number => stack.store.seen((of) => isPut(of) && isPart(of) && isDone(of), startedAt).length;
  await until(`${smallCollections} parts to be stored before the fault: a dump that begins again puts more of them twice than may be in flight`, () => stored() >= smallCollections);
  const dataPlane = await dataPlaneOf(bench, activity);
  return {
    workflowId: lockIds.backup('demo'),
    activity,
    dataPlane,
    mongod: { pidFile: bench.primaryPidFile, start: async () => await bench.startSource() },
    release: () => held.release(),
    finish: async () => {
      const [summary] = (await entry.result()) as BackupSummary[];
      assert.ok(summary);
      const puts = stack.store.seen((of) => isPut(of) && isPart(of) && isDone(of), startedAt);
      assert.ok(puts.length - summary.parts <= inFlight, `${puts.length} parts were put, ${summary.parts} are used`);
      const manifests = (await stack.keys(layout.backups(scope))).filter((key) => key.endsWith(`${summary.backup}/manifest.json`));
      assert.equal(manifests.length, 1, 'one manifest');
      assert.match(await detailsOf(bench, lockIds.backup('demo')), new RegExp(`dictionary: done, (\\d+) of \\1 groups`), 'the page of the backup says that it is done, and whole');
      // A base that was read over a while needs log up to its end, and a source that is only alive gets a slice once a minute.
      await bench.note('behind the backup');
      await stack.archiveIsUpToDate();
      const verified = await verifyNewest(bench);
      assert.equal(verified.backup, summary.backup);
      const unproved = summary.unproved.length > 0 ? `, without proof of ${summary.unproved.map(({ name }) => name).join(', ')}` : '';
      return `published and verified; ${puts.length} parts put, ${summary.parts} used${unproved}`;
    },
  };
}

export async function verifyNewest(bench: Bench): Promise<VerifyResult> {
  const [verified] = (await (await bench.stack.start('verifySystem', 'demo')).result()) as VerifyResult[];
  assert.deepEqual([verified?.ok, verified?.problems], [true, []]);
  return verified!;
}
