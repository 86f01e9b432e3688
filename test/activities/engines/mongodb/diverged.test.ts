import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON, type MongoClient } from 'mongodb';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAudit } from '../../../../activities/audit/read-audit.ts';
import { runTool } from '../../../../activities/tool/run-tool.ts';
import { errorTable, HoldfastError } from '../../../../workflows/domain/errors.ts';
import { layout } from '../../../../workflows/domain/layout.ts';
import { seconds } from '../../../../workflows/domain/units.ts';
import { nextLogPosition } from '../../../../workflows/domain/log-position.ts';
import { timestampOf } from '../../../../activities/engines/mongodb/bson-position.ts';
import { openDivergedEntries } from '../../../../activities/engines/mongodb/diverged/open-diverged-entries.ts';
import { readDivergedWrites } from '../../../../activities/engines/mongodb/diverged/read-diverged-writes.ts';
import type { DivergedEntry } from '../../../../activities/engines/engine.ts';
import { readDivergedReport } from '../../../../activities/store/read-diverged-report.ts';
import { until } from '../../../harness/until.ts';
import { enginePlace, ref, type EnginePlace } from '../../../harness/engine-place.ts';
import { archivedUpTo, positionNow, startArchive } from './replay-place.ts';

const notes = (client: MongoClient) => client.db('d').collection<{ _id: number; text: string }>('notes');

/** A source whose timeline stands, and the position that a recovery left it at. */
async function leftBehind(place: EnginePlace, client: MongoClient) {
  await notes(client).insertOne({ _id: 1, text: 'archived' });
  const archive = startArchive(place.context);
  const position = await positionNow(client);
  await archivedUpTo(place.context, position, 60_000);
  await archive.stop();
  return { ...ref, run: 'R1', environment: 'production', timeline: 't00000001', limit: nextLogPosition(position) };
}

const all = async (entries: AsyncGenerator<DivergedEntry>): Promise<DivergedEntry[]> => {
  const found: DivergedEntry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
};

/** `holdfast diverged place …`, as a person runs it: a process of its own, which has the bucket, the key and the system file. */
async function holdfastDiverged(place: EnginePlace, ...args: string[]): Promise<{ exitCode: number; said: string }> {
  const systems = join(place.directory, 'systems');
  mkdirSync(systems, { recursive: true });
  writeFileSync(join(systems, 'place.yaml'), JSON.stringify(place.file));
  const secrets = Object.fromEntries(Object.entries(place.secrets).map(([ref, secret]) => [ref.slice(2, -1), secret]));
  const program = join(import.meta.dirname, '..', '..', '..', '..', 'scripts', 'holdfast.ts');
  try {
    const { stdout } = await runTool('node', [program, 'diverged', 'place', ...args], { env: { ...secrets, HOLDFAST_SYSTEMS: systems, HOLDFAST_HOME: place.directory } });
    return { exitCode: 0, said: stdout };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { exitCode: Number(error.details['exitCode'] ?? -1), said: `${error.message}\n${String(error.details['stdoutTail'] ?? '')}` };
  }
}

/** Who may have them; what the audit has of who asked; and that nothing is handed out where it takes no record. */
async function assertAudited(place: EnginePlace): Promise<void> {
  const { store, keys } = place.context;
  const acts = async (): Promise<string[]> => (await readAudit({ store, keys }, 'place')).entries.map(({ by, act, outcome, from, workflow, about }) => `${by} ${act} ${outcome} (${from}, ${workflow}): ${about}`);
  const before = await acts();
  assert.equal(before.length, 4, 'each time it was asked for');
  place.file.people = { ada: { roles: ['administrator'] }, dana: { roles: ['dr-team'] } };
  const out = join(place.directory, 'not-to-be.bson');
  assert.match((await holdfastDiverged(place, '--by', 'ada')).said, /  i  d\.notes  .*"diverged"/);
  const refused = await holdfastDiverged(place, '--by', 'dana', '--out', out);
  assert.deepEqual([refused.exitCode, existsSync(out)], [errorTable.NotPermitted.exitCode, false]);
  assert.match(refused.said, /dana may take data out .* by elevation only/);
  const [given, ...more] = (await acts()).slice(before.length);
  assert.equal(given, 'ada take-data-out permitted (the command line, holdfast diverged): writes of the old primary of documents that run R1 left behind, decrypted, printed');
  assert.match(more.join('\n'), /^dana take-data-out refused \(the command line, holdfast diverged\): dana may take data out/);

  const audit = join(place.storePath, 'holdfast', 'place', 'audit');
  renameSync(audit, `${audit}-away`);
  writeFileSync(audit, 'no place for records');
  for (const args of [[], ['--json'], ['--out', out]]) {
    const { exitCode, said } = await holdfastDiverged(place, '--by', 'ada', ...args);
    assert.deepEqual([exitCode, existsSync(out)], [errorTable.StoreUnavailable.exitCode, false], said);
    assert.match(said, /nothing is handed out, since the audit of place does not take the record of it/);
    assert.doesNotMatch(said, /d\.notes|"diverged"|inserts/);
  }
}

