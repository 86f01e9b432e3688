import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JobReading, SourceContext } from '../../../../activities/context.ts';
import { StoredProgress } from '../../../../activities/engines/base/stored-progress.ts';
import { dumpGroup } from '../../../../activities/engines/mongodb/dump-group.ts';
import { importGroup } from '../../../../activities/engines/mongodb/mongodump/import-group.ts';
import { planImport } from '../../../../activities/engines/mongodb/mongodump/plan-import.ts';
import { writeExport } from '../../../../activities/engines/mongodb/mongodump/write-export.ts';
import { planDump } from '../../../../activities/engines/mongodb/plan-dump.ts';
import { toolEngine } from '../../../../activities/engines/tool/index.ts';
import type { GroupRef } from '../../../../workflows/contract.ts';
import { backupInput, enginePlace, ref, storePlace } from '../../../harness/engine-place.ts';
import { tempDir } from '../../../harness/temp-dir.ts';
import { planInput, tar, toolPlace, toolRef } from '../../../harness/tool-place.ts';
import { until } from '../../../harness/until.ts';
import { importDump, importedPoint, underLoad } from '../mongodb/mongodump/dump-place.ts';

/** A job whose parts and slices reach the store when they are let through, and what it says of itself meanwhile. */
async function whileHeld(context: SourceContext, job: (context: SourceContext) => Promise<GroupRef>): Promise<{ held: JobReading[]; last: JobReading; group: GroupRef }> {
  const readings: JobReading[] = [];
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  const put: SourceContext['store']['put'] = async (key, ...more) => {
    if (/\/(parts|slices)\//.test(key)) {
      waiting += 1;
      await gate.promise;
    }
    return await context.store.put(key, ...more);
  };
  const { store } = context;
  const held = new Proxy(store, { get: (target, name) => (name === 'put' ? put : Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)) as unknown });
  const running = job({ ...context, store: held, progress: (reading) => void readings.push(reading) });
  running.catch(() => undefined);
  await until('the first is on its way', () => waiting > 0);
  // All that is read beside it: readings come until nothing more fits into memory, or nothing is left.
  for (let seen = -1; seen !== readings.length;) {
    seen = readings.length;
    await until('nothing more is said', () => readings.length > seen, 500).catch(() => undefined);
  }
  const before = [...readings];
  gate.resolve();
  const group = await running;
  return { held: before, last: readings.at(-1)!, group };
}

function assertSafe({ held, last, group }: Awaited<ReturnType<typeof whileHeld>>, logBytes = 0): void {
  assert.ok(held.length > 0 && held.every(({ done }) => done === 0), `said to be done while nothing was stored: ${JSON.stringify(held.find(({ done }) => done > 0))}`);
  assert.ok(group.plainBytes > 0);
  assert.equal(last.done, group.plainBytes + logBytes, 'at its end all is done');
}

test('a backup’s bytes are done once they are stored, not when they are read', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  const source = await place.source.connect();
  await source.db('d').collection('letters').insertMany(Array.from({ length: 2_000 }, (_, n) => ({ n, text: 'x'.repeat(1_000) })));
  const plan = await planDump(place.context, backupInput('b1'));
  const { group } = plan.groups.find(({ estimatedBytes }) => estimatedBytes > 1_000_000)!;
  assertSafe(await whileHeld(place.context, async (context) => await dumpGroup(context, { ...ref, plan, epoch: 1, group })));
});

test('an import’s documents and log are done once they are stored', { timeout: 120_000 }, async (t) => {
  const { context } = await storePlace(t);
  const plan = await planImport(context, { ...ref, backup: 'i1', epoch: 1, path: underLoad, why: 'test', requestedBy: 'test' });
  const seen = await whileHeld(context, async (held) => await importGroup(held, { ...ref, plan, epoch: 1, group: plan.groups[0]!.group }));
  assert.equal(seen.last.done, seen.last.of);
  assertSafe(seen, seen.last.of - seen.group.plainBytes);
});

test('what a program dumps is done once it is stored', { timeout: 120_000 }, async (t) => {
  const place = toolPlace(t, tar);
  writeFileSync(join(place.sourcePath, 'a file'), Buffer.alloc(1_000_000, 'x'));
  const context = await place.open();
  const plan = await toolEngine.planDump(context, planInput('b1'));
  assertSafe(await whileHeld(context, async (held) => await toolEngine.dumpGroup(held, { ...toolRef, plan, epoch: 1, group: plan.groups[0]!.group })));
});

for (const gzip of [false, true]) {
  test(`an export is all done once its file is whole and flushed${gzip ? ', compressed too' : ''}`, { timeout: 120_000 }, async (t) => {
    const { context } = await storePlace(t);
    await importDump(context, underLoad, 'i1');
    const point = await importedPoint(context, 'i1');
    const directory = tempDir(t, 'holdfast-export-');
    chmodSync(directory, 0o700);
    const sizes: number[] = [];
    let mostDone = 0;
    const progress = ({ done, of }: JobReading): void => {
      mostDone = Math.max(mostDone, done);
      assert.ok(of > 0 && done <= of);
      if (done === of) sizes.push(statSync(join(directory, readdirSync(directory)[0]!)).size);
    };
    const written = await writeExport({ ...context, progress }, { ...ref, path: join(directory, 'out'), run: 'r1', form: 'archive', gzip, point });
    assert.deepEqual([written.hasLog, sizes], [true, [written.writtenBytes]], 'the one time that it says so');
    assert.ok(mostDone > 0);
  });
}

test('what was read makes the whole larger than was expected; what has to be read again counts no more', () => {
  const said: [number, number][] = [];
  const progress = new StoredProgress(100, ({ done, of }) => void said.push([done, of]));
  progress.adopted(10);
  progress.read(150);
  progress.stored(40);
  progress.stored(-40);
  progress.read(-150);
  assert.deepEqual(said, [[10, 100], [10, 160], [50, 160], [10, 160], [10, 100]]);
  const unknown: number[] = [];
  new StoredProgress(0, ({ of }) => void unknown.push(of)).read(5);
  assert.deepEqual(unknown, [0]);
});
