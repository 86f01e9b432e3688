import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Client } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { parse } from 'yaml';
import { applySystem, planApply } from '../../../activities/schedules/apply-system.ts';
import { searchAttributes } from '../../../workflows/domain/names.ts';
import { taskQueues } from '../../../workflows/contract.ts';
import { changes, type ApplyPlan } from '../../../workflows/domain/schedules/apply-plan.ts';
import { systemSchema, type System, type SystemFile } from '../../../workflows/domain/system.ts';
import { startTemporalServer } from '../../harness/temporal-server.ts';
import { until } from '../../harness/until.ts';

const demo = parse(readFileSync(join(import.meta.dirname, '../../../systems/demo.yaml'), 'utf8')) as SystemFile;
const schedules: NonNullable<SystemFile['schedules']> = {
  'full-backup': { does: 'backup', at: ['01:00'], jitter: '5m', pauseOnFailure: true, note: 'nightly' },
  verification: { does: 'verification', every: '6h' },
  'quarterly-drill': { does: 'drill', at: ['10:00'], on: 'first monday of the quarter', zone: 'Europe/London', overlap: 'wait', paused: 'until the standby is there' },
};
/** A system of its own name with these schedules; of a test alone on its server. */
const system = (of: SystemFile['schedules'], name = 'demo'): System => systemSchema.parse({ ...demo, system: name, schedules: of });
const said = ({ rows }: ApplyPlan): string[] => rows.filter(({ what }) => what === 'schedule').map(({ change, id }) => `${change} ${id}`);

async function whole(client: Client): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const name of Object.keys(schedules)) {
    const { scheduleId, spec, action, policies, state, memo } = await client.schedule.getHandle(`demo/${name}`).describe();
    found.push(JSON.parse(JSON.stringify({ scheduleId, spec, action, policies, state, memo })));
  }
  return found;
}

const { client } = await startTemporalServer({ after });

test('what the file says is made, and made once: a second apply finds nothing to change', async () => {
  const first = await planApply({ client, system: system(schedules) });
  assert.deepEqual(said(first), ['create demo/full-backup', 'create demo/verification', 'create demo/quarterly-drill']);
  assert.deepEqual(first.rows.filter(({ what }) => what === 'archive').map(({ change, id }) => `${change} ${id}`), ['start archive/demo/dictionary']);
  assert.deepEqual(first.rows.filter(({ what }) => what === 'readiness').map(({ change, id }) => `${change} ${id}`), ['start ready/demo']);
  await applySystem({ client, system: system(schedules) }, first.digest);
  const { action, memo, state, policies } = await client.schedule.getHandle('demo/full-backup').describe();
  assert.deepEqual(action.args, [{ system: 'demo', why: 'full-backup', requestedBy: 'schedule/demo/full-backup', ifRunning: 'skip' }]);
  assert.deepEqual([action.workflowId, memo, state.note, policies.pauseOnFailure, policies.catchupWindow], ['backup/demo/full-backup', { holdfast: { system: 'demo' } }, 'nightly', true, 12 * 3_600_000]);
  assert.deepEqual((await client.schedule.getHandle('demo/quarterly-drill').describe()).state.note, 'holdfast: until the standby is there');
  assert.equal((await client.workflow.getHandle('archive/demo/dictionary').describe()).type, 'runArchive');
  assert.equal((await client.workflow.getHandle('ready/demo').describe()).type, 'watchReadiness');
  const second = await applySystem({ client, system: system(schedules) });
  assert.deepEqual(changes(second.rows), []);
  assert.deepEqual([...new Set(second.rows.map(({ change }) => change))], ['unchanged']);
});

test('what somebody changed by hand is named and put right; what they paused stays paused until a person says otherwise', async () => {
  const to = { client, system: system(schedules) };
  await applySystem(to);
  const wanted = await whole(client);
  const handle = client.schedule.getHandle('demo/full-backup');
  await handle.update((found) => ({ ...found, spec: { calendars: [{ hour: 5, year: 2031 }], timezone: 'Asia/Tokyo' }, state: { ...found.state, remainingActions: 3 } }));
  await client.schedule.getHandle('demo/verification').pause('looking into something');
  const plan = await planApply(to);
  const [backup, verification] = plan.rows;
  assert.equal(backup!.change, 'update');
  assert.deepEqual(backup!.why, ['when: 05:00 Asia/Tokyo → 01:00 UTC, up to 5m00s later', 'calendars of seconds or years: taken away, as the file has none', 'a limit of 3 starts: taken away, as the file has none']);
  assert.deepEqual([verification!.change, verification!.why], ['held', ['paused on the server ("looking into something"), and not in the file: stays so; --resume ends it']]);
  await applySystem(to);
  assert.deepEqual(changes((await planApply(to)).rows), []);
  assert.equal((await client.schedule.getHandle('demo/verification').describe()).state.paused, true);
  assert.deepEqual(said(await applySystem({ ...to, resume: true })).filter((row) => !row.startsWith('unchanged')), ['resume demo/verification']);
  assert.deepEqual(await whole(client), wanted);
});

