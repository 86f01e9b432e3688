import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { test } from 'node:test';
import { readAudit } from '../../activities/audit/read-audit.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { planApply } from '../../activities/schedules/apply-system.ts';
import { makeRetentionPlan } from '../../activities/retention/make-plan.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import { readPidFile, stopByPidFile } from '../../activities/tool/start-server.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { startObjectStoreServer } from '../../scripts/stack/object-store.ts';
import { directoryOf, pidFileOf } from '../../scripts/stack/stack-file.ts';
import { readSecret } from '../../scripts/stack/stack-secrets.ts';
import { startTemporal } from '../../scripts/stack/temporal.ts';
import { readState } from '../../scripts/status/read-state.ts';
import type { RetentionResult } from '../../workflows/apply-retention.ts';
import type { VerifyResult } from '../../workflows/contract.ts';
import { readinessQuery, readinessSignals, type ReadinessAnswer } from '../../workflows/domain/readiness-watch.ts';
import { findRecoveryPoint } from '../../workflows/domain/find-recovery-point.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import { changes } from '../../workflows/domain/schedules/apply-plan.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { hours, minutes, seconds } from '../../workflows/domain/units.ts';
import type { ReportResult } from '../../workflows/report-system.ts';
import { Clock, whyNoClock } from '../faults/clock.ts';
import type { Owner } from '../harness/cleanup.ts';
import { mailUser, readMail, startMailReceiver, type MailReceiver } from '../harness/mail-receiver.ts';
import { firstWorkerUrl } from '../harness/second-worker.ts';
import type { StoreRequest } from '../harness/store-proxy.ts';
import { until } from '../harness/until.ts';
import { fillDictionary, SystemStack } from '../harness/system-stack.ts';

/** Enough that an apply is under way for a while. */
const many = 50;

const source = 'dictionary';
const scope = { system: 'demo', source, timeline: 't00000001' };
const isDeleted = (of: StoreRequest, what: string): boolean => of.method === 'DELETE' && of.key.includes(what);

async function killTemporal(stack: SystemStack): Promise<void> {
  process.kill(readPidFile(pidFileOf(stack.file, 'temporal'))!.pid, 'SIGKILL');
  await until('Temporal is gone', () => readPidFile(pidFileOf(stack.file, 'temporal')) === undefined);
}

const killStore = async ({ file }: SystemStack): Promise<void> => void (await stopByPidFile(pidFileOf(file, 'objectStore'), 'SIGKILL'));

async function startStore({ file }: SystemStack): Promise<void> {
  const identity = { accessKeyId: readSecret(file, 's3-access-key-id'), secretAccessKey: readSecret(file, 's3-secret-access-key') };
  await startObjectStoreServer(directoryOf(file, 'objectStore'), file.objectStore.ports, identity, { tiedToUs: true });
}

