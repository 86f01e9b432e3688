import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOutcome, listNextSteps } from '../../activities/report/outcome.ts';
import { listFacts } from '../../activities/report/facts.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { runbookSchema } from '../../workflows/domain/runbook.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { failureOf, gateOpen, openLab, stepIs, until, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

/** What comes into a living source of an engine that knows rows, and databases: whole, or row by row; and what nobody may see. */
const restoring = [
  { id: 'declare', uses: 'declare' },
  { id: 'find-point', uses: 'find-recovery-point', needs: ['declare'] },
  { id: 'provision', uses: 'provision', needs: ['find-point'] },
  { id: 'restore', uses: 'restore', needs: ['provision'] },
  { id: 'replay', uses: 'replay', needs: ['restore'] },
  { id: 'validate', uses: 'validate', needs: ['replay'] },
  { id: 'compare', uses: 'compare', needs: ['validate'] },
];
const twoOf = { description: 'May production be written to?', quorum: 2, people: [], notRequester: true };
const books: SystemView = {
  ...view,
  sources: { ledger: { engine: 'postgres', environment: 'production' } },
  standbyEnvironment: 'staging',
  approvals: { authorize: twoOf, 'approve-swap': twoOf },
  masks: { ledger: 1 },
  protections: { production: 'production', staging: 'staging', test: 'open' },
  drillEnvironment: 'test',
  runbooks: {
    whole: runbookSchema.parse({
      mode: 'swap',
      steps: [
        ...restoring,
        { id: 'authorize', uses: 'approval', needs: ['compare'] },
        { id: 'copy', uses: 'copy-beside', needs: ['authorize'] },
        { id: 'approve-swap', uses: 'approval', needs: ['copy'] },
        { id: 'swap', uses: 'swap', needs: ['approve-swap'] },
        { id: 'mask', uses: 'mask', needs: ['swap'] },
        { id: 'protect', uses: 'protect', needs: ['swap'], with: { base: false } },
        { id: 'report', uses: 'report', needs: ['protect', 'mask'] },
      ],
    }),
    some: runbookSchema.parse({
      mode: 'rows',
      steps: [
        ...restoring,
        { id: 'preview', uses: 'preview-rows', needs: ['compare'], with: { changed: 'restore' } },
        { id: 'authorize', uses: 'approval', needs: ['preview'] },
        { id: 'rows', uses: 'restore-rows', needs: ['authorize'] },
        { id: 'report', uses: 'report', needs: ['rows'] },
      ],
    }),
    drill: runbookSchema.parse({ steps: [...restoring.slice(0, 6), { id: 'mask', uses: 'mask', needs: ['validate'] }, { id: 'report', uses: 'report', needs: ['mask'] }] }),
  },
};
const open = async (t: Parameters<typeof openLab>[0], more: Partial<SystemView> = {}): Promise<Lab> => await openLab(t, { loadSystem: () => Promise.resolve({ ...books, ...more }) });
const inputsOf = (lab: Lab, name: string): Record<string, unknown>[] => lab.stubs.calls.filter((call) => call.name === name).map(({ input }) => input as Record<string, unknown>);
const approve = async (lab: Lab, gate: string, ...people: string[]): Promise<void> => {
  for (const by of people) await lab.run().executeUpdate('approve', { args: [{ gate, by }] });
};
const rows = { system: 'demo', mode: 'rows', only: ['public.notes'], requestedBy: 'dana' };

test('a whole database by way of staging: compared there, two people, beside what lives, two people again, then in its place; the next base is of a timeline of its own', async (t) => {
  const lab = await open(t);
  const entry = await lab.start('recoverSystem', { system: 'demo', mode: 'swap', requestedBy: 'dana' });
  const first = await until(lab.run(), gateOpen('authorize'));
  assert.ok(!first.gates[0]!.description.includes('NOT compared'));
  assert.match(first.gates[0]!.description, /ledger, restored beside living: the same schema; 1 of 4 tables differ: public\.notes: 90 restored, 88 living; 3 missing in what lives, 1 missing in what was restored, 2 differ/);
  // Who asked is not one of the two, and one is not two.
  await assert.rejects(approve(lab, 'authorize', 'dana'));
  await approve(lab, 'authorize', 'erik');
  await assert.rejects(approve(lab, 'authorize', 'erik'));
  assert.ok(!lab.stubs.called().includes('copyBeside'), 'nothing of production was touched');
  await approve(lab, 'authorize', 'fay');
  const second = await until(lab.run(), gateOpen('approve-swap'));
  assert.match(second.gates.at(-1)!.description, /ledger: shop: 100 documents now, 90 restored; all that was written since the recovery point will be DISCARDED, and kept in shop\.replaced-\w{26} \(it has no log in which writes could be counted\)/);
  await approve(lab, 'approve-swap', 'erik', 'fay');
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.ok(!lab.stubs.called().includes('countDiscarded'), 'a source without a log is not asked for its writes');
  assert.deepEqual([inputsOf(lab, 'findRecoveryPoint')[0]!['copies'], inputsOf(lab, 'findRecoveryPoint')[0]!['only']], ['swap', undefined]);
  assert.equal(inputsOf(lab, 'startTimeline')[0]!['environment'], 'production');
  assert.ok(report.rto.achievedMs !== null && report.rto.met, 'service is back where what took the place was protected');
  const called = lab.stubs.called();
  assert.ok(called.indexOf('swapCollections') < called.indexOf('maskTarget') && called.lastIndexOf('removeTarget') > called.indexOf('swapCollections'), 'the run’s own server goes at its end');
  assert.match(listNextSteps(report).join(' '), /database shop\.replaced-\w{26}/);
  assert.equal(listFacts(report).at(-1)!.value, 'replaced, and kept');
  for (const name of ['fencePrimary', 'admitTraffic', 'promoteTarget', 'retirePrimary'] as const) assert.ok(!called.includes(name), name);
});

test('a comparison that failed, or that somebody skipped, is told at every gate behind it, with why: nobody approves for a silence', async (t) => {
  const whole = (way: object) => runbookSchema.parse({ mode: 'swap', steps: books.runbooks!['whole']!.steps.map(({ budget, timeout, retry, onFailure, when, ...step }) => (step.id === 'compare' ? { ...step, ...way } : step)) });
  const lab = await open(t, { runbooks: { whole: whole({ onFailure: 'continue' }) } });
  lab.stubs.answers.compareTarget = () => Promise.reject(new HoldfastError('ValidationFailed', 'no database shop on production'));
  const shown = async (gate: string): Promise<string> => (await until(lab.run(), gateOpen(gate))).gates.find((one) => one.gate === gate)!.description;
  const lost = await lab.start('recoverSystem', { system: 'demo', mode: 'swap', requestedBy: 'dana' });
  const failed = /^May production be written to\? .*What was restored was NOT compared with what lives \(step compare\): failed, and the run went on without it: no database shop on production\.$/;
  assert.match(await shown('authorize'), failed);
  await approve(lab, 'authorize', 'erik', 'fay');
  assert.match(await shown('approve-swap'), failed);
  await lab.run().executeUpdate('abort', { args: [{ by: 'erik' }] });
  assert.equal((await failureOf(lost)).type, 'Aborted');
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...books, runbooks: { whole: whole({}) } });
  await lab.start('recoverSystem', { system: 'demo', mode: 'swap', requestedBy: 'dana' }, 'entry/skipped');
  await until(lab.run(), stepIs('compare', 'failed'));
  await lab.run().executeUpdate('skip', { args: [{ step: 'compare', by: 'erik', reason: 'seen by hand' }] });
  assert.match(await shown('authorize'), /NOT compared with what lives \(step compare\): no database shop on production; skipped by erik: seen by hand\.$/);
});

