import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { planRecovery } from '../../activities/plan/plan-recovery.ts';
import { readMark } from '../../activities/traffic/fenced-directory.ts';
import { listTimelines } from '../../activities/store/timelines.ts';
import { directoryOf } from '../../scripts/stack/stack-file.ts';
import type { RecoveryPlan } from '../../workflows/domain/recovery-plan.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { startProtectedStack, type SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';
import { recoverTwice } from './looked-dead.ts';
import { dieInMidSwitch } from './mid-switch.ts';

const plan = async (input: object): Promise<RecoveryPlan> => await planRecovery({ system: 'demo', mode: 'in-place', ...input }, { signal: new AbortController().signal, progress: () => undefined });

interface Held {
  words: number;
  notes: string[];
}

const held = async (stack: SystemStack): Promise<Held> => await stack.withApp(async (db) => ({
  words: await db.collection('words').countDocuments(),
  notes: (await db.collection<{ _id: string }>('notes').find({}, { sort: { _id: 1 } }).toArray()).map(({ _id }) => _id),
}));

const note = async (stack: SystemStack, _id: string): Promise<void> => await stack.withApp(async (db) => void (await db.collection<{ _id: string }>('notes').insertOne({ _id }, { writeConcern: { w: 'majority' } })));

/** The second that is now, once it is over: what comes next lies behind it. */
async function moment(): Promise<string> {
  const second = Math.floor(Date.now() / 1000);
  await until('the second to be over', () => Math.floor(Date.now() / 1000) > second);
  return new Date(second * 1000).toISOString();
}

/** One collection as it was at `at`, beside the living one and then in its place, while everything else goes on. */
async function swapOne(stack: SystemStack, at: string): Promise<void> {
  const before = await held(stack);
  const database = await stack.withApp((db) => Promise.resolve(db.databaseName));
  const only = [`${database}.notes`];
  const planned = await plan({ mode: 'swap', only, targetTime: at });
  assert.deepEqual(planned.findings.filter(({ effect }) => effect === 'fails'), []);
  assert.deepEqual([planned.points[0]!.only!.copies, planned.discarded!['dictionary']!.inserts], [only, 2]);
  const entry = await stack.start('recoverSystem', { system: 'demo', mode: 'swap', only, targetTime: at, requestedBy: 'test' });
  const { state } = await stack.stepIs('approve-swap', 'waiting', 120_000);
  assert.match(state.gates.find(({ status }) => status === 'open')!.description, /notes: 3 documents now, 1 restored; 2 writes since the recovery point will be DISCARDED/);
  assert.deepEqual(await held(stack), before, 'living collections are not touched');
  await note(stack, 'while they think');
  await stack.killWorker();
  await stack.startWorker();
  await stack.runHandle.executeUpdate('approve', { args: [{ by: 'dana' }] });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done, partial', JSON.stringify(report.warnings));
  assert.deepEqual(await held(stack), { ...before, notes: ['good'] });
  assert.ok(report.warnings.some((warning) => /notes 3 writes; all of it is kept in/.test(warning)), JSON.stringify(report.warnings));
  await note(stack, 'people go on');
  const kept = await stack.withApp(async (db) => await db.collection<{ _id: string }>(`notes.replaced-${state.run!}`).find({}, { sort: { _id: 1 } }).toArray());
  assert.deepEqual(kept.map(({ _id }) => _id), [...before.notes, 'while they think'].sort());
}

test('production is taken back in place and in one collection, while it lives; then it is lost, and its standby dies in mid-switch', { timeout: 570_000 }, async (t) => {
  const stack = await startProtectedStack(t);
  await t.test('in place: what a bad deployment wrote is discarded by its number, a worker killed in the middle changes nothing, and an abort brings back what was there; then one collection is swapped, while the rest goes on', async () => await takeBack(stack));
  await t.test('a standby that dies in mid-switch pauses the run, before and after its first accepted write; started again, the run goes to its end', async (st) => await dieInMidSwitch(st, stack));
  await recoverTwice(t, stack);
});