/** An outside monitor, and what it is told. */
async function startMonitor(owner: Owner): Promise<{ url: string; heard: { path: string; body: string }[] }> {
  const heard: { path: string; body: string }[] = [];
  const server = createServer((request, response) => void textOf(request).then((body) => {
    heard.push({ path: request.url!, body });
    response.end();
  }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ping/demo`, heard };
}

/** The stack's file with somebody who is told, and nothing that another test is about. */
function makeFile(stack: SystemStack, server: MailReceiver): void {
  const systems = join(stack.home, 'systems');
  for (const name of readdirSync(systems)) if (name.endsWith('.yaml') && name !== 'demo.yaml') rmSync(join(systems, name));
  const password = join(stack.home, 'mail-password');
  writeFileSync(password, `${mailUser.password}\n`);
  stack.changeSystem((file) => {
    // Nothing is locked, or retention would take nothing for a day.
    delete file.stores[0]!.lock;
    file.approvals!['let-go'] = { description: 'May it go?' };
    const smtp = { host: '127.0.0.1', port: server.port, credentials: { username: mailUser.username, password: `file:${password}` }, caFile: join(import.meta.dirname, '../fixtures/tls/ca.pem') };
    file.notify = { receivers: { ops: { kind: 'email', from: 'holdfast@example.com', to: ['ops@example.com'], smtp } } };
  });
}

const program = join(import.meta.dirname, '../../scripts/holdfast.ts');

test('apply, retention, verification and the watches, on a whole stack, under fire: they end, what was applied fires by itself or is paused, what a kept base needs stays, and what is wrong is told', { timeout: 800_000 }, async (t) => {
  const stack = await SystemStack.start(t);
  const server = await startMailReceiver(t);
  const monitor = await startMonitor(t);
  makeFile(stack, server);
  const noClock = whyNoClock();
  const clock = noClock === null ? new Clock(stack.home) : undefined;
  const env = { ...clock?.environment, HOLDFAST_HTTP: '127.0.0.1:0', HOLDFAST_PING: monitor.url, HOLDFAST_PING_EVERY: '2s' };
  await stack.startWorker(env);
  await fillDictionary(stack, 1);
  const holdfast = async (...args: string[]): Promise<string> => (await runTool('node', [program, ...args], { env: { HOLDFAST_HOME: stack.home } })).stdout;
  const mailed = async (what: string, subject: RegExp, body: RegExp): Promise<string> => await until(what, () => server.mails.map(readMail).find(({ headers, text }) => subject.test(headers['subject']!) && body.test(text))?.text, 120_000);
  const pinged = async (path: '/ping/demo' | '/ping/demo/fail', body: RegExp): Promise<void> => {
    const from = monitor.heard.length;
    await until(`the monitor hears ${body}`, () => monitor.heard.slice(from).some((one) => one.path === path && body.test(one.body)));
  };
  const asked = async (page: string): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${firstWorkerUrl(stack.file)}${page}`);
    return { status: answer.status, text: await answer.text() };
  };
  /** It says why, while the process itself is well. */
  const refuses = async (why: RegExp): Promise<void> => {
    const { text } = await until(`the worker is not ready: ${why}`, async () => {
      const answer = await asked('/readyz');
      return answer.status === 503 && why.test(answer.text) ? answer : undefined;
    });
    assert.deepEqual([(JSON.parse(text) as { ok: boolean }).ok, (await asked('/healthz')).status], [false, 200]);
  };
  const becomesReady = async (): Promise<void> => void (await until('every role is ready', async () => (await asked('/readyz')).status === 200));
  const watch = stack.handle(lockIds.ready('demo'));
  /** What the watch on readiness finds now: what may pass it tells at the second look. */
  const look = async (times = 1): Promise<ReadinessAnswer> => {
    let answer = await watch.query<ReadinessAnswer>(readinessQuery);
    for (let n = 0; n < times; n += 1) {
      const { checks } = answer;
      await watch.signal(readinessSignals.look.name);
      answer = await until('it has looked', async () => {
        const now = await watch.query<ReadinessAnswer>(readinessQuery);
        return now.checks > checks ? now : undefined;
      });
    }
    return answer;
  };
  await stack.startArchive();
  // A slice before the base.
  await stack.withApp(async (db) => void (await db.collection('notes').insertOne({ note: 0 })));
  await stack.archiveIsUpToDate();
  await holdfast('backup', 'demo');
  const everyMinute = { 'every-minute': { does: 'report', every: '1m', catchUp: '10s' } } as SystemFile['schedules'];
  const yearly = Object.fromEntries(Array.from({ length: many }, (_, n) => [`yearly-${n}`, { does: 'verification', at: ['01:00'], on: 'day 1 of the year', paused: 'only to be applied' }]));
  // The first of them, so that its minute passes while the others are made.
  stack.changeSystem((file) => (file.schedules = { ...everyMinute, ...yearly } as SystemFile['schedules']));
  await becomesReady();
  await t.test('an apply whose store is killed, then its worker, and then its Temporal server, ends all the same, and the next one finds nothing to change; meanwhile /readyz and the monitor are told what is gone', async () => {
    const made = async (): Promise<number> => {
      const { schedules } = await stack.client.workflowService.listSchedules({ namespace: 'default', maximumPageSize: 500 });
      return (schedules ?? []).length;
    };
    const audit = stack.store.hold(({ method, key }) => method === 'PUT' && key.startsWith(layout.auditRecords('demo')));
    const applied = holdfast('apply', 'demo', '--yes', '--by', 'dana').catch((error: unknown) => error);
    await audit.reached;
    await killStore(stack);
    audit.release();
    // What people decide is written down first: until that is given up, nothing is made.
    await Promise.all([refuses(/store primary of demo does not answer/), pinged('/ping/demo/fail', /^control: store primary of demo does not answer/m)]);
    const atLeast = async (count: number): Promise<void> => void (await until(`${count} schedules are there`, async () => (await made().catch(() => 0)) >= count, 60_000));
    await atLeast(5);
    await stack.killWorker();
    const left = await made();
    assert.ok(left < many, `killed in the middle, and made though the store was away: ${left}`);
    await startStore(stack);
    await stack.startWorker(env);
    await atLeast(left + 5);
    await killTemporal(stack);
    await Promise.all([refuses(/Temporal does not answer/), pinged('/ping/demo/fail', /Temporal does not answer/)]);
    await startTemporal(stack.file, { tiedToUs: true });
    // Whoever waits for the answer may have lost its connection; the workflow has not.
    await applied;
    await until('the apply has ended', async () => {
      for await (const { status } of stack.client.workflow.list({ query: 'WorkflowType="applySystem"' })) return status.name === 'COMPLETED';
      return false;
    }, 90_000);
    const { system } = await loadSystemFile('demo');
    await until('nothing is left to change', async () => changes((await planApply({ client: stack.client, system })).rows).length === 0);
    assert.match(await holdfast('apply', 'demo', '--dry-run'), /^demo: nothing to change$/m);
    await Promise.all([becomesReady(), pinged('/ping/demo', /^ok$/)]);
  });
  // Each look at them is as many questions, and from here on one is enough.
  stack.changeSystem((file) => (file.schedules = everyMinute));
  await holdfast('apply', 'demo', '--yes', '--by', 'dana');
  await t.test('a schedule that was applied has started what it says by itself, and what it wrote is in the bucket', async () => {
    const query = 'WorkflowType="reportSystem" AND TemporalScheduledById="demo/every-minute" AND ExecutionStatus="Completed"';
    const { workflowId } = await until('it has fired', async () => {
      for await (const found of stack.client.workflow.list({ query })) return found;
      return undefined;
    }, 90_000);
    assert.match(workflowId, /^report\/demo\/every-minute-2\d{3}-\d\d-\d\dT\d\d:\d\d:00Z$/);
    const { report, text } = (await stack.client.workflow.getHandle(workflowId).result()) as ReportResult;
    assert.equal(report.to, `${workflowId.slice(-20, -1)}.000Z`, 'up to the moment that it was due at');
    assert.deepEqual([report.unread, report.sources[0]!.madeCount, report.sources[0]!.bases, report.work!.kinds.backup.failed], [[], 1, 1, 0]);
    assert.ok(report.acts!.byAct['back-up']! >= 1);
    assert.match(text, /daily report/);
    assert.deepEqual([report.anomalies, report.capacity!.usedBytes > 0, report.readiness!.sources.map(({ source, newest }) => [source, newest !== null])], [[], true, [['dictionary', true]]], 'by the facts of the metrics, and by readiness');
    const [key] = await stack.keys(layout.keptReport('demo', report.id, 'report.json'));
    assert.equal(key, layout.keptReport('demo', report.id, 'report.json'));
  });
  await t.test('a schedule that somebody deleted is told to the monitor and to people, until it is applied again', async () => {
    await stack.client.schedule.getHandle('demo/every-minute').delete();
    await Promise.all([pinged('/ping/demo/fail', /^demo\/every-minute is not on the server: holdfast apply$/), look(2)]);
    await mailed('people hear of it', /^demo: /, /schedule demo\/every-minute is not on the server: nothing starts by it/);
    await holdfast('apply', 'demo', '--yes', '--by', 'dana');
    await Promise.all([pinged('/ping/demo', /^ok$/), look()]);
    await mailed('and that it is over', /^demo: /, /over: schedule demo\/every-minute is not on the server/);
  });
  stack.changeSystem((file) => delete file.schedules);
  await holdfast('apply', 'demo', '--yes', '--by', 'dana');
  await until('what the file does not name is paused', async () => (await stack.client.schedule.getHandle('demo/every-minute').describe()).state.paused);
  await t.test('a worker’s clock that is wrong by six hours, either way, is told to people; what would be lost, how old a base is and what retention lets go are by the clocks of database and store', { skip: noClock ?? false }, async () => {
    const lets = async (log: string): Promise<number> => {
      stack.changeSystem((file) => (file.retention = { wait: '1s', sources: { dictionary: { every: '3h', log } } }));
      const { outcome, plans: [plan] } = (await (await stack.start('applyRetention', { system: 'demo', requestedBy: 'dana' })).result()) as RetentionResult;
      assert.equal(outcome, 'dry');
      return plan!.totals.slicesThatGo + plan!.totals.basesThatGo;
    };
    for (const [offset, said] of [['+6h', 'ahead of'], ['-6h', 'behind']] as const) {
      clock!.set(offset);
      const { readiness } = await until('the watch sees the wrong clock', async () => {
        const answer = await look();
        return answer.readiness!.clocks.filter(({ aheadMs }) => Math.abs(Math.abs(aheadMs) - hours(6)) < minutes(5)).length === 3 ? answer : undefined;
      });
      await mailed(`people hear that it is ${said}`, /^demo: /, new RegExp(`the worker's clock is (?:5h59m|6h00m) ${said} that of the store`));
      const [seen] = readiness!.sources;
      assert.ok(seen!.rpoMs! < minutes(2) && seen!.base!.ageMs < hours(1), `${offset}: ${seen!.rpoMs} ms would be lost, a base of ${seen!.base!.ageMs} ms`);
      assert.equal(await lets('3h'), 0, `${offset}: nothing is three hours old`);
      assert.ok((await lets('0h')) > 0, 'something is older than the base');
      clock!.set('+0');
      await look();
      await mailed('people hear that it is over', /^demo: /, new RegExp(`over: the worker's clock is (?:5h59m|6h00m) ${said} that of the store`));
    }
  });
  clock?.set('+0');
  await t.test('a retention whose worker is killed among the parts of a base, and then its Temporal server among the log, ends once: what stays is whole', async () => {
    stack.changeSystem((file) => (file.retention = { wait: '1s', approval: 'let-go', sources: { dictionary: { atLeast: 1, atMost: '1KiB', log: '0h' } } }));
    const [held] = await basesOf(stack);
    for (const note of [1, 2]) {
      // A slice before each base.
      await stack.withApp(async (db) => void (await db.collection('notes').insertOne({ note })));
      await stack.archiveIsUpToDate();
      await (await stack.start('backUpSystem', { system: 'demo' })).result();
    }
    await (await stack.start('markPoint', { system: 'demo', point: held!, state: 'hold', reason: 'a court asks for it', requestedBy: 'dana' })).result();
    const [, goes, newest] = await basesOf(stack);
    await until('that one goes, and log', async () => {
      const { plan, log } = await makeRetentionPlan(await stack.source());
      return plan.bases.some((base) => base.backup === goes && base.goes) && log.some((of) => of.goes && of.slices > 0);
    });
    const before = new Set(await stack.keys(`demo/${source}/`));
    const entry = await stack.start('applyRetention', { system: 'demo', apply: true, requestedBy: 'dana' });
    await until('its gate is open', async () => (await readState<RunState>(entry).catch(() => undefined))?.gates[0]?.status === 'open');
    const parts = stack.store.hold((of) => isDeleted(of, `${goes}/parts/`));
    await assert.rejects(holdfast('approve', 'demo', '--workflow', entry.workflowId, '--by', 'dana'), /dana asked for this run/);
    await holdfast('approve', 'demo', '--workflow', entry.workflowId, '--by', 'erik');
    await parts.reached;
    await stack.killWorker();
    parts.release();
    assert.deepEqual(await basesOf(stack), [held, newest], 'its manifest went first');
    const slices = stack.store.hold((of) => isDeleted(of, '/slices/'));
    await stack.startWorker(env);
    await slices.reached;
    await killTemporal(stack);
    slices.release();
    await startTemporal(stack.file, { tiedToUs: true });
    await until('it has ended', async () => (await entry.describe().catch(() => undefined))?.status.name === 'COMPLETED', 90_000);
    const { outcome, expired: [done] } = (await entry.result()) as RetentionResult;
    const now = new Set(await stack.keys(`demo/${source}/`));
    const gone = [...before].filter((key) => !now.has(key));
    assert.deepEqual([outcome, done!.bases, done!.left], ['applied', 1, []]);
    const slicesGone = gone.filter((key) => key.startsWith(layout.slices(scope))).length;
    assert.ok(slicesGone > 0 && done!.slices <= slicesGone && done!.objects <= gone.length, `${done!.slices} of ${slicesGone} slices, ${done!.objects} of ${gone.length} objects: nothing is counted twice`);
    assert.deepEqual([gone.filter((key) => key.includes(`${held}/`) || key.includes(`${newest}/`)), [...now].filter((key) => key.includes(`${goes}/`) || key.includes(`/${goes}.json`))], [[], []]);
    const [verified] = (await (await stack.start('verifySystem', { system: 'demo', scope: 'all' })).result()) as VerifyResult[];
    assert.deepEqual([verified!.ok, verified!.problems], [true, []]);
    const { store, keys } = await stack.source();
    const catalog = await rebuildCatalog({ store, keys }, { system: 'demo', source });
    const at = { now: new Date().toISOString() };
    for (const target of [{}, { point: held! }, { point: newest! }]) assert.equal(findRecoveryPoint(catalog, target, at).base.backup, 'point' in target ? target.point : newest);
    const acts = (await readAudit({ store, keys }, 'demo')).entries.filter(({ workflowId }) => workflowId === entry.workflowId);
    assert.deepEqual(acts.map(({ by, act }) => [by, act]), [['dana', 'retain'], ['erik', 'approve'], ['dana', 'dispose']]);
  });
  await t.test('what an outsider alters, and then empties, the next scheduled verification and the next look at the store find, and tell', async () => {
    const { store } = await stack.source();
    stack.changeSystem((file) => (file.readiness = { every: '10s' }));
    // It has seen the store as it was.
    await look();
    const newest = (await basesOf(stack)).at(-1)!;
    for await (const part of store.list(layout.allParts({ ...scope, backup: newest }))) {
      await store.deleteVersion(part);
      break;
    }
    // Every minute, and first in a moment.
    const offset = `${Math.floor((Date.now() + seconds(12)) / 1_000) % 60}s`;
    stack.changeSystem((file) => (file.schedules = { read: { does: 'verification', every: '1m', offset } }));
    await holdfast('apply', 'demo', '--yes', '--by', 'dana');
    await mailed('people hear of the part', /^demo: VERIFICATION FAILED: the newest base and its log$/, new RegExp(`${newest}[^]*A new base is being taken|A new base is being taken[^]*${newest}`));
    const { workflowId } = await until('the verification has ended', async () => {
      for await (const found of stack.client.workflow.list({ query: 'TemporalScheduledById="demo/read" AND ExecutionStatus="Failed"' })) return found;
      return undefined;
    });
    assert.match(workflowId, /^verify\/demo\/read-2/);
    await until('and a new base is taken by itself', async () => (await basesOf(stack)).at(-1)! > newest);

    // A verification that saw the part missing may end only now, and asks for one base more: it would be written into the store that is emptied here.
    await stack.client.schedule.getHandle('demo/read').pause('the store is emptied by hand');
    await until('nothing verifies or backs up any more', async () => {
      const { count } = await stack.client.workflow.count('WorkflowType IN ("verifySystem", "backUpSystem", "runBackup") AND ExecutionStatus="Running"');
      return count === 0 ? true : undefined;
    });
    await look();
    for await (const version of store.list(layout.source('demo', source))) await store.deleteVersion(version);
    await stack.client.schedule.getHandle('demo/read').trigger();
    await mailed('people hear that the bucket is empty', /^demo: NOT READY/, /THE STORE WAS CHANGED, and not by Holdfast: .*its manifest is gone/);
    await mailed('and that nothing could be verified', /^demo: SCHEDULE demo\/read FAILED$/, /NoRecoveryPoint/);
  });
});

/** The oldest first. */
const basesOf = async (stack: SystemStack): Promise<string[]> => (await rebuildCatalog(await stack.source(), { system: 'demo', source })).bases.map(({ backup }) => backup).sort();