test('aborted before the timeline of what was swapped has begun: names are as before, and the copy is dropped; afterwards an abort is refused', async (t) => {
  const lab = await open(t);
  lab.stubs.answers.maskTarget = () => Promise.reject(new HoldfastError('ValidationFailed', 'public.users.email: 2 values are not masked'));
  const runbooks = { ...books.runbooks!, whole: runbookSchema.parse({ mode: 'swap', steps: books.runbooks!['whole']!.steps.map(({ budget, timeout, retry, onFailure, when, ...step }) => (step.id === 'protect' ? { ...step, needs: ['mask'] } : step)) }) };
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...books, runbooks });
  const entry = await lab.start('recoverSystem', { system: 'demo', mode: 'swap', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('authorize'));
  await approve(lab, 'authorize', 'erik', 'fay');
  await until(lab.run(), gateOpen('approve-swap'));
  await approve(lab, 'approve-swap', 'erik', 'fay');
  await until(lab.run(), stepIs('mask', 'failed'));
  await lab.run().executeUpdate('abort', { args: [{ by: 'erik' }] });
  const failure = await failureOf(entry);
  assert.equal(failure.type, 'Aborted');
  assert.deepEqual(lab.stubs.called().filter((name) => ['swapBack', 'dropCopies', 'removeTarget', 'startTimeline'].includes(name)), ['swapBack', 'dropCopies', 'removeTarget']);
  assert.equal(listFacts(failure.details![0] as RunReport).at(-1)!.value, 'as it was');
});