test('what an old primary took is read from the server, and from its data directory once it is stopped; its entries open again, and only whole', { timeout: 300_000 }, async (t) => {
  const place = await enginePlace(t);
  const { context } = place;
  const client = await place.source.connect();
  const left = await leftBehind(place, client);
  await notes(client).insertOne({ _id: 2, text: 'diverged' });
  await notes(client).updateOne({ _id: 1 }, { $set: { text: 'changed' } });
  await notes(client).deleteOne({ _id: 2 });

  const alive = await readDivergedWrites(context, { ...left, logReachable: true });
  assert.deepEqual([alive.inserts, alive.updates, alive.deletes, alive.doesNotCover, alive.readFrom], [1, 1, 1, [], 'the fenced server']);
  await client.close();
  await place.source.stop();
  const stopped = await readDivergedWrites(context, { ...left, logReachable: false });
  assert.deepEqual([stopped.inserts, stopped.updates, stopped.deletes, stopped.doesNotCover], [1, 1, 1, []]);
  assert.match(stopped.readFrom, /its data directory/);
  assert.equal(stopped.namespaces.length, 1);

  // As the watch puts it, and as the command reads it.
  await assert.rejects(readDivergedReport(context), (error: HoldfastError) => error.type === 'ObjectMissing' && /watch status/.test(error.message));
  for (const report of [alive, stopped]) await context.store.put(layout.evidence('place', 'R1', 'diverged-documents.json'), Buffer.from(JSON.stringify(report)));
  const report = await readDivergedReport(context, 'R1');
  assert.equal(report.readFrom, stopped.readFrom);
  const entries = await all(openDivergedEntries(context, report));
  assert.equal(entries.length, report.entries);
  const writes = entries.filter(({ own }) => !own);
  assert.deepEqual(writes.map(({ op, ns }) => `${op} ${ns}`), ['i d.notes', 'u d.notes', 'd d.notes']);
  assert.equal(BSON.deserialize(writes[0]!.raw)['o'].text, 'diverged');
  assert.match(writes[0]!.json(), /"o":\{"_id":\{"\$numberInt":"2"\},"text":"diverged"\}/);
  assert.deepEqual(await all(openDivergedEntries(context, alive)).then((found) => found.map(({ position }) => position)), entries.slice(0, alive.entries).map(({ position }) => position));

  const printed = await holdfastDiverged(place);
  assert.match(printed.said, /  i  d\.notes  .*"diverged"[^]*  u  d\.notes  [^]*  d  d\.notes  [^]*diverged    1 inserts, 1 updates, 1 deletes[^]*of          run R1, timeline t00000001[^]*nothing of it was merged/);
  const lines = (await holdfastDiverged(place, '--run', 'R1', '--json')).said.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual([lines.length, lines[0]!['ns'], lines.at(-1)!['inserts'], lines.at(-1)!['out']], [4, 'd.notes', 1, null], 'the server’s own entries are left out, the summary is the last line');
  const out = join(place.directory, 'diverged.bson');
  assert.match((await holdfastDiverged(place, '--out', out)).said, new RegExp(`${report.entries} entries with the server’s own, in ${out}`));
  assert.deepEqual([readFileSync(out).equals(Buffer.concat(entries.map(({ raw }) => raw))), statSync(out).mode & 0o777], [true, 0o600], 'every entry, whole, for its owner alone');
  const refused = await holdfastDiverged(place, '--out', out);
  assert.deepEqual([refused.exitCode, /EEXIST/.test(refused.said)], [errorTable.BadInput.exitCode, true], 'nothing is written over');
  await assertAudited(place);

  await assert.rejects(all(openDivergedEntries(context, { ...report, run: 'R2' })), (error: HoldfastError) => error.type === 'Tampered');
  await assert.rejects(all(openDivergedEntries(context, { ...report, entries: report.entries + 1 })), /says \d+ diverged entries, its objects hold/);
});

test('a log that has rolled over, and a directory without data, are said, not passed over', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t, { mongod: { oplogSizeMb: 16, setParameter: { minSnapshotHistoryWindowInSeconds: 0 }, args: ['--syncdelay', '1'] } });
  const { context } = place;
  const client = await place.source.connect();
  const left = await leftBehind(place, client);
  const oplog = client.db('local').collection('oplog.rs');
  const text = 'x'.repeat(1024 * 1024);
  await until('the oplog to roll over', async () => {
    for (let id = 10; id < 18; id += 1) await notes(client).replaceOne({ _id: id }, { text: `${Math.random()}${text}` }, { upsert: true, writeConcern: { w: 1 } });
    return (await oplog.findOne({ ts: { $lte: timestampOf(left.limit) } })) === null;
  }, seconds(100));
  const report = await readDivergedWrites(context, { ...left, logReachable: true });
  assert.match(report.doesNotCover.join('\n'), /its log begins at .*was overwritten, and is in no report/);
  assert.ok(report.updates > 0);

  const empty = { ...context, system: { ...context.system, fence: { documents: { uses: 'local' as const, directory: place.directory } } } };
  await assert.rejects(readDivergedWrites(empty, { ...left, logReachable: false }), (error: HoldfastError) => error.type === 'SourceUnavailable' && /keep its disk/.test(error.message));
});
