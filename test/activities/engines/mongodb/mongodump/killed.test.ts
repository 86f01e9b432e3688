import assert from 'node:assert/strict';
import { chmodSync, createWriteStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { createHash, randomBytes } from 'node:crypto';
import { BSON } from 'mongodb';
import type { ExportContents, ExportedCollection } from '../../../../../activities/engines/mongodb/mongodump/export-contents.ts';
import { encodeMetadata } from '../../../../../activities/engines/mongodb/mongodump/metadata.ts';
import { archiveBytes } from '../../../../../activities/engines/mongodb/mongodump/write-dump.ts';
import { sealBackup } from '../../../../../activities/engines/mongodb/seal-backup.ts';
import { discardExport, publishExport } from '../../../../../activities/exchange/publish-export.ts';
import { readImport } from '../../../../../activities/store/read-catalog.ts';
import { findRecoveryPoint } from '../../../../../workflows/domain/find-recovery-point.ts';
import type { GroupRef, ImportPlanRef, WrittenExport } from '../../../../../workflows/contract.ts';
import { importTimeline, layout } from '../../../../../workflows/domain/layout.ts';
import { mib } from '../../../../../workflows/domain/units.ts';
import { collect } from '../../../../conformance/store.ts';
import { ref, startJob, storePlace, type StorePlace } from '../../../../harness/engine-place.ts';
import { tempDir } from '../../../../harness/temp-dir.ts';
import { until } from '../../../../harness/until.ts';

const documentBytes = 16 * 1024;
/** The bound of a data plane, whatever the size of the dump. */
const memoryBytes = mib(512);
/** As many parts as are compressed and uploaded at once, and the one that is read. */
const inFlight = 3;

function collectionOf(collection: string, documents: number): ExportedCollection {
  const filler = randomBytes(documentBytes);
  const of = { db: 'd', collection };
  return {
    ...of,
    data: of,
    type: 'collection',
    metadata: encodeMetadata({ options: {}, indexes: [{ v: 2, key: { _id: 1 }, name: '_id_' }], uuid: undefined, collectionName: collection, type: 'collection' }),
    async *bytes() {
      await Promise.resolve();
      for (let _id = 0; _id < documents; _id += 1) {
        filler.writeUInt32LE(_id, 0);
        yield Buffer.from(BSON.serialize({ _id, filler: createHash('sha256').update(filler.subarray(0, 64)).digest(), rest: filler }));
      }
    },
  };
}

/** An archive as mongodump writes it, of documents that hardly compress between them. */
async function writeDump(path: string, collections: ExportedCollection[]): Promise<void> {
  const entries = collections.map(({ db, collection, metadata, type }) => ({ db, collection, metadata, size: 0, type }));
  const contents: Pick<ExportContents, 'prelude' | 'collections'> = { prelude: { concurrentCollections: 1, serverVersion: '6.0.5', toolVersion: '100.9.4', entries }, collections };
  await pipeline(Readable.from(archiveBytes(contents), { objectMode: false }), createWriteStream(path));
}

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

const partsOf = async (place: StorePlace): Promise<number> =>
  (await collect(place.context.store, layout.parts({ ...ref, timeline: importTimeline('i1'), backup: 'i1' }, '', '').replace(/\/+$/, '/'))).length;

async function killWhen(what: string, job: { pid: number; done: Promise<unknown> }, ready: () => boolean | Promise<boolean>): Promise<void> {
  const killed = assert.rejects(job.done);
  await until(what, ready, 120_000, 2);
  process.kill(-job.pid, 'SIGKILL');
  await killed;
}

test('an import and an export killed in the middle are done again: whole parts are adopted, nothing half-made is left, in bounded memory', { timeout: 600_000 }, async (t) => {
  const place = await storePlace(t);
  const directory = tempDir(t, 'holdfast-killed-');
  chmodSync(directory, 0o700);
  const dump = join(directory, 'dump.archive');
  await writeDump(dump, [collectionOf('large', 6_000), collectionOf('small', 3)]);
  t.diagnostic(`dump of ${Math.round(statSync(dump).size / mib(1))} MiB`);

  const input = { ...ref, backup: 'i1', epoch: 1, path: dump, why: 'test', requestedBy: 'test' };
  const planned = await startJob(place, 'planImport', input).done;
  const { origin: _origin, ...plan } = planned.result as ImportPlanRef;
  const order = { ...ref, plan, epoch: 1, group: plan.groups[0]!.group };
  await killWhen('two parts are in the store', startJob(place, 'importGroup', order), async () => (await partsOf(place)) >= 2);
  const left = await partsOf(place);
  const imported = await startJob(place, 'importGroup', order).done;
  const group = imported.result as GroupRef;
  assert.ok((await partsOf(place)) - group.parts <= inFlight, `${left} parts were left, ${await partsOf(place)} written for ${group.parts}`);
  const summary = await sealBackup(place.context, { ...ref, plan, epoch: 1, groups: [group] });
  assert.equal(summary.documents, 6_003);

  const point = findRecoveryPoint(await readImport(place.context, ref, 'i1'), {}, { now: new Date().toISOString() });
  const out = join(directory, 'out.archive');
  const to = { ...ref, path: out, form: 'archive', gzip: false, run: 'run-1', point };
  const partials = (): string[] => readdirSync(directory).filter((name) => name.endsWith('.partial'));
  await killWhen('some of it is written', startJob(place, 'writeExport', to), () => partials().some((name) => statSync(join(directory, name)).size > mib(8)));
  assert.equal(partials().length, 1, 'a killed attempt leaves its hidden file');
  assert.ok(!existsSync(out), 'and nothing under the export’s own name');
  const exported = await startJob(place, 'writeExport', to).done;
  const { partial } = exported.result as WrittenExport;
  assert.deepEqual(partials(), [partial], 'the next attempt removed what was left');
  await publishExport(place.context, { path: out, run: 'run-1', partial });
  await publishExport(place.context, { path: out, run: 'run-1', partial });
  assert.deepEqual(readdirSync(directory).sort(), ['dump.archive', 'out.archive']);

  // What comes out is what went in, but for the header, which names the program.
  const again = join(directory, 'again.archive');
  const other = { ...to, path: again, run: 'run-2' };
  const second = (await startJob(place, 'writeExport', other).done).result as WrittenExport;
  await publishExport(place.context, { path: again, run: 'run-2', partial: second.partial });
  assert.equal(digest(again), digest(out), 'the same point is the same bytes');
  for (const [name, { maxRssBytes }] of Object.entries({ planned, imported, exported })) {
    t.diagnostic(`${name}: ${Math.round(maxRssBytes / mib(1))} MiB of memory`);
    assert.ok(maxRssBytes < memoryBytes, `${name} took ${maxRssBytes} bytes`);
  }
  await assert.rejects(startJob(place, 'writeExport', { ...to, run: 'run-3' }).done, /expected nothing there/);
  await discardExport(place.context, { path: out, run: 'run-3' });
  assert.deepEqual(partials(), []);
});
