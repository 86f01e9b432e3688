import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { MongoClient } from 'mongodb';
import { stringify } from 'yaml';
import { readAudit } from '../../activities/audit/read-audit.ts';
import { evidenceAct } from '../../activities/evidence/bundles.ts';
import { openSystem } from '../../activities/open-context.ts';
import { writeMongodConfig } from '../../activities/provision/mongod-config.ts';
import { knock } from '../../activities/tool/knock.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { readArchiveStatuses } from '../../scripts/bucket/read-archive-status.ts';
import { demoBucket, demoReplicaSet, directoryOf, ensureStackFile, secretsDirectory } from '../../scripts/stack/stack-file.ts';
import { destroyPrimary, withClient } from '../../scripts/stack/primary.ts';
import { readSecret } from '../../scripts/stack/stack-secrets.ts';
import type { RetentionResult } from '../../workflows/apply-retention.ts';
import type { BackupSummary, VerifyResult } from '../../workflows/contract.ts';
import type { DrillHistory } from '../../workflows/domain/drill-history.ts';
import { errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import type { SealedDays } from '../../workflows/domain/audit.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { describeScope } from '../../workflows/domain/verification.ts';
import type { ReportResult } from '../../workflows/report-system.ts';
import { failureOf } from '../harness/failures.ts';
import { freePort } from '../harness/free-port.ts';
import { mailUser, readMail, startMailReceiver, type MailReceiver } from '../harness/mail-receiver.ts';
import type { Skipped } from '../../workflows/scheduled.ts';
import { plantPrograms } from '../harness/planted-programs.ts';
import { SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';

const tls = join(import.meta.dirname, '..', 'fixtures', 'tls');
const system = 'ai-writing';

/** The primary speaks TLS, as the shipped file asks. */
async function speakTls(home: string): Promise<void> {
  const stack = await ensureStackFile();
  const directory = directoryOf(stack, 'primary');
  mkdirSync(directory, { recursive: true });
  const config = {
    net: {
      port: stack.primary.port,
      bindIp: '127.0.0.1',
      unixDomainSocket: { enabled: false },
      tls: { mode: 'preferTLS', certificateKeyFile: join(tls, 'server.pem'), CAFile: join(tls, 'ca.pem'), allowConnectionsWithoutCertificates: true },
    },
    storage: { dbPath: join(directory, 'data'), wiredTiger: { engineConfig: { cacheSizeGB: 0.5 } } },
    replication: { replSetName: demoReplicaSet },
    security: { keyFile: join(home, 'secrets', 'mongodb-key-file'), authorization: 'enabled' as const },
  };
  await writeMongodConfig(join(directory, 'mongod.conf'), config, 'The primary of the test of ai-writing.');
}

/** Where things are and how to get in: nothing else can be changed. @returns the environment of its workers. */
function overlay(stack: SystemStack, { server, bin, drillPort }: { server: MailReceiver; bin: string; drillPort: number }): Record<string, string> {
  const { file } = stack;
  const secret = (name: string): string => `file:${join(secretsDirectory(file), name)}`;
  const credentials = { username: 'holdfast', password: secret('holdfast-password') };
  const mailPassword = join(stack.home, 'mail-password');
  writeFileSync(mailPassword, `${mailUser.password}\n`);
  const smtp = { port: server.port, credentials: { username: mailUser.username, password: `file:${mailPassword}` }, caFile: join(tls, 'ca.pem') };
  const path = join(stack.home, 'overlay.yaml');
  writeFileSync(path, stringify({
    system,
    environments: {
      production: { endpoints: { documents: { credentials, tls: { caFile: join(tls, 'ca.pem') } } } },
      dr: { endpoints: { documents: { credentials, tls: { caFile: join(tls, 'ca.pem') } } } },
    },
    // The standby serves by TLS too, as the shipped file asks.
    standby: { provision: { documents: { tls: { certificateKeyFile: join(tls, 'server.pem'), caFile: join(tls, 'ca.pem') } } } },
    stores: [{ name: 'primary', endpoint: '${HOLDFAST_DEMO_S3}', bucket: demoBucket, credentials: { accessKeyId: secret('s3-access-key-id'), secretAccessKey: secret('s3-secret-access-key') } }],
    key: { aes256: secret('key-aes256'), signing: { privateKey: secret('signing-private.pem'), publicKeys: [secret('signing-public.pem')] } },
    // Of the other receivers there is no secret: they are told nothing, and that holds nothing up.
    notify: { receivers: { 'ops-alerts': { smtp }, operations: { smtp }, stakeholders: { smtp } } },
  }));
  return {
    HOLDFAST_OVERLAY: path,
    AI_WRITING_PRODUCTION_HOSTS: `127.0.0.1:${file.primary.port}`,
    AI_WRITING_PRODUCTION_REPLICA_SET: demoReplicaSet,
    AI_WRITING_DR_HOST: `127.0.0.1:${file.standby.port}`,
    AI_WRITING_STAGING_HOSTS: '127.0.0.1:1',
    AI_WRITING_TEST_HOST: `127.0.0.1:${drillPort}`,
    AI_WRITING_DRILL_DIRECTORY: join(file.directory, 'drill'),
    AI_WRITING_STANDBY_DIRECTORY: directoryOf(file, 'standby'),
    AI_WRITING_PRIMARY_DIRECTORY: directoryOf(file, 'primary'),
    AI_WRITING_NGINX_DIRECTORY: directoryOf(file, 'frontDoor'),
    PATH: `${bin}${delimiter}${process.env['PATH']}`,
    AI_WRITING_SMTP_HOST: '127.0.0.1',
    AI_WRITING_URL: file.frontDoor.url,
    AI_WRITING_APP_PRODUCTION: `127.0.0.1:${file.apps.production.port}`,
    AI_WRITING_APP_DR: `127.0.0.1:${file.apps.dr.port}`,
  };
}

async function archived(): Promise<void> {
  let wanted: string | null = null;
  await until('the log is archived up to now', async () => {
    const [status] = await readArchiveStatuses(system);
    wanted ??= status?.sourceAt ?? null;
    return wanted !== null && (status?.archivedTo ?? '') >= wanted;
  }, 60_000, 250);
}

/** The real command, as a person types it. @returns its exit code, and all that it said. */
async function holdfast(stack: SystemStack, ...args: string[]): Promise<{ code: number; said: string }> {
  try {
    const { stdout } = await runTool('node', [join(import.meta.dirname, '..', '..', 'scripts', 'holdfast.ts'), ...args], { env: { HOLDFAST_HOME: stack.home } });
    return { code: 0, said: stdout };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { code: Number(error.details['exitCode']), said: error.message };
  }
}

const heardBy = (server: MailReceiver) => (address: string): { subject: string; text: string }[] => server.mails.filter(({ to }) => to.includes(address)).map(readMail).map(({ headers, text }) => ({ subject: headers['subject']!, text }));

/** As the button of the UI does it. @returns what it started, under the name that people see */
async function trigger({ client }: SystemStack, schedule: string, kind: string): Promise<WorkflowHandle> {
  const handle = client.schedule.getHandle(`${system}/${schedule}`);
  const { info: { numActionsTaken } } = await handle.describe();
  await handle.trigger();
  const { workflow: { workflowId, firstExecutionRunId } } = await until(`${schedule} starts`, async () => {
    const { info } = await handle.describe();
    return info.numActionsTaken > numActionsTaken ? info.recentActions.at(-1)?.action : undefined;
  });
  assert.match(workflowId, new RegExp(`^${kind}/${system}/${schedule}-\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$`));
  return client.workflow.getHandle(workflowId, firstExecutionRunId);
}

/** The most tries that an activity of a run took, by its history. */
async function triesOf(run: WorkflowHandle, activity: string): Promise<number> {
  const { events } = await run.fetchHistory();
  const scheduled = new Set(events?.filter((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity).map(({ eventId }) => String(eventId)));
  return Math.max(0, ...(events ?? []).map(({ activityTaskStartedEventAttributes: started }) => (started && scheduled.has(String(started.scheduledEventId)) ? Number(started.attempt) : 0)));
}

/** `apply` of the shipped file, and each of its schedules once: what each starts has its readable name, and ends well; people are told of it by mail. */
async function standingOperation(stack: SystemStack, { env, server, drillPort }: { env: Record<string, string>; server: MailReceiver; drillPort: number }): Promise<void> {
  const heard = heardBy(server);
  const told = async (subject: RegExp): Promise<string> => (await until(`operations hear ${subject}`, () => heard('operations@example.com').find((mail) => subject.test(mail.subject)))).text;
  const applied = await holdfast(stack, 'apply', system, '--yes', '--by', 'ops-lead@example.com');
  assert.equal(applied.code, 0, applied.said);
  await archived();
  const [base] = (await (await trigger(stack, 'full-backup', 'backup')).result()) as BackupSummary[];
  assert.deepEqual(base?.unproved, []);
  assert.match(await told(/^ai-writing: backup done$/), /every byte/);

  const verifications = { incremental: ['incremental', 'log'], integrity: ['verify', 'newest'], sample: ['verify', 'sample'], 'key-check': ['verify', 'keys'] } as const;
  const verified = Object.entries(verifications).map(async ([schedule, [kind, scope]]) => {
    const [result] = (await (await trigger(stack, schedule, kind)).result()) as VerifyResult[];
    assert.deepEqual([result!.ok, result!.scope, result!.problems], [true, scope, []], schedule);
    await told(new RegExp(`^ai-writing: verified: ${describeScope[scope]}$`));
  });
  const reported = [['daily-report', 'day', 'daily'], ['weekly-report', 'week', 'weekly']].map(async ([schedule, period, word]) => {
    const { report } = (await (await trigger(stack, schedule!, 'report')).result()) as ReportResult;
    assert.deepEqual([report.period, report.sources[0]!.bases, report.unread], [period, 1, []]);
    await told(new RegExp(`^ai-writing: ${word} report 2`));
  });
  const retained = async (): Promise<void> => {
    const { outcome, plans } = (await (await trigger(stack, 'retention', 'retention')).result()) as RetentionResult;
    assert.deepEqual([outcome, plans.map(({ totals }) => [totals.bases, totals.basesThatGo, totals.slicesThatGo])], ['idle', [[1, 0, 0]]], 'nothing is old enough');
  };
  const sealed = async (): Promise<void> => assert.equal(((await (await trigger(stack, 'seal-audit', 'seal-audit')).result()) as SealedDays).upTo, null, 'no day of it is over yet');
  await Promise.all([...verified, ...reported, retained(), sealed(), archiveHeartbeatsSeldom(stack)]);
  await withOtherKey(stack, async () => {
    assert.match((await failureOf((await trigger(stack, 'key-check', 'verify')).result())).message, /ai-writing does not verify: .*nothing here opens it/);
    assert.match(await told(/^ai-writing: VERIFICATION FAILED: the keys of all that is kept$/), /nothing here opens it/);
  });
  await drillUnderFire(stack, { env, drillPort });
}

/** A drill whose worker is killed twice: while what it restored is removed, and while the bundle that signs its report is put. Schedules that meet it start nothing. */
async function drillUnderFire(stack: SystemStack, { env, drillPort }: { env: Record<string, string>; drillPort: number }): Promise<void> {
  const bundle = stack.store.hold(({ method, key }) => method === 'PUT' && /^ai-writing\/runs\/[^/]+\/evidence\//.test(key));
  const drill = await trigger(stack, 'restoration-test', 'drill');
  const run = await theRun(stack);
  for (const schedule of ['dr-simulation', 'full-dr-test']) {
    const { skipped } = (await (await trigger(stack, schedule, 'drill')).result()) as Skipped;
    assert.match(skipped, /a run of ai-writing goes on already/, 'one at a time');
  }
  await stack.runIs('its target is promoted', ({ state: { steps } }) => steps.some(({ id, state: is }) => id === 'promote-standby' && is !== 'pending'), 120_000, system);
  await until('what it restored is being removed', async () => (await run.describe()).raw.pendingActivities?.some(({ activityType, lastStartedTime }) => activityType?.name === 'removeTarget' && lastStartedTime), 120_000, 10);
  await stack.killWorker();
  await stack.startWorker(env);
  await bundle.reached;
  await stack.killWorker();
  bundle.release();
  await stack.startWorker(env);
  const { outcome, validation, warnings, runId } = (await drill.result()) as RunReport;
  assert.deepEqual([outcome, validation.length, validation.every(({ ok }) => ok)], ['done', 4, true], JSON.stringify(warnings));
  for (const activity of ['removeTarget', 'writeReport']) assert.ok((await triesOf(run, activity)) > 1, `${activity} was killed before it had ended`);
  assert.equal(await knock('127.0.0.1', drillPort), 'refused', 'its server is gone');
  assert.deepEqual(readdirSync(stack.home).filter((name) => name.startsWith('drill')), [], 'and so is what it restored');
  const { store, keys } = await openSystem(system);
  const named = (await readAudit({ store, keys }, system)).entries.filter((entry) => entry.runId === runId && entry.act === evidenceAct);
  assert.equal(named.length, 1, 'one report, signed once, for the audit');
  const { drills } = (await (await stack.start('listDrills', { system, requestedBy: 'ops-lead@example.com' })).result()) as DrillHistory;
  assert.deepEqual(drills.map(({ schedule, result, cleanedUp }) => [schedule, result, cleanedUp]), [['ai-writing/restoration-test', 'passed', true]]);
}

/** Each heartbeat is a write to the server, which knows when each came: with an RPO of five minutes a lost worker may cost the archive half a minute, so three in that. */
async function archiveHeartbeatsSeldom(stack: SystemStack): Promise<void> {
  const heard = new Set<number>();
  await until('two heartbeats of the archive', async () => {
    const { raw } = await stack.handle(lockIds.archive(system, 'documents')).describe();
    const at = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'archiveLog')?.lastHeartbeatTime;
    if (at) heard.add(Number(at.seconds) * 1_000 + Number(at.nanos) / 1_000_000);
    return heard.size > 1;
  }, 60_000, 500);
  const [first, second] = [...heard];
  assert.ok(second! - first! > 6_000 && second! - first! < 12_000, `${second! - first!} ms between two heartbeats of the archive`);
}

/** While somebody has put another key where the workers read it. The file is another one for so long: what was opened by it is opened anew. */
async function withOtherKey(stack: SystemStack, use: () => Promise<void>): Promise<void> {
  const paths = [join(secretsDirectory(stack.file), 'key-aes256'), join(stack.home, 'systems', `${system}.yaml`)] as const;
  const [key, file] = paths.map((path) => readFileSync(path, 'utf8'));
  writeFileSync(paths[0], `${randomBytes(32).toString('hex')}\n`);
  writeFileSync(paths[1], `${file}\n# another key\n`);
  await use();
  writeFileSync(paths[0], key!);
  writeFileSync(paths[1], file!);
}

/** The run that holds the system now, by its own id. */
async function theRun(stack: SystemStack): Promise<WorkflowHandle> {
  const id = lockIds.recover(system);
  const { runId } = await until('the run begins', async () => {
    const found = await stack.handle(id).describe();
    return found.status.name === 'RUNNING' ? found : undefined;
  });
  return stack.client.workflow.getHandle(id, runId);
}

test('ai-writing as shipped: applied, each of its schedules started once, its drill killed in its clean-up and report; backed up, archived; a component’s recovery that does not help escalates by itself, and the whole is recovered with the application that ran then, by workers that are killed in its restore and its replay, its people answering its gates, told by mail, and its post-recovery steps behind the switch', { timeout: 570_000 }, async (t) => {
  const stack = await SystemStack.start(t, async (home) => {
    copyFileSync(join(import.meta.dirname, '..', '..', 'systems', `${system}.yaml`), join(home, 'systems', `${system}.yaml`));
    await speakTls(home);
  });
  const programs = plantPrograms(stack.home, ['deploy-app', 'validate-system', 'monitor-health', 'run-test-suite', 'benchmark', 'security-scan']);
  const server = await startMailReceiver(t);
  const drillPort = await freePort();
  const env = overlay(stack, { server, drillPort, ...programs });
  Object.assign(process.env, env);
  await stack.startWorker(env);
  await withClient(stack.file, 'root', async (client) => {
    const db = client.db(system);
    await db.collection('users').insertMany(Array.from({ length: 200 }, (_, i) => ({ name: `user ${i}` })));
    await db.collection('documents').insertMany(Array.from({ length: 5_000 }, (_, i) => ({ owner: i % 200, version: 1, text: `document ${i} `.repeat(40) })));
    await db.collection('documents').createIndex({ owner: 1, version: -1 });
    await db.collection('interactionLogs').insertMany(Array.from({ length: 500 }, (_, i) => ({ i })));
  });
  await standingOperation(stack, { env, server, drillPort });
  const deployed = async (version: string, by: string): Promise<{ code: number; said: string }> => await holdfast(stack, 'deployed', version, '--system', system, '--by', by);
  const recorded = await deployed('2.4.1', 'ops-lead@example.com');
  assert.equal(recorded.code, 0, recorded.said);
  assert.match(recorded.said, /1 {2}production {2}2\.4\.1 {2}since .*, recorded then by ops-lead@example\.com, claimed/);
  const refused = await deployed('6.6.6', 'cto@example.com');
  assert.deepEqual([refused.code, /cto@example\.com \(no role\) may not say which version/.test(refused.said)], [errorTable.NotPermitted.exitCode, true], refused.said);
  await withClient(stack.file, 'root', async (client) => {
    await client.db(system).collection('documents').updateMany({ owner: 7 }, { $inc: { version: 1 } });
    await client.db(system).collection<{ _id: string }>('users').insertOne({ _id: 'after the base' });
  });
  await archived();
  const { killedAt } = await destroyPrimary(stack.file);
  // A pipeline that ends after all was lost: the data is not of that version. Its second is a later one.
  await until('the next second', () => Math.floor(Date.now() / 1000) > Math.floor(Date.parse(killedAt) / 1000));
  assert.equal((await deployed('2.5.0', 'ops-backup@example.com')).code, 0);
  await (await stack.start('openIncident', { system, summary: 'the primary is lost', severity: 'P1', startedAt: killedAt, requestedBy: 'ops-backup@example.com' })).result();
  for (const file of ['broken-validate-system', 'once-deploy-app', 'broken-run-test-suite']) writeFileSync(programs.flag(file), '');
  const entry = await stack.start('recoverSystem', { system, runbook: 'component', requestedBy: 'db-recovery@example.com', reason: 'it does not answer', incident: 'open' });
  const run = stack.handle(lockIds.recover(system));
  const confirm = async (step: string, ...items: string[]): Promise<void> => {
    await stack.runIs(`${step} waits`, ({ state }) => state.steps.some(({ id, state: is }) => id === step && is === 'waiting'), 60_000, system);
    for (const item of items) await run.executeUpdate('confirm', { args: [{ step, item, by: 'infra-recovery@example.com' }] });
  };
  const approve = async (by: string): Promise<unknown> => await run.executeUpdate('approve', { args: [{ by }] });

  await stack.runIs('elevation is open', ({ state }) => state.gates.some(({ gate, status }) => gate === 'elevation' && status === 'open'), 60_000, system);
  assert.match((await failureOf(approve('dr-coordinator@example.com'))).message, /answered by "ops-lead@example.com", "db-lead@example.com"/);
  await approve('ops-lead@example.com');
  await confirm('identify-component', 'component');
  await confirm('restore-component', 'restored');
  const escalated = await stack.runIs('it goes on as a full recovery', ({ state }) => state.runbook === 'main', 60_000, system);
  const [escalation] = escalated.state.escalations!;
  assert.deepEqual([escalation!.from, escalation!.to, escalation!.steps.map(({ id, state }) => `${id} ${state}`)], ['component', 'main', ['elevate done', 'declare done', 'identify-component done', 'restore-component done', 'validate-component failed', 'report pending']]);
  assert.match(escalation!.why, /step validate-component failed: .*two of nine fail/s);
  assert.equal(new Set(programs.calls('validate-system')).size, 1);
  assert.equal(programs.calls('validate-system')[0], 'validate-system --environment=production --tests=critical');
  rmSync(programs.flag('broken-validate-system'));
  const inRestore = stack.holdRead('restoreGroup', (key) => key.includes('/parts/'));
  const inReplay = stack.holdRead('replayLog', (key) => key.includes('/slices/'));
  await stack.runIs('activate-dr is open', ({ state }) => state.gates.some(({ gate, status }) => gate === 'activate-dr' && status === 'open'), 60_000, system);
  assert.equal((await failureOf(approve('passer-by@example.com'))).type, 'NotPermitted');
  await approve('dr-coordinator@example.com');
  await confirm('recover-configuration', 'configuration');
  await stack.runIs('the application is deployed', ({ state: { steps } }) => steps.some(({ id, state: is }) => id === 'deploy-application' && is === 'done'), 60_000, system);
  await stack.killWorkerAt(inRestore, env);
  await stack.killWorkerAt(inReplay, env);
  await stack.runIs('approve-switch is open', ({ state }) => state.gates.some(({ gate, status }) => gate === 'approve-switch' && status === 'open'), 90_000, system);
  assert.match((await failureOf(approve('db-recovery@example.com'))).message, /asked for this run/);
  await approve('dr-coordinator@example.com');
  assert.match((await failureOf(approve('dr-coordinator@example.com'))).message, /already decided/);
  const { state } = await stack.run(system);
  const gate = state.gates.find(({ gate: name }) => name === 'approve-switch');
  assert.equal(gate?.status, 'open', 'one of two is not enough');
  assert.match(gate.description, /version 2\.4\.1 ran in production at .* \(since .*, recorded then by ops-lead@example\.com, claimed\)/);
  // The first try of the program failed, the second did it: of neither was there more than one.
  assert.deepEqual(programs.calls('deploy-app'), Array(2).fill('deploy-app --environment=dr --version=2.4.1'));
  await approve('app-recovery@example.com');

  await stack.runIs('the test suite has failed behind the switch', ({ state: { steps } }) => steps.some(({ id, state: is }) => id === 'run-test-suite' && is === 'failed'), 90_000, system);
  const side = async (): Promise<string | null> => (await fetch(`${stack.file.frontDoor.url}/health`)).headers.get('x-holdfast-side');
  assert.equal(await side(), 'dr');
  await stack.runIs('what does not need it goes on', ({ state: { steps } }) => ['protect-standby', 'monitor-health', 'benchmark', 'security-scan'].every((step) => steps.some(({ id, state: is }) => id === step && is === 'done')), 90_000, system);
  assert.match((await failureOf(run.executeUpdate('abort', { args: [{ by: 'dr-coordinator@example.com' }] }))).message, /cannot be turned back/);
  const seen = await holdfast(stack, 'status', system);
  assert.match(seen.said, /recovered; \d+ things left: run-test-suite \(failed\)/);
  assert.equal(await side(), 'dr', 'what fails behind the switch takes service from nobody');
  rmSync(programs.flag('broken-run-test-suite'));
  const retried = await holdfast(stack, 'retry', system, '--step', 'run-test-suite', '--by', 'dr-coordinator@example.com');
  assert.equal(retried.code, 0, retried.said);
  await confirm('post-recovery-assessment', 'data', 'findings', 'access');

  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.deepEqual([report.rto.met, report.rpo.met], [true, true]);
  assert.deepEqual(report.validation.map(({ id, ok }) => [id, ok]), [['equality', true], ['users-present', true], ['documents-present', true], ['interaction-logs-present', true]]);
  const standby = new MongoClient(`mongodb://127.0.0.1:${stack.file.standby.port}/?directConnection=true`, { auth: { username: 'root', password: readSecret(stack.file, 'root-password') }, authSource: 'admin' });
  try {
    const db = standby.db(system);
    assert.ok(await db.collection<{ _id: string }>('users').findOne({ _id: 'after the base' }));
    assert.equal(await db.collection('documents').countDocuments({ version: 2 }), 25);
    assert.ok(await db.collection('documents').indexExists('owner_1_version_-1'));
  } finally {
    await standby.close();
  }
  assert.equal(await side(), 'dr');
  assert.deepEqual(report.state.steps.filter(({ id }) => ['restore-documents', 'apply-log'].includes(id)).map(({ attempt }) => attempt), [1, 1], 'of the killed workers nobody had to know');
  assert.deepEqual(['validate-system', 'monitor-health', 'benchmark', 'security-scan'].flatMap(programs.calls).filter((call) => !call.includes('=production')), ['validate-system --environment=dr --tests=critical', 'monitor-health --environment=dr --duration=15m', 'benchmark --target=dr --compare-to=baseline', 'security-scan --target=dr --scope=full']);
  assert.deepEqual([...new Set(programs.calls('run-test-suite'))], ['run-test-suite --target=dr --suite=post-recovery']);

  const heard = heardBy(server);
  // The ladders' first rungs, by their own address; the rest is later than this run took.
  assert.deepEqual(['ops-lead', 'dr-coordinator', 'db-lead', 'cto'].map((who) => heard(`${who}@example.com`).filter(({ subject }) => subject.includes('CALLED')).length), [1, 1, 1, 0]);
  const outside = await until('people outside hear that it is back', () => (heard('stakeholders@example.com').length === 2 ? heard('stakeholders@example.com') : undefined));
  assert.match(outside[0]!.text, /Documents cannot be opened or saved\./);
  assert.match(outside[1]!.text, /AI writing is available again since .* UTC\./);
  assert.match(outside[1]!.text, /please look at your latest changes/);
});
