import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { runTool } from '../../activities/tool/run-tool.ts';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import { startObjectStoreServer } from '../../scripts/stack/object-store.ts';
import { directoryOf, pidFileOf, secretsDirectory } from '../../scripts/stack/stack-file.ts';
import { readSecret } from '../../scripts/stack/stack-secrets.ts';
import type { BackupSummary, VerifyResult } from '../../workflows/contract.ts';
import { errorTable, HoldfastError, type ErrorType } from '../../workflows/domain/errors.ts';
import type { RotationResult } from '../../workflows/domain/keys/describe.ts';
import { layout, parseRangeKey } from '../../workflows/domain/layout.ts';
import { logPositionAt } from '../../workflows/domain/log-position.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { failureOf } from '../harness/failures.ts';
import type { StoreRequest } from '../harness/store-proxy.ts';
import { fillDictionary, SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';

const source = 'dictionary';
const scope = { system: 'demo', source, timeline: 't00000001' };
const isGet = ({ method }: StoreRequest): boolean => method === 'GET';
const drill = { system: 'demo', purpose: 'drill', requestedBy: 'test' };

/** What the run says when a step has failed: the step, its error, that it was tried once only. */
async function pausedAt(stack: SystemStack, step: string, activity: string): Promise<{ type: string; message: string }> {
  const { state } = await stack.stepIs(step, 'failed', 60_000);
  assert.equal(state.status, 'paused');
  const failed = state.steps.find(({ id }) => id === step)!;
  const said = state.journal.filter(({ about }) => about === step).map(({ what }) => what).join('\n');
  assert.match(said, new RegExp(failed.error!.type), 'the journal says why');
  assert.equal(errorTable[failed.error!.type as ErrorType].retryable, false);
  assert.deepEqual([...new Set(await attemptsOf(stack.runHandle, activity))], [1], `${activity} is not tried again: it could not help`);
  return failed.error!;
}

/** Numbers of the attempts that activities of a type ended with. */
async function attemptsOf(handle: WorkflowHandle, activity: string): Promise<number[]> {
  const { events } = await handle.fetchHistory();
  const scheduled = new Set(events?.filter((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity).map((event) => String(event.eventId)));
  return events?.flatMap((event) => {
    const started = event.activityTaskStartedEventAttributes;
    return started && scheduled.has(String(started.scheduledEventId)) ? [started.attempt ?? 1] : [];
  }) ?? [];
}

/** Everything that the run did is undone: no server of the standby, production served as before, no workflow left. */
async function abortAndLookAround(stack: SystemStack, entry: WorkflowHandle): Promise<void> {
  await stack.runHandle.signal('abort', { by: 'dana', reason: 'test' });
  assert.equal((await failureOf(entry.result())).type, 'Aborted');
  assert.equal(existsSync(join(directoryOf(stack.file, 'standby'), 'server.pid')), false, 'the standby is stopped and moved aside');
  const answer = await fetch(`${stack.file.frontDoor.url}/health`);
  assert.deepEqual([answer.status, answer.headers.get('x-holdfast-side')], [200, 'production']);
  assert.deepEqual((await stack.open()).filter((id) => !id.startsWith('archive/')), []);
}

/** `holdfast`, as a person runs it. */
async function holdfast(stack: SystemStack, ...args: string[]): Promise<{ exitCode: number; said: string }> {
  const program = join(import.meta.dirname, '..', '..', 'scripts', 'holdfast.ts');
  try {
    const { stdout } = await runTool('node', [program, ...args], { env: { HOLDFAST_HOME: stack.home, HOLDFAST_DEMO_S3: stack.store.endpoint } });
    return { exitCode: 0, said: stdout };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { exitCode: Number(error.details['exitCode'] ?? -1), said: `${error.message}\n${String(error.details['stdoutTail'] ?? '')}` };
  }
}

/** What `verify` says of damage that is new. It begins a new base at once, which is held in its first part, and cancelled: the cells are about the damaged one. */
async function verifyDamaged(stack: SystemStack): Promise<string> {
  const held = stack.store.hold((of) => of.method === 'PUT' && of.key.includes('/parts/'));
  const { exitCode, said } = await holdfast(stack, 'verify', 'demo');
  assert.equal(exitCode, errorTable.Tampered.exitCode, said);
  await held.reached;
  const newBase = stack.handle(lockIds.backup('demo'));
  await newBase.cancel();
  await assert.rejects(newBase.result(), /cancelled/);
  held.release();
  return said;
}

/** The plan names what is damaged and what there is instead. */
async function planFails(stack: SystemStack, named: string, instead: RegExp): Promise<void> {
  const { exitCode, said } = await holdfast(stack, 'plan', 'demo');
  assert.notEqual(exitCode, 0, said);
  const finding = said.split('\n').find((line) => line.includes('would fail') && line.includes(named)) ?? '';
  assert.match(finding, instead, said);
}

test('damage and bad input: found, named, and nothing harmed', { timeout: 400_000 }, async (t) => {
  const stack = await SystemStack.start(t);
  await stack.startWorker();
  await fillDictionary(stack, 12);
  await stack.startArchive();
  const [base] = (await (await stack.start('backUpSystem', 'demo')).result()) as BackupSummary[];
  await stack.startWriter(20);
  const afterBase = async () => (await stack.keys(layout.slices(scope))).filter((key) => parseRangeKey(key)!.from > base!.end).sort();
  await until('some seconds of log', async () => (await afterBase()).length >= 5);
  await stack.stopWriter();
  await stack.archiveIsUpToDate();
  const parts = await stack.keys(layout.backups(scope));
  const largest = parts.filter((key) => key.includes('/parts/')).find((key) => key.includes('/000000.')) ?? '';
  const lost = (await afterBase())[2]!;

  let broken = false;
  // Each cell leaves the stack as it found it; behind one that failed nothing can be said.
  const cell = async (name: string, body: () => Promise<void>): Promise<void> =>
    await t.test(name, async () => {
      assert.ok(!broken, 'an earlier cell failed');
      broken = true;
      await body();
      broken = false;
    });

  await cell('bad input at the start: one clear error each, at once, and nothing was started', async () => {
    const refused = async (type: string, input: unknown) => await failureOf((await stack.start(type, input)).result());
    const unknown = await refused('recoverSystem', { system: 'nowhere' });
    assert.equal(unknown.type, 'UnknownSystem');
    assert.match(unknown.message, /no system "nowhere"; known: .*\bdemo\b/);
    const misspelt = await refused('recoverSystem', { system: 'demo', targetTme: '2026-11-21T03:00:05Z' });
    assert.equal(misspelt.type, 'BadInput');
    assert.match(misspelt.message, /targetTme.*HINT: for example/);
    const future = await refused('recoverSystem', { system: 'demo', targetTime: new Date(Date.now() + 3_600_000).toISOString() });
    assert.equal(future.type, 'TargetTimeInFuture');
    assert.match(future.message, /field "targetTime" is .* and now it is/);
    const mistyped = await refused('recoverSytem', { system: 'demo' });
    assert.equal(mistyped.type, 'BadInput');
    assert.match(mistyped.message, /no workflow type "recoverSytem".*start one of: recoverSystem/);
    assert.equal((await refused('recoverSystem', undefined)).type, 'BadInput');
    assert.equal((await refused('archiveLog', 'demo')).type, 'AlreadyRunning');
    assert.deepEqual(await stack.open(), [lockIds.archive('demo', source)]);
    const [verified] = (await (await stack.start('verifySystem', 'demo')).result()) as VerifyResult[];
    assert.deepEqual([verified?.ok, verified?.problems], [true, []], 'the bare name of a system is an input');
  });

  await cell('a target time before the first base: the run says what there is, and comes apart without a trace', async () => {
    const entry = await stack.start('recoverSystem', { ...drill, targetTime: '2020-01-01T00:00:00Z' });
    const { type, message } = await pausedAt(stack, 'find-recovery-point', 'findRecoveryPoint');
    assert.equal(type, 'NoRecoveryPoint');
    assert.match(message, /no base backup to restore before 2020-01-01T00:00:01Z.*HINT: the earliest restorable time/);
    const again = await failureOf((await stack.start('recoverSystem', drill)).result());
    assert.equal(again.type, 'AlreadyRunning');
    await abortAndLookAround(stack, entry);
  });

  await cell('a missing slice: refused before the target is touched, with the points on either side', async () => {
    stack.store.hide((of) => of.key === lost);
    const entry = await stack.start('recoverSystem', drill);
    const { type, message } = await pausedAt(stack, 'find-recovery-point', 'findRecoveryPoint');
    assert.equal(type, 'ChainBroken', message);
    const hole = parseRangeKey(lost)!;
    assert.ok(message.includes(logPositionAt(hole.from).slice(0, 19)), `names where it breaks: ${message}`);
    const { state } = await stack.run();
    assert.deepEqual(state.steps.filter(({ id }) => ['restore', 'replay'].includes(id)).map(({ state: is }) => is), ['pending', 'pending']);
    await abortAndLookAround(stack, entry);
    const said = await verifyDamaged(stack);
    assert.ok(said.includes(hole.from) || said.includes(logPositionAt(hole.from).slice(0, 19)), said);
    await planFails(stack, logPositionAt(hole.from).slice(0, 19), /HINT: nearest good points: before it .*target position \d/);
    stack.store.hide(undefined);
  });

  await cell('a flipped bit in a part: named by the run before the target is touched, and by verify, which marks the base bad until a person says that it is good', async () => {
    stack.store.flip((of) => isGet(of) && of.key === largest);
    await planFails(stack, largest, /no base backup to restore/);
    const entry = await stack.start('recoverSystem', drill);
    const { type, message } = await pausedAt(stack, 'find-recovery-point', 'findRecoveryPoint');
    assert.equal(type, 'Tampered');
    assert.ok(message.includes(largest), message);
    assert.deepEqual(await attemptsOf(stack.runHandle, 'prepareRestore'), []);
    await abortAndLookAround(stack, entry);
    const said = await verifyDamaged(stack);
    assert.ok(said.includes(largest), said);
    stack.store.flip(undefined);
    await planFails(stack, 'marked bad by verification', /no base backup to restore/);
    await (await stack.start('markPoint', { system: 'demo', point: base!.backup, state: 'good', reason: 'the way to the store was at fault', requestedBy: 'dana' })).result();
    assert.doesNotMatch((await holdfast(stack, 'plan', 'demo')).said, /marked bad/);
  });

  await cell('S3 away for ten seconds in a backup and under the archive: both wait, say so, and go on', async () => {
    const held = stack.store.hold((of) => of.method === 'PUT' && of.key.includes('/parts/'));
    const entry = await stack.start('backUpSystem', { system: 'demo', why: 'while the store fails' });
    await held.reached;
    await stopByPidFile(pidFileOf(stack.file, 'objectStore'), 'SIGKILL');
    const awayAt = Date.now();
    held.release();
    await stack.withApp(async (db) => await db.collection('notes').insertOne({ text: 'written while the store is away' }));
    const backup = stack.handle(lockIds.backup('demo'));
    await until('the backup says that the store is away', async () => {
      const { raw } = await backup.describe();
      return raw.pendingActivities?.some(({ lastFailure }) => lastFailure?.applicationFailureInfo?.type === 'StoreUnavailable');
    });
    // The outage itself is what takes time here.
    await sleep(Math.max(0, 10_000 - (Date.now() - awayAt)));
    const identity = { accessKeyId: readSecret(stack.file, 's3-access-key-id'), secretAccessKey: readSecret(stack.file, 's3-secret-access-key') };
    await startObjectStoreServer(directoryOf(stack.file, 'objectStore'), stack.file.objectStore.ports, identity, { tiedToUs: true });
    const [summary] = (await entry.result()) as BackupSummary[];
    assert.deepEqual(summary?.unproved, []);
    await stack.archiveIsUpToDate();
    assert.equal((await holdfast(stack, 'verify', 'demo')).exitCode, 0);
  });

  await cell('messages that come too early, twice, or to nobody are refused with a reason; damage that is met in mid-restore is named, with the base before, by which the run goes to its end', async () => {
    const held = stack.store.hold((of) => isGet(of) && of.key.includes('/parts/') && stack.isDoing('restoreGroup'));
    const entry = await stack.start('recoverSystem', drill);
    await held.reached;
    const update = async (name: string, sent: unknown) => await failureOf(stack.runHandle.executeUpdate(name, { args: [sent] }));
    const early = await update('approve', { gate: 'approve-switch', by: 'dana' });
    assert.equal(early.type, 'NotWaiting');
    assert.match(early.message, /"approve-switch" is not open yet/);
    const idle = await update('retry', { step: 'restore', by: 'dana' });
    assert.equal(idle.type, 'NotWaiting');
    assert.match(idle.message, /"restore" is running, not failed/);
    assert.equal((await update('retry', { step: 'restroe' })).type, 'BadInput');
    assert.equal((await update('approve', { gaet: 'approve-switch' })).type, 'BadInput');
    await stack.runHandle.signal('approve', { gate: 'approve-switch', by: 'too-early' });
    // As a part that the check had no time for, or that has rotted since.
    const newest = (await stack.keys(layout.backups(scope))).filter((key) => key.includes('/parts/') && !key.includes(base!.backup)).sort().at(-1)!;
    stack.store.flip((of) => isGet(of) && of.key === newest && stack.isDoing('restoreGroup'));
    held.release();
    const met = await pausedAt(stack, 'restore', 'restoreGroup');
    assert.deepEqual([met.type, met.message.includes(newest)], ['Tampered', true], met.message);
    assert.match((await holdfast(stack, 'status', 'demo')).said, /the target holds a part of what is damaged, and no traffic was moved; .*holdfast choose demo --older/);
    assert.match(String((await stack.runHandle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails), /the target holds a part of what is damaged.*holdfast choose demo --older/);
    const chosen = await holdfast(stack, 'choose', 'demo', '--older', '--reason', 'its part is damaged', '--by', 'dana');
    assert.equal(chosen.exitCode, 0, chosen.said);
    await stack.stepIs('approve-switch', 'waiting');
    stack.store.flip(undefined);
    assert.equal((await update('approve', { by: 'test' })).type, 'NotPermitted', 'who asked cannot approve');
    await stack.runHandle.executeUpdate('approve', { args: [{ by: 'dana' }] });
    const twice = await update('approve', { gate: 'approve-switch', by: 'erik' });
    assert.equal(twice.type, 'NotWaiting');
    assert.match(twice.message, /already approved|has ended/);
    const report = (await entry.result()) as RunReport;
    assert.equal(report.outcome, 'done');
    assert.ok(report.validation.every(({ ok }) => ok));
    assert.match(JSON.stringify(report.state.steps.find(({ id }) => id === 'find-recovery-point')), new RegExp(base!.backup), 'the base before');
    assert.deepEqual(report.state.gates[0]?.decisions.map(({ by }) => by), ['dana']);
    assert.match(report.state.journal.map(({ what }) => what).join('\n'), /not open yet/, 'the early signal stands in the journal');
  });

  await cell('a wrong key: named before the target is touched', async () => {
    await stack.handle(lockIds.archive('demo', source)).signal('stop');
    await stack.handle(lockIds.archive('demo', source)).result();
    const secrets = join(stack.home, 'other-secrets');
    cpSync(secretsDirectory(stack.file), secrets, { recursive: true });
    writeFileSync(join(secrets, 'key-aes256'), randomBytes(32).toString('hex'));
    await stack.stopWorker();
    await stack.startWorker({ HOLDFAST_DEMO_SECRETS: secrets });
    const entry = await stack.start('recoverSystem', drill);
    const { type, message } = await pausedAt(stack, 'find-recovery-point', 'findRecoveryPoint');
    assert.equal(type, 'WrongKey', message);
    assert.match(message, /demo-key/);
    assert.deepEqual(await attemptsOf(stack.runHandle, 'prepareRestore'), []);
    const { exitCode, said } = await holdfast(stack, 'verify', 'demo');
    assert.notEqual(exitCode, 0, said);
    assert.match(said, /WrongKey|key/);
    await abortAndLookAround(stack, entry);
    assert.ok(!readFileSync(join(directoryOf(stack.file, 'worker'), 'worker.log'), 'utf8').includes(readSecret(stack.file, 'key-aes256')));
  });

  await cell('a new key in the place of the old one, the worker killed at the first wrapping: it goes on, and all opens by the new one alone', async () => {
    const secrets = secretsDirectory(stack.file);
    writeFileSync(join(secrets, 'key-next'), randomBytes(32).toString('hex'), { mode: 0o600 });
    await stack.stopWorker();
    // What was found damaged has had a newer base begun, which the log may not have reached: a proof is of the newest base and the log behind it.
    await stack.startWorker();
    await stack.startArchive();
    const [newest] = (await (await stack.start('backUpSystem', 'demo')).result()) as BackupSummary[];
    await stack.startWriter(20);
    await until('log behind the newest base', async () => (await stack.keys(layout.slices(scope))).some((key) => parseRangeKey(key)!.from > newest!.end));
    await stack.stopWriter();
    await stack.handle(lockIds.archive('demo', source)).signal('stop');
    await stack.handle(lockIds.archive('demo', source)).result();
    await stack.stopWorker();
    stack.changeSystem(({ key }) => Object.assign(key, { id: 'next-key', aes256: 'file:${HOLDFAST_DEMO_SECRETS}/key-next', retiring: { 'demo-key': { kind: 'aes256', aes256: key.aes256! } } }));
    await stack.startWorker();
    const held = stack.store.hold(({ method, key }) => method === 'PUT' && key.includes('.next-key.json'));
    const before = await stack.keys(layout.timelineFolder(scope));
    const entry = await stack.start('rotateKeys', { system: 'demo', reason: 'the quarter is over', requestedBy: 'dana' });
    await held.reached;
    await stack.killWorker();
    held.release();
    await stack.startWorker();
    const { sources, rotation } = (await entry.result()) as RotationResult;
    assert.deepEqual(rotation!.record.retired, [{ kind: 'aes256', id: 'demo-key' }]);
    const [one] = sources;
    assert.ok(one!.keys >= 2 && one!.added >= one!.keys - 1, JSON.stringify(one));
    assert.ok(one!.proofs.some(({ recipient, part, slice }) => recipient.id === 'next-key' && part !== null && slice !== null), JSON.stringify(one!.proofs));
    const now = await stack.keys(layout.timelineFolder(scope));
    assert.deepEqual(before.filter((key) => !now.includes(key)), [], 'it only adds');
    // The old one is nowhere from here on.
    await stack.stopWorker();
    rmSync(join(secrets, 'key-aes256'));
    stack.changeSystem(({ key }) => void delete key.retiring);
    await stack.startWorker();
    const [checked] = (await (await stack.start('verifySystem', { system: 'demo', scope: 'keys' })).result()) as VerifyResult[];
    assert.deepEqual([checked!.ok, checked!.parts, checked!.slices], [true, 1, 1]);
    const { exitCode, said } = await holdfast(stack, 'verify', 'demo');
    assert.equal(exitCode, 0, said);
  });
});
