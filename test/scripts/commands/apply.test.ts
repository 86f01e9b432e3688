import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from '@temporalio/worker';
import { createActivities } from '../../../activities/index.ts';
import { runTool } from '../../../activities/tool/run-tool.ts';
import { taskQueues } from '../../../workflows/contract.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { startTemporalServer } from '../../harness/temporal-server.ts';
import { workflowBundle } from '../../workflows/lab.ts';
import { stubActivities } from '../../workflows/stub-activities.ts';

const program = join(import.meta.dirname, '../../../scripts/holdfast.ts');
const owner = { after };
const directory = tempDir(owner);
const shipped = readFileSync(join(import.meta.dirname, '../../../systems/demo.yaml'), 'utf8');
const write = (more = ''): void => writeFileSync(join(directory, 'demo.yaml'), shipped.replace(/^schedules:[^]*/m, `schedules:\n  full-backup: { does: backup, at: ['01:00'] }\n${more}`));
write("  verification: { does: verification, at: ['02:30'], on: sunday, zone: Europe/Berlin }\n");

const cleanUps: (() => unknown)[] = [];
const { client, address, nativeConnection: connection } = await startTemporalServer({ after: (cleanUp) => void cleanUps.push(cleanUp) });

// The worker's real activity, with its own way to the server and its own file; the rest of its work is stubs.
process.env['HOLDFAST_SYSTEMS'] = directory;
const stubs = stubActivities({});
const { control } = createActivities({ owner: 'test', reportsDirectory: directory, temporalUiUrl: null });
const worker = await Worker.create({ connection, taskQueue: taskQueues.control, workflowBundle: await workflowBundle(), activities: { ...stubs.activities, applySystem: control.applySystem, pauseWithoutFile: control.pauseWithoutFile } });
const running = worker.run();
after(async () => {
  stubs.release();
  worker.shutdown();
  await running;
  for (const cleanUp of cleanUps) await cleanUp();
});

/** The command line as a person has it, off a terminal; what it says, and its exit code. */
async function holdfast(...args: string[]): Promise<{ code: number; said: string }> {
  const env = { HOLDFAST_HOME: tempDir(owner), TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'default' };
  const { stdout } = await runTool({ path: '/bin/sh' }, ['-c', '"$0" "$@" 2>&1; echo "code $?"', process.execPath, program, ...args], { env });
  const [, said, code] = /^([^]*)code (\d+)\s*$/.exec(stdout)!;
  return { code: Number(code), said: said! };
}

test('apply shows its plan, asks, is carried out by a worker, and finds nothing to change the second time; what is there is listed', async () => {
  const file = join(directory, 'demo.yaml');
  const dry = await holdfast('apply', file, '--dry-run');
  assert.equal(dry.code, 0, dry.said);
  assert.match(dry.said, /^demo: 4 to change\n {2}create {4}demo\/full-backup {2}01:00 UTC: backUpSystem\n {2}create {4}demo\/verification {2}02:30 sunday Europe\/Berlin: verifySystem\n {2}start {5}archive\/demo\/dictionary {2}does not run\n {2}start {5}ready\/demo {2}does not run\n {2}note {6}demo\/verification: there is no 02:30 on \d{4}-03-\d\d in Europe\/Berlin/);
  const unasked = await holdfast('apply', file);
  assert.deepEqual([unasked.code, /the plan was not agreed to: nobody is at a terminal/.test(unasked.said)], [2, true], unasked.said);
  await assert.rejects(client.schedule.getHandle('demo/full-backup').describe(), /not found/);
  const applied = await holdfast('apply', file, '--yes', '--by', 'dana');
  assert.deepEqual([applied.code, applied.said], [0, 'applied demo\napplied demo: 4 changed\n']);
  const again = await holdfast('apply', file, '--yes', '--json');
  const { applied: did, plans } = JSON.parse(again.said) as { applied: boolean; plans: { rows: { change: string }[] }[] };
  assert.deepEqual([again.code, did, [...new Set(plans[0]!.rows.map(({ change }) => change))]], [0, false, ['unchanged']]);
  const listed = await holdfast('schedules', 'demo');
  assert.match(listed.said, /^demo\/full-backup {2}01:00 UTC {2}backUpSystem\n {2}next {5}\d{4}-\d\d-\d\dT01:00, .* \(in .*\)\n {2}last {5}none yet\ndemo\/verification /);
});

test('an id that somebody else has is left alone, and the exit code says so; a backfill says what it would start', async () => {
  await client.schedule.create({ scheduleId: 'demo/theirs', spec: {}, action: { type: 'startWorkflow', workflowType: 'theirs', taskQueue: 'theirs' } });
  write("  theirs: { does: verification, at: ['02:00'] }\n");
  const applied = await holdfast('apply', join(directory, 'demo.yaml'), '--dry-run');
  assert.equal(applied.code, 9, applied.said);
  assert.match(applied.said, /foreign {3}demo\/theirs {2}a schedule of this id is there, and it is not of this system: left alone/);
  assert.equal((await holdfast('backfill', 'demo/full-backup', '--from', '2026-01-01T01:00:00Z', '--to', '2026-01-02T01:00:00Z', '--dry-run')).said, 'would start 2 of demo/full-backup, one after the other\n2026-01-01T01:00:00.000Z\n2026-01-02T01:00:00.000Z\n');
  assert.match((await holdfast('backfill', 'demo/theirs', '--from', '2026-01-01T00:00:00Z', '--to', '2026-01-01T00:00:00Z')).said, /demo has no schedule "demo\/theirs"/);
});

test('a system whose file cannot be read, or is gone, is named; its schedules are paused with the reason, none is deleted, and they go on when it is back', async () => {
  const file = join(directory, 'demo.yaml');
  const pausedBecause = async (): Promise<string | null> => {
    const { state } = await client.schedule.getHandle('demo/full-backup').describe();
    return state.paused ? (state.note ?? '') : null;
  };
  await client.schedule.getHandle('demo/theirs').delete();
  write();
  assert.equal((await holdfast('apply', file, '--yes', '--by', 'dana')).code, 0);
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('objectives:', 'objektives:'));
  const unread = await holdfast('apply', file, '--dry-run');
  assert.equal(unread.code, 2, unread.said);
  assert.match(unread.said, /^demo: \d+ to change\n {2}pause {5}demo\/full-backup {2}systems\/demo\.yaml cannot be read: .*objectives/);
  assert.equal(await pausedBecause(), null);
  rmSync(file);
  const gone = await holdfast('apply', '--yes', '--by', 'dana');
  assert.deepEqual([gone.code, /demo: systems\/demo\.yaml is gone: its schedules start nothing until it can be read again/.test(gone.said)], [2, true], gone.said);
  assert.equal(await pausedBecause(), 'holdfast: systems/demo.yaml is gone');
  assert.equal((await client.workflow.getHandle('archive/demo/dictionary').describe()).status.name, 'RUNNING', 'its archive goes on');
  writeFileSync(file, text);
  const back = await holdfast('apply', file, '--yes', '--by', 'dana');
  assert.deepEqual([back.code, await pausedBecause()], [0, null], back.said);
});

test('workers that can read the file pause nothing for whoever cannot', async () => {
  const handle = await client.workflow.start('applySystem', { taskQueue: taskQueues.control, workflowId: 'apply/elsewhere', args: [{ system: 'demo', withoutFile: true }] });
  await assert.rejects(handle.result(), ({ cause }: Error) => /demo: the workers can read systems\/demo\.yaml, so nothing was done/.test((cause as Error).message));
  assert.equal((await client.schedule.getHandle('demo/full-backup').describe()).state.paused, false);
});
