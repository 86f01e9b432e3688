import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Notice } from '../../workflows/domain/notify/notice.ts';
import { notifySchema, toNotifyView } from '../../workflows/domain/notify/schema.ts';
import type { ReadinessAnswer } from '../../workflows/domain/readiness-watch.ts';
import type { People } from '../../workflows/domain/people.ts';
import type { ReadinessFacts } from '../../workflows/domain/readiness.ts';
import type { ScheduleFire } from '../../workflows/domain/schedules/judge-fire.ts';
import type { Setting } from '../../workflows/domain/store-setup.ts';
import type { ActToRecord } from '../../workflows/contract.ts';
import { hours, minutes } from '../../workflows/domain/units.ts';
import { details, failureOf, openLab, type Lab } from './lab.ts';
import { readyFacts, view } from './stub-activities.ts';

const notify = toNotifyView(notifySchema.parse({ receivers: { 'on-call': { kind: 'pagerduty', routingKey: 'file:secret' } } }))!;

interface Watched {
  lab: Lab;
  told: Notice[];
  watch: WorkflowHandle;
  /** what the next checks find */
  facts: Partial<ReadinessFacts>;
  /** of its schedules */
  fires: ScheduleFire[] | Error;
  /** of its store */
  settings: Setting[];
  /** by how much the worker's clock is ahead of Temporal's */
  aheadMs: number;
  /** what keeps the system file from being read */
  file: Error | undefined;
  answer(): Promise<ReadinessAnswer>;
  /** as many checks end */
  pass(checks: number): Promise<ReadinessAnswer>;
  titles(): string[];
}

const versioning: Setting = { setting: 'versioning', state: 'as-asked', wanted: 'on', found: 'on', hint: null };

async function openWatch(t: TestContext, people: People | undefined = undefined): Promise<Watched> {
  const told: Notice[] = [];
  const watched = { told, facts: {}, fires: [], settings: [versioning], aheadMs: 0, file: undefined } as unknown as Watched;
  const at = async (aheadMs = 0): Promise<string> => new Date((await watched.lab.env.currentTimeMs()) + aheadMs).toISOString();
  const lab = await openLab(t, {
    loadSystem: () => (watched.file ? Promise.reject(watched.file) : Promise.resolve({ ...view, notify, people })),
    readFires: () => (watched.fires instanceof Error ? Promise.reject(watched.fires) : Promise.resolve(watched.fires)),
    checkReadiness: async ({ settings }) => ({ facts: { ...readyFacts, at: await at(), ...watched.facts }, seen: {}, ...(settings ? { settings: watched.settings } : {}), workerAt: await at(watched.aheadMs) }),
    notify: ({ notice }) => {
      told.push(notice);
      return Promise.resolve({ summary: 'ok' });
    },
  });
  const watch = await lab.start('watchReadiness', { system: 'demo' }, 'ready/demo');
  const answer = async (): Promise<ReadinessAnswer> => await watch.query<ReadinessAnswer>('readiness');
  const pass = async (checks: number): Promise<ReadinessAnswer> => {
    const wanted = (await answer()).checks + checks;
    for (let looked = 0; looked < 200; looked += 1) {
      const now = await answer();
      if (now.checks >= wanted) {
        // It is counted as it begins; the clock stands still while its activities run.
        await lab.env.sleep('1s');
        return await answer();
      }
      await lab.env.sleep('1m');
    }
    throw new Error('no check came');
  };
  return Object.assign(watched, { lab, watch, answer, pass, titles: () => told.map(({ title }) => title.slice(0, 40)) });
}

const late: Partial<ReadinessFacts> = { sources: [{ ...readyFacts.sources[0]!, rpoMs: hours(3) }] };
const emptied: Partial<ReadinessFacts> = { sources: [{ ...readyFacts.sources[0]!, lost: ['base B1 was there, and its manifest is gone'] }] };

test('what is wrong pages once, is told again after the reminder, and when it is over; what may pass is looked at twice', { timeout: 120_000 }, async (t) => {
  const watched = await openWatch(t);
  const first = await watched.pass(1);
  assert.equal(first.readiness!.verdict, 'ready');
  assert.match(await details(watched.watch), /^\*\*demo: READY[^]*newest recovery point/);
  watched.facts = late;
  const suspected = await watched.pass(1);
  assert.deepEqual([suspected.readiness!.verdict, watched.told.length], ['at risk', 0]);
  await watched.pass(2);
  assert.deepEqual(watched.told.map(({ alert, severity }) => [alert!.key, alert!.state, severity]), [['holdfast/demo/readiness', 'open', 'error']]);
  watched.facts = { ...late, ...{ sources: [{ ...readyFacts.sources[0]!, rpoMs: hours(4) }] } };
  await watched.pass(5);
  assert.equal(watched.told.length, 1, 'other figures of the same problem are no news');
  await watched.lab.env.sleep('4h');
  await watched.pass(1);
  assert.match(watched.told[1]!.title, /^demo: AT RISK still: documents: 4h00m of writes would be lost/);
  assert.ok((await details(watched.watch)).length < 4_096);
  watched.facts = {};
  const over = await watched.pass(2);
  assert.deepEqual([over.paged, over.readiness!.verdict, watched.told.length, watched.told[2]!.alert!.state], [null, 'ready', 3, 'closed']);
});