async function takeBack(stack: SystemStack): Promise<void> {
  const primary = directoryOf(stack.file, 'primary');
  await note(stack, 'good');
  const good = await held(stack);
  const targetTime = await moment();
  await note(stack, 'bad');
  await stack.withApp(async (db) => void (await db.collection<{ _id: number }>('words').deleteMany({ _id: { $lt: 500 } })));
  await stack.archiveIsUpToDate();

  const planned = await plan({ targetTime });
  assert.deepEqual(planned.findings.filter(({ effect }) => effect === 'fails'), []);
  const { dictionary } = planned.discarded!;
  // The application's own heartbeat is an update now and then.
  assert.deepEqual([dictionary!.inserts, dictionary!.deletes, dictionary!.atLeast], [1, 500, []]);

  const entry = await stack.start('recoverSystem', { system: 'demo', mode: 'in-place', targetTime, requestedBy: 'test' });
  const { state } = await stack.stepIs('approve-in-place', 'waiting', 120_000);
  assert.match(state.gates.find(({ status }) => status === 'open')!.description, /is safe: base .* read back whole.*50\d writes \(1 insert, \d updates?, 500 deletes\).*will be DISCARDED/s);
  await assert.rejects(note(stack, 'while they wait'), /not primary|NotWritablePrimary|selection/i);
  await stack.runHandle.executeUpdate('approve', { args: [{ by: 'dana' }] });
  const { run } = (await stack.stepIs('provision-in-place', 'done', 60_000)).state;
  // What was there is aside, and what is to be there is not yet.
  await stack.killWorker();
  const aside = `${primary}.left-${run!}`;
  assert.ok(existsSync(aside) && (await readMark(aside)) && !(await readMark(primary)));
  await stack.startWorker();
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done', JSON.stringify(report.warnings));
  assert.deepEqual(await held(stack), good);
  const { store, keys } = await stack.source();
  const timelines = (await listTimelines(store, keys, { system: 'demo', source: 'dictionary' })).map(({ body }) => body);
  assert.deepEqual(timelines.map(({ environment }) => environment ?? 'production'), ['production', 'production']);
  assert.ok(existsSync(aside), 'what was replaced is kept');

  // The safety point: what was discarded can be had again.
  const back = await plan({ timeline: timelines[0]!.timeline });
  assert.deepEqual(back.findings.filter(({ effect }) => effect === 'fails'), []);
  assert.ok(back.points[0]!.reaches > timelines[1]!.parent!.limit, `${back.points[0]!.reaches}, and the moment was ${timelines[1]!.parent!.limit}`);

  // The undo: everything is as it was, with what was about to be discarded.
  const later = await moment();
  await note(stack, 'after');
  const before = await held(stack);
  await stack.archiveIsUpToDate();
  const second = await stack.start('recoverSystem', { system: 'demo', mode: 'in-place', targetTime: later, requestedBy: 'test' });
  await stack.stepIs('approve-in-place', 'waiting', 120_000);
  await stack.runHandle.executeUpdate('approve', { args: [{ by: 'dana' }] });
  await stack.stepIs('provision-in-place', 'running', 60_000);
  await stack.runHandle.executeUpdate('hold', { args: [{ by: 'dana', reason: 'look again' }] });
  await stack.stepIs('provision-in-place', 'done', 60_000);
  await stack.runHandle.executeUpdate('abort', { args: [{ by: 'dana', reason: 'it was the right data' }] });
  await assert.rejects(second.result());
  assert.deepEqual(await held(stack), before);
  await note(stack, 'it takes writes again');
  await stack.archiveIsUpToDate();
  assert.equal((await listTimelines(store, keys, { system: 'demo', source: 'dictionary' })).length, 2, 'it is the same life of the source');
  await swapOne(stack, later);
}