test('a whole database beside what lives: nobody is told that anything is recovered, and what lives is as it was', async (t) => {
  const beside = runbookSchema.parse({ mode: 'beside', steps: [...restoring.slice(0, 6), { id: 'copy', uses: 'copy-beside', needs: ['validate'] }, { id: 'mask', uses: 'mask', needs: ['copy'] }, { id: 'report', uses: 'report', needs: ['mask'] }] });
  const lab = await open(t, { runbooks: { beside } });
  const report = (await (await lab.start('recoverSystem', { system: 'demo', mode: 'beside', requestedBy: 'dana' })).result()) as RunReport;
  assert.match(describeOutcome(report).headline, /was restored beside what lives$/);
  assert.deepEqual([report.rto.achievedMs, listFacts(report).at(-1)!.value], [null, 'as it was']);
  assert.match(listNextSteps(report).join(' '), /Take out of the copies what you need, then drop them: database shop\.restored-\w{26}/);
  assert.ok(!lab.stubs.called().includes('startTimeline'));
});

test('rows: the source is restored whole, what would be written is tried and shown, and only then done; what has changed since is told', async (t) => {
  const lab = await open(t);
  const planned = lab.stubs.answers.restoreRows;
  lab.stubs.answers.restoreRows = async (input) => ({ ...(await planned(input)), tables: [{ ns: 'public.notes', missing: 4, changed: 2, since: 1, inserted: 4, updated: 2 }] });
  const entry = await lab.start('recoverSystem', rows);
  const { gates } = await until(lab.run(), gateOpen('authorize'));
  assert.match(gates[0]!.description, /ledger: public\.notes: 3 rows that are missing will be put back, 2 rows that differ will be as they were, 1 row that came since stay \(tried and rolled back: every foreign key holds\)/);
  assert.ok(!lab.stubs.called().includes('restoreRows'));
  await approve(lab, 'authorize', 'erik', 'fay');
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done, partial');
  assert.deepEqual([inputsOf(lab, 'findRecoveryPoint')[0]!['only'], inputsOf(lab, 'findRecoveryPoint')[0]!['copies']], [undefined, undefined], 'restored whole');
  assert.deepEqual(inputsOf(lab, 'compareTarget')[0]!['tables'], ['public.notes']);
  const [done] = inputsOf(lab, 'restoreRows');
  assert.deepEqual([done!['tables'], done!['changed'], done!['epoch']], [['public.notes'], 'restore', 1]);
  assert.ok(report.warnings.some((warning) => /public\.notes has changed since people were asked: 4 put back and 2 as they were, and shown were 3 and 2/.test(warning)), report.warnings.join('; '));
  assert.match(listNextSteps(report).join(' '), /what was there before is kept in holdfast\.rows-\w{26}/);
});