test('a store that was changed and a clock that is wrong page at the first check that sees them', { timeout: 120_000 }, async (t) => {
  const watched = await openWatch(t);
  await watched.pass(1);
  watched.facts = emptied;
  await watched.pass(2);
  assert.match(watched.told[0]!.title, /AT RISK: documents: THE STORE WAS CHANGED/);
  watched.facts = {};
  // A problem that goes on is no news, whichever way: so it is well in between.
  for (const aheadMs of [hours(6), -hours(6)]) {
    watched.aheadMs = aheadMs;
    const { readiness } = await watched.pass(2);
    assert.deepEqual(readiness!.problems.map(({ key }) => key), ['clock/Temporal']);
    assert.match(watched.told.at(-1)!.title, aheadMs > 0 ? /6h00m ahead of that of Temporal|5h59m ahead/ : /6h00m behind that of Temporal|5h59m behind/);
    watched.aheadMs = 0;
    assert.equal((await watched.pass(2)).readiness!.verdict, 'ready');
  }
});

test('a system file that is gone is paged and ends nothing; it is over when it is back', { timeout: 120_000 }, async (t) => {
  const watched = await openWatch(t);
  await watched.pass(1);
  watched.file = new HoldfastError('UnknownSystem', 'no system "demo"; known: none');
  const gone = await watched.pass(2);
  assert.deepEqual([gone.readiness!.verdict, gone.readiness!.problems[0]!.kind, gone.readiness!.sources.length], ['not ready', 'file', 1]);
  assert.match(watched.told[0]!.title, /NOT READY: systems\/demo\.yaml is gone or cannot be read/);
  watched.file = undefined;
  assert.equal((await watched.pass(2)).readiness!.verdict, 'ready');
  assert.equal(watched.told.at(-1)!.alert!.state, 'closed');
});

test('it goes on as a new run before its history grows, and forgets neither what people were told nor what it saw', { timeout: 120_000 }, async (t) => {
  const watched = await openWatch(t);
  const { runId } = await watched.watch.describe();
  watched.facts = emptied;
  await watched.pass(2);
  await watched.lab.env.sleep('12h');
  const answer = await watched.answer();
  assert.ok(answer.checks > 100, `${answer.checks} checks`);
  const first = await watched.lab.env.client.workflow.getHandle('ready/demo', runId).describe();
  assert.equal(first.status.name, 'CONTINUED_AS_NEW');
  assert.ok(first.historyLength < 4_000, `${first.historyLength} events`);
  assert.deepEqual(watched.titles().filter((title) => !title.includes('still')).length, 1, watched.titles().join('\n'));
  await watched.watch.signal('stop', { by: 'dana', reason: 'it is given up' });
  await watched.watch.result();
  const { by, act, about } = watched.lab.stubs.calls.findLast(({ name }) => name === 'recordAct')!.input as ActToRecord;
  assert.deepEqual([by, act, about], ['dana', 'stop', 'the watch on readiness is stopped: it is given up']);
});

test('under another id it is refused, with the way in', { timeout: 60_000 }, async (t) => {
  const lab = await openLab(t);
  assert.match((await failureOf(await lab.start('watchReadiness', { system: 'demo' }))).message, /under the id ready\/<system>/);
});