test('what the file does not name any more is paused with the reason, never deleted, and goes on when it is back; nobody else’s is touched', async () => {
  await applySystem({ client, system: system(schedules) });
  const others = { spec: { intervals: [{ every: '1h' }] }, action: { type: 'startWorkflow' as const, workflowType: 'theirs', taskQueue: 'theirs' } };
  await client.schedule.create({ scheduleId: 'demo/theirs', ...others });
  await client.schedule.create({ scheduleId: 'shop/nightly', ...others, memo: { holdfast: { system: 'shop' } } });
  const fewer = system({ verification: schedules['verification']!, theirs: { does: 'backup', at: ['01:00'] } });
  // The server's list of a system's schedules is a moment behind.
  await until('the removed ones are found', async () => (await planApply({ client, system: fewer })).rows.filter(({ id }) => id === 'demo/full-backup' || id === 'demo/quarterly-drill').length === 2);
  const plan = await applySystem({ client, system: fewer });
  assert.deepEqual(said(plan), ['unchanged demo/verification', 'foreign demo/theirs', 'pause demo/full-backup', 'unchanged demo/quarterly-drill']);
  const { state } = await client.schedule.getHandle('demo/full-backup').describe();
  assert.deepEqual([state.paused, state.note], [true, 'holdfast: not in systems/demo.yaml any more']);
  for (const id of ['demo/theirs', 'shop/nightly']) assert.deepEqual((await client.schedule.getHandle(id).describe()).action.workflowType, 'theirs', id);
  assert.equal((await client.schedule.getHandle('demo/theirs').describe()).state.paused, false);
  assert.deepEqual(said(await applySystem({ client, system: system(schedules) }))[0], 'resume demo/full-backup');
  assert.deepEqual(changes((await planApply({ client, system: system(schedules) })).rows), []);
});

/** A client that dies at a request to make a schedule: before it is sent, or before its answer. */
function mortal(client: Client, when: 'before' | 'after', dies: () => boolean): Client {
  const bound = <T extends object>(of: T, field: string | symbol): unknown => {
    const found = Reflect.get(of, field) as unknown;
    return typeof found === 'function' ? (found as (...args: unknown[]) => unknown).bind(of) : found;
  };
  const create: Client['schedule']['create'] = async (options) => {
    const isLast = dies();
    if (isLast && when === 'before') throw new Error('killed');
    const made = await client.schedule.create(options);
    if (isLast) throw new Error('killed');
    return made;
  };
  const schedule = new Proxy(client.schedule, { get: (of, field) => (field === 'create' ? create : bound(of, field)) });
  return new Proxy(client, { get: (of, field) => (field === 'schedule' ? schedule : bound(of, field)) });
}

test('killed at each request that makes a schedule, run again, it ends at the same', async () => {
  await applySystem({ client, system: system(schedules) });
  const wanted = await whole(client);
  for (const when of ['before', 'after'] as const) {
    for (const name of Object.keys(schedules)) await client.schedule.getHandle(`demo/${name}`).delete();
    let deaths = 0;
    for (let done = false; !done; ) {
      let requests = 0;
      const dying = mortal(client, when, () => (requests += 1) > deaths);
      try {
        await applySystem({ client: dying, system: system(schedules) });
        done = true;
      } catch (error) {
        assert.equal((error as Error).message, 'killed');
        deaths += 1;
      }
    }
    assert.ok(deaths >= 2, `${when}: ${deaths} deaths`);
    assert.deepEqual(await whole(client), wanted, when);
  }
});

test('a watch on readiness that the file pauses is told to stop', async () => {
  const paused = systemSchema.parse({ ...demo, system: 'still', schedules: {}, readiness: { paused: 'while it moves' } });
  const rowOf = async (of: System): Promise<unknown> => (await applySystem({ client, system: of })).rows.filter(({ what }) => what === 'readiness').map(({ change, why }) => [change, ...why]);
  assert.deepEqual(await rowOf(paused), [['unchanged', 'paused: while it moves']]);
  assert.deepEqual(await rowOf(system({}, 'still')), [['start', 'does not run']]);
  assert.deepEqual(await rowOf(paused), [['stop', 'paused: while it moves']]);
  const { events } = await client.workflow.getHandle('ready/still').fetchHistory();
  assert.deepEqual((events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? []), ['stop']);
});

test('the archive of a source that is not in the file any more is told to stop, and no other', async () => {
  const of = system({}, 'smaller');
  await applySystem({ client, system: of });
  await client.workflow.start('runArchive', { taskQueue: taskQueues.control, workflowId: 'archive/smaller/gone', args: [{ system: 'smaller', source: 'gone' }], typedSearchAttributes: [{ key: defineSearchAttributeKey(searchAttributes.system, 'KEYWORD'), value: 'smaller' }] });
  const rows = await until('the list to name it', async () => {
    const found = (await planApply({ client, system: of })).rows.filter(({ what }) => what === 'archive').map(({ change, id, why }) => [change, id, ...why]);
    return found.length === 2 ? found : undefined;
  });
  assert.deepEqual(rows, [['unchanged', 'archive/smaller/dictionary'], ['stop', 'archive/smaller/gone', 'source "gone" is not in systems/smaller.yaml any more']]);
  await applySystem({ client, system: of });
  const signalsOf = async (id: string): Promise<unknown[]> => ((await client.workflow.getHandle(id).fetchHistory()).events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? []);
  assert.deepEqual([await signalsOf('archive/smaller/gone'), await signalsOf('archive/smaller/dictionary')], [['stop'], []]);
});

test('a worker that reads another file than the person who agreed does nothing', async () => {
  const { digest } = await planApply({ client, system: system(schedules, 'other') });
  await assert.rejects(applySystem({ client, system: system({}, 'other') }, digest), /other: the workers read another systems\/other\.yaml than the one that was applied, so nothing was done/);
  await assert.rejects(client.schedule.getHandle('other/full-backup').describe(), /not found/);
  await assert.rejects(client.workflow.getHandle('archive/other/dictionary').describe(), /not found/);
});