test('rows that would break a foreign key stop the run before anybody is asked; aborted after they were written, they are taken out again', async (t) => {
  const lab = await open(t);
  const planned = lab.stubs.answers.planRows;
  lab.stubs.answers.planRows = () => Promise.reject(new HoldfastError('ValidationFailed', 'public.notes: foreign key notes_user_fkey would not hold'));
  lab.stubs.answers.writeReport = () => Promise.reject(new HoldfastError('ValidationFailed', 'no report'));
  const entry = await lab.start('recoverSystem', rows);
  const paused = await until(lab.run(), stepIs('preview', 'failed'));
  assert.ok(paused.gates.every(({ status }) => status === 'pending'), 'nobody was asked');
  lab.stubs.answers.planRows = planned;
  await lab.run().executeUpdate('retry', { args: [{ step: 'preview', by: 'erik' }] });
  await until(lab.run(), gateOpen('authorize'));
  await approve(lab, 'authorize', 'erik', 'fay');
  await until(lab.run(), stepIs('report', 'failed'));
  await lab.run().executeUpdate('abort', { args: [{ by: 'erik' }] });
  assert.equal((await failureOf(entry)).type, 'Aborted');
  assert.deepEqual(lab.stubs.called().filter((name) => ['restoreRows', 'removeRows', 'removeTarget'].includes(name)), ['restoreRows', 'removeRows', 'removeTarget']);
});

test('what nobody outside of production may see is masked before the place is opened; where the data goes on to serve production it is left as it is', async (t) => {
  const lab = await open(t);
  const drilled = (await (await lab.start('recoverSystem', { system: 'demo', purpose: 'drill', runbook: 'drill', requestedBy: 'dana' })).result()) as RunReport;
  assert.match(drilled.state.steps.find(({ id }) => id === 'mask')!.summary!, /ledger: 12 values of 1 columns, and none is left unmasked/);
  assert.equal((inputsOf(lab, 'maskTarget')[0]!['target'] as { environment: string }).environment, 'test');
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...books, protections: { ...books.protections!, test: 'production' } });
  const left = (await (await lab.start('recoverSystem', { system: 'demo', purpose: 'drill', runbook: 'drill', requestedBy: 'dana' }, 'entry/again')).result()) as RunReport;
  assert.match(left.state.steps.find(({ id }) => id === 'mask')!.summary!, /test is of production: nothing is masked/);
  assert.equal(inputsOf(lab, 'maskTarget').length, 1);
});

test('a drill from a month ago asks for the newest recovery point before that moment, and is measured from there', async (t) => {
  const lab = await open(t);
  const found = lab.stubs.answers.findRecoveryPoint;
  lab.stubs.answers.findRecoveryPoint = async (input) => {
    const point = await found(input);
    return { ...point, reachesAt: new Date(Date.parse(input.target.targetTime!) - 60_000).toISOString() };
  };
  lab.stubs.answers.replayLog = () => Promise.resolve({ appliedTo: null, appliedToAt: new Date(Date.now() - 30 * 86_400_000 - 60_000).toISOString(), entries: 0, operations: 0, slices: 0, discardedTransactions: 0 });
  const report = (await (await lab.start('recoverSystem', { system: 'demo', purpose: 'drill', runbook: 'drill', ago: '30d', requestedBy: 'dana' })).result()) as RunReport;
  const [{ target }] = inputsOf(lab, 'findRecoveryPoint') as [{ target: { targetTime: string; orBefore: boolean } }];
  assert.equal(target.orBefore, true);
  const agoMs = Date.parse(report.state.startedAt) - Date.parse(target.targetTime);
  assert.ok(Math.abs(agoMs - 30 * 86_400_000) < 60_000, `${agoMs} ms before`);
  assert.ok(report.rpo.achievedMs! < 3_600_000, `${report.rpo.achievedMs} ms, and not thirty days`);
});

test('what an engine cannot do is refused at the entry: rows of a MongoDB, a part of whole databases, a drill that writes', async (t) => {
  const lab = await open(t);
  const refused = async (input: object, id: string): Promise<string> => (await failureOf(await lab.start('recoverSystem', { ...rows, ...input }, id))).message;
  assert.match(await refused({ only: undefined }, 'a'), /mode rows is of chosen tables, and none are chosen/);
  assert.match(await refused({ mode: 'swap' }, 'b'), /mode swap brings whole databases of ledger, and "only" chooses a part/);
  assert.match(await refused({ purpose: 'drill' }, 'c'), /A drill leaves production alone, and mode rows copies into it/);
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...books, sources: view.sources });
  assert.match(await refused({}, 'd'), /the engine "mongodb" knows no rows by their keys/);
  assert.deepEqual(lab.stubs.called().filter((name) => name === 'claimEpoch'), []);
});