test('a schedule that does not start what it should is told once it was seen twice, whatever kind of stop it is, and when it starts again', { timeout: 120_000 }, async (t) => {
  const watched = await openWatch(t);
  await watched.pass(1);
  const fire = { id: 'demo/full-backup', lastAt: '2026-11-21T01:00:00.000Z', dueAt: '2026-11-22T01:00:00.000Z', nextAt: null };
  const fires: ScheduleFire[] = [{ ...fire, state: 'late' }, { ...fire, id: 'demo/sample', state: 'missing' }, { ...fire, id: 'demo/retention', state: 'paused' }, { ...fire, id: 'demo/other', state: 'on time' }];
  const looked = (): number => watched.lab.stubs.calls.filter(({ name }) => name === 'readFires').length;
  const { checks } = await watched.answer();
  const well = looked();
  watched.fires = [];
  assert.ok((await watched.pass(9)).checks - checks >= (looked() - well) * 2, 'those that are well are not asked for with each check');
  watched.fires = fires;
  let first = await watched.pass(1);
  while (first.readiness!.problems.length === 0) first = await watched.pass(1);
  assert.deepEqual([first.readiness!.problems.map(({ kind, key }) => [kind, key]), watched.told.length], [[['schedule', 'schedule/demo/full-backup'], ['schedule', 'schedule/demo/sample'], ['schedule', 'schedule/demo/retention']], 0]);
  await watched.pass(1);
  assert.match(watched.told[0]!.lines.join('\n'), /full-backup should have started something at 2026-11-22T01:00:00.000Z, and last did at 2026-11-21T01:00:00.000Z; since 2026-11-22T01[^]*sample is not on the server[^]*retention is paused, and not by the system file/);
  watched.fires = [{ ...fire, state: 'on time' }];
  await watched.pass(1);
  assert.deepEqual([watched.told.length, watched.told[1]!.alert!.state], [2, 'closed']);
  watched.fires = new HoldfastError('BadInput', 'no answer');
  await watched.pass(4);
  assert.match(watched.told[2]!.title, /AT RISK: whether the schedules still start what they should could not be looked at/);
});

test('settings of the store are looked at once an hour and when asked for; one that somebody changed is told once, and when it is as it was', { timeout: 120_000 }, async (t) => {
  const watched = await openWatch(t);
  const looked = (): number => watched.lab.stubs.calls.filter(({ name, input }) => name === 'checkReadiness' && (input as { settings?: boolean }).settings).length;
  // What was never as asked is nobody's change.
  watched.settings = [versioning, { ...versioning, setting: 'encryption', state: 'to-do', found: 'off' }];
  assert.equal((await watched.pass(1)).readiness!.verdict, 'ready');
  const begun = looked();
  watched.settings = [{ ...versioning, state: 'cannot', found: 'suspended' }];
  const { checks, everyMs } = await watched.answer();
  const later = await watched.pass(Math.ceil(hours(1) / everyMs) + 1);
  assert.ok(later.checks - checks > 10, 'many checks');
  assert.equal(looked() - begun, 1, 'and one look');
  assert.deepEqual(watched.told.map(({ title }) => title), ['demo: AT RISK: THE STORE WAS CHANGED: versioning is suspended; wanted: on']);
  // Not to be read any more is no way back.
  watched.settings = [{ ...versioning, state: 'unread', found: 'not permitted' }];
  await watched.watch.signal('look');
  assert.equal((await watched.pass(1)).readiness!.verdict, 'at risk');
  assert.equal(looked() - begun, 2);
  watched.settings = [];
  await watched.watch.signal('look');
  assert.equal((await watched.pass(1)).readiness!.verdict, 'at risk', 'nor is a store that tells nothing');
  watched.settings = [versioning];
  await watched.watch.signal('look');
  await watched.pass(1);
  assert.deepEqual([watched.told.length, watched.told[1]!.alert!.state], [2, 'closed']);
});

test('who may mark may accept what the store holds now, and the next check takes it so; whoever may not changes nothing, and both are in the audit', { timeout: 120_000 }, async (t) => {
  const watched = await openWatch(t, { dana: { name: 'dana', roles: ['operator'], proofs: [] }, sara: { name: 'sara', roles: ['security'], proofs: [] } });
  await watched.pass(1);
  const accepted = (): unknown[] => watched.lab.stubs.calls.flatMap(({ name, input }) => (name === 'checkReadiness' ? [(input as { accept?: string[] }).accept ?? []] : []));
  const acts = (): unknown[] => watched.lab.stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => input as ActToRecord).map(({ by, act, outcome }) => [by, act, outcome]);
  await watched.watch.signal('accept', { source: 'documents', by: 'sara', reason: 'no matter' });
  await watched.pass(1);
  assert.deepEqual([acts(), accepted().flat()], [[['sara', 'mark', 'refused']], []]);
  await watched.watch.signal('accept', { source: 'documents', by: 'dana', reason: 'we deleted the test backups' });
  await watched.pass(1);
  assert.deepEqual([acts().at(-1), accepted().flat()], [['dana', 'mark', 'permitted'], ['documents']]);
  assert.match(await details(watched.watch), /accepted: .* dana: takes the store of documents as it is: we deleted the test backups/);
  await watched.watch.signal('accept', 'what is this');
  await watched.pass(1);
  assert.deepEqual([acts().at(-1), accepted().flat()], [[null, 'mark', 'refused'], ['documents']]);
  const before = accepted().length;
  await watched.lab.env.sleep(minutes(5) + 1);
  await watched.pass(1);
  assert.deepEqual(accepted().slice(before).flat(), [], 'once');
});
