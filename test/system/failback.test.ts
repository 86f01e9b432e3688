import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { openSystem } from '../../activities/open-context.ts';
import { readStepHistory } from '../../activities/report/read-step-history.ts';
import { listTimelines } from '../../activities/store/timelines.ts';
import { knock } from '../../activities/tool/knock.ts';
import { planRecovery } from '../../activities/plan/plan-recovery.ts';
import { compareLedger, type LedgerLine } from '../../scripts/demo/ledger.ts';
import { directoryOf } from '../../scripts/stack/stack-file.ts';
import type { DrillHistory } from '../../workflows/domain/drill-history.ts';
import type { RecoveryPlan } from '../../workflows/domain/recovery-plan.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { freePort } from '../harness/free-port.ts';
import { whyNoMachine } from '../harness/network-namespace.ts';
import { startProtectedStack, type SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';
import { cutOff } from './cut-off.ts';
import { goDownAndUp, lookDead, tellAlike } from './looked-dead.ts';

const whyNone = (await whyNoMachine()) ?? false;

const plan = async (runbook?: string): Promise<RecoveryPlan> => await planRecovery({ system: 'demo', runbook }, { signal: new AbortController().signal, progress: () => undefined });

const failing = async (runbook?: string): Promise<string[]> => (await plan(runbook)).findings.filter(({ effect }) => effect === 'fails').map(({ message }) => message);

/** The stack's file, with a place for drills, and a schedule that asks nobody. */
function addDrillPlace(stack: SystemStack, port: number): void {
  stack.changeSystem((file) => {
    const credentials = file.environments['dr']!.endpoints['dictionary']!.credentials;
    file.environments['drill'] = { protection: 'open', endpoints: { dictionary: { uri: `mongodb://127.0.0.1:${port}/?replicaSet=rs0`, credentials } } };
    file.drill = { environment: 'drill', provision: { dictionary: { uses: 'local', directory: '${HOLDFAST_DEMO_DIRECTORY}/drill', replicaSet: 'rs0', cache: '256MiB' } } };
    file.schedules = { 'nightly-drill': { does: 'drill', at: ['03:00'] } };
    file.approvals!['approve-switch']!.preApproved = { purpose: 'drill' };
  });
}

/** A key that was deleted last is not there, whether its writes came home or none did: what is asked here is asked of keys that nobody deletes. */
function decidable(lines: readonly LedgerLine[]): LedgerLine[] {
  const deleted = new Set(lines.flatMap(({ changes }) => changes.filter(({ change }) => change === 'delete').map(({ key }) => key)));
  return lines.map((line) => ({ ...line, changes: line.changes.filter(({ key }) => !deleted.has(key)) })).filter(({ changes }) => changes.length > 0);
}

/** One run to its end, the gate answered by somebody else. */
async function recover(stack: SystemStack, gate: string, input: object): Promise<RunReport> {
  const entry = await stack.start('recoverSystem', { system: 'demo', requestedBy: 'test', ...input });
  await stack.stepIs(gate, 'waiting', 120_000);
  await stack.runHandle.executeUpdate('approve', { args: [{ by: 'dana' }] });
  return (await entry.result()) as RunReport;
}

/** Given to Temporal by a worker, started by its schedule, with nobody there. */
async function drillBySchedule(stack: SystemStack): Promise<RunReport> {
  await (await stack.start('applySystem', { system: 'demo', requestedBy: 'test' })).result();
  const schedule = stack.client.schedule.getHandle('demo/nightly-drill');
  await schedule.trigger();
  const { workflow } = await until('the schedule starts its drill', async () => (await schedule.describe()).info.recentActions.at(-1)?.action);
  return (await stack.client.workflow.getHandle(workflow.workflowId, workflow.firstExecutionRunId).result()) as RunReport;
}

test('a primary only looks dead, and its system is recovered; it lives on its standby, and goes home; then home is cut off', { timeout: 590_000 }, async (t) => {
  process.env['HOLDFAST_HTTP'] = '127.0.0.1:0';
  t.after(() => delete process.env['HOLDFAST_HTTP']);
  const stack = await startProtectedStack(t);
  assert.match((await failing('failback')).join('\n'), /lives in production now, which is its home: there is nothing to bring back/);
  await tellAlike(t, stack);
  await lookDead(t, stack);
  await goDownAndUp(t, stack);
  await t.test('a system that lives on its standby goes home: nothing that the standby acknowledged is missing, and the next recovery is possible', async () => await goHome(stack));
  await t.test('a primary that is cut off and goes on writing: unproved, a second person, and when it comes back it is fenced and what it took is reported, not merged', { skip: whyNone }, async () => await cutOff(t, stack));
});

async function goHome(stack: SystemStack): Promise<void> {
  const drillPort = await freePort();
  addDrillPlace(stack, drillPort);
  const readLedger = await stack.startWriter(30);
  await until('the standby takes writes', () => readLedger().some(({ outcome, side }) => outcome === 'acknowledged' && side === 'dr'));
  const { findings } = await plan();
  const refused = findings.find(({ message }) => /lives in dr now, which is its standby/.test(message));
  assert.deepEqual([refused?.effect, refused?.hint], ['fails', 'bring it home: holdfast recover demo --runbook failback']);
  assert.deepEqual(await failing('failback'), []);

  const drill = await drillBySchedule(stack);
  assert.equal(drill.outcome, 'done', 'a drill has a place of its own, also while the system lives on its standby');
  assert.ok(drill.validation.length > 0 && drill.validation.every(({ ok }) => ok));
  assert.equal(await knock('127.0.0.1', drillPort), 'refused', 'its server is gone');
  assert.deepEqual(readdirSync(stack.home).filter((name) => name.startsWith('drill')), [], 'and so is what it restored');

  const { drills, due } = (await (await stack.start('listDrills', 'demo')).result()) as DrillHistory;
  const [told, before] = drills;
  assert.deepEqual([told!.schedule, told!.cleanedUp, told!.proof.equal, told!.sources.map(({ limit }) => limit)], ['demo/nightly-drill', true, true, drill.points.map(({ limit }) => limit)]);
  assert.ok(told!.rto.met && told!.rpo.achievedMs !== null && told!.result !== 'failed', JSON.stringify(told));
  assert.equal(before!.purpose, 'recovery');
  assert.deepEqual(due.map(({ schedule, overdue, nextAt }) => [schedule, overdue, nextAt?.slice(11, 16)]), [['demo/nightly-drill', false, '03:00']]);
  const { store: evidence, keys: signers } = await openSystem('demo');
  const room = { store: evidence, keys: signers, signal: new AbortController().signal };
  const times = (await readStepHistory(room, 'demo')).steps['restore']!;
  assert.deepEqual(times.map(({ ms }) => ms).sort(), [told!, before!].map(({ steps }) => steps.find(({ uses }) => uses === 'restore')!.elapsedMs).sort(), 'both feed the forecast of the next run');

  const report = await recover(stack, 'approve-return', { runbook: 'failback', reason: 'the machine of production was replaced' });
  assert.equal(report.outcome, 'done', JSON.stringify(report.warnings));
  const step = (id: string): string => report.state.steps.find((candidate) => candidate.id === id)!.summary!;
  assert.match(step('provision-home'), /watch\/demo\/dictionary has ended; what run .* fenced in .*primary was moved to .*primary\.left-/);
  assert.equal(report.fence['dictionary']?.outcome, 'proved', step('fence-standby'));
  assert.match(step('drain-log'), /validated again|nothing came after/);
  assert.ok(existsSync(`${directoryOf(stack.file, 'primary')}.left-${report.runId}`), 'what the incident left is kept');

  await until('home takes writes', () => readLedger().some(({ outcome, side, at }) => outcome === 'acknowledged' && side === 'production' && at > report.state.servedAt!));
  await stack.stopWriter();
  const lines = readLedger();
  const revs = await stack.withApp(async (db) => new Map((await db.collection<{ _id: string; rev: number }>('notes').find({}, { projection: { rev: 1 } }).toArray()).map(({ _id, rev }) => [_id, rev])));
  const kept = compareLedger(decidable(lines), 'dr', revs, Date.now());
  const fencedAt = report.state.steps.find(({ id }) => id === 'fence-standby')!.startedAt!;
  assert.ok(decidable(lines).some(({ side, at }) => side === 'dr' && at < fencedAt && Date.parse(at) > Date.parse(fencedAt) - 1_000), 'it is asked of writes right before the fence too');
  assert.deepEqual([kept.lost, kept.torn], [0, 0], `every write that the standby acknowledged came home: ${JSON.stringify(kept.examples)}; ${step('drain-log')}`);

  assert.equal(await knock('127.0.0.1', stack.file.standby.port), 'refused', 'the standby serves no more');
  const { store, keys } = await stack.source();
  const timelines = await listTimelines(store, keys, { system: 'demo', source: 'dictionary' });
  assert.deepEqual(timelines.map(({ body }) => body.environment ?? 'production'), ['production', 'dr', 'production']);
  assert.deepEqual(await failing(), [], 'the next recovery finds its way');
  assert.match((await failing('failback')).join('\n'), /lives in production now, which is its home/);
}
