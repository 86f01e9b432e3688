import assert from 'node:assert/strict';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readVerifications } from '../../activities/store/verifications.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { linksOf } from '../../scripts/commands/up.ts';
import type { JournalRead } from '../../scripts/status/read-journal.ts';
import { taskQueues, type ArchiveStatus } from '../../workflows/contract.ts';
import { errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import type { AuditPage } from '../../workflows/domain/audit.ts';
import type { DrillHistory } from '../../workflows/domain/drill-history.ts';
import type { EvidenceRead } from '../../workflows/domain/evidence.ts';
import { journalPageLines, journalStateLines, type JournalPage } from '../../workflows/domain/journal.ts';
import { layout, parseRangeKey } from '../../workflows/domain/layout.ts';
import type { CatalogPage, PointsPage } from '../../workflows/domain/list-points.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { readinessSignals } from '../../workflows/domain/readiness-watch.ts';
import type { RecoveryPlan } from '../../workflows/domain/recovery-plan.ts';
import { commandHere, type Said } from '../harness/command-here.ts';
import { failureOf } from '../harness/failures.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { until } from '../harness/until.ts';
import { fillDictionary, SystemStack } from '../harness/system-stack.ts';
import { approveWithProof } from './approve-with-proof.ts';
import { commandARun, planWhatFails, withCommanded } from './command-a-run.ts';
import { noChromium } from '../ui/browser.ts';
import { commandFromUi } from '../ui/command-from-ui.ts';

const program = join(import.meta.dirname, '..', '..', 'scripts', 'holdfast.ts');
const drill = { system: 'demo', purpose: 'drill', requestedBy: 'ada' };

/** Without what each reading took. */
const untimed = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === 'tookMs' ? undefined : inner)));

test('the command line against a real server: what it asks and answers is what the UI can do', { timeout: 500_000 }, async (t) => {
  const stack = await SystemStack.start(t);
  await stack.startWorker();
  await fillDictionary(stack, 1);
  /** In a process of its own. */
  const holdfastWith = async (env: Record<string, string>, ...args: string[]): Promise<Said> => {
    try {
      return { exitCode: 0, ...(await runTool('node', [program, ...args], { env: { HOLDFAST_HOME: stack.home, ...env } })) };
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      // Its message ends with what was said on stderr.
      return { exitCode: Number(error.details['exitCode']), stdout: String(error.details['stdoutTail'] ?? ''), stderr: error.message };
    }
  };
  const holdfast = commandHere;
  const ok = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await holdfast(...args);
    assert.equal(exitCode, 0, `${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  };
  const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await ok(...args, '--json')) as T;
  const workflow = async <T>(type: string, input: unknown): Promise<T> => (await (await stack.start(type, input)).result()) as T;

  assert.match(await ok('archive', 'start', 'demo'), /^started archive\/demo\/dictionary$/m);
  await stack.archiveIsUpToDate();
  await ok('backup', 'demo', '--why', 'for the test');
  assert.match(await ok('evidence', 'list', 'demo'), /^no evidence yet of demo: /);

  const { start, views } = linksOf(stack.file.temporal.uiUrl, 'demo');
  const printed = (await ok('up', '--no-worker')).split('\n');
  // The person in the Temporal UI, below, has nothing else.
  assert.deepEqual(printed.filter((line) => /^(start|view) /.test(line)), [...start.map(({ title, url }) => `start          ${title}: ${url}`), ...views.map(({ title, url }) => `view           ${title}: ${url}`)]);

  /** However an archive was told to stop: no minute of log is left whose loss nobody would notice. */
  const assertEndIsSigned = async (timeline: string): Promise<void> => {
    const scope = { system: 'demo', source: 'dictionary', timeline };
    const newest = (await stack.keys(layout.slices(scope))).at(-1)!;
    assert.equal((await stack.keys(layout.heads(scope))).at(-1), layout.head(scope, parseRangeKey(newest)!.to), 'it has signed where its log ends');
  };

  await t.test('archive stop closes the archive, which says so', async () => {
    assert.match(await ok('archive', 'stop', 'demo', '--by', 'dana', '--reason', 'a test'), /^stopped demo\/dictionary$/m);
    assert.equal((await stack.handle(lockIds.archive('demo', 'dictionary')).describe()).status.name, 'COMPLETED');
    await assertEndIsSigned('t00000001');
    const again = await holdfast('archive', 'stop', 'demo');
    assert.equal(again.exitCode, errorTable.NotWaiting.exitCode);
    assert.match(again.stderr, /nothing runs under workflow id archive\/demo\/dictionary/);
  });

  await t.test('points, catalog, archive status and plan: the workflow answers what the command prints', async () => {
    const points = await json<{ sources: PointsPage[] }>('points', 'demo');
    assert.equal(points.sources[0]!.windows.length, 1);
    assert.deepEqual(await workflow('listRecoveryPoints', { system: 'demo' }), points);
    const lately = await json<{ sources: PointsPage[] }>('points', 'demo', '--days', '1');
    assert.deepEqual([lately.sources[0]!.windows.length, await workflow('listRecoveryPoints', { system: 'demo', since: lately.sources[0]!.since })], [1, lately]);
    const { catalogs } = await json<{ catalogs: CatalogPage[] }>('catalog', 'rebuild', 'demo');
    const rebuilt = await workflow<{ catalogs: CatalogPage[] }>('rebuildCatalog', { system: 'demo' });
    assert.deepEqual(untimed(rebuilt.catalogs), untimed(catalogs));
    const status = await json<{ archives: ArchiveStatus[] }>('archive', 'status', 'demo');
    const read = await workflow<{ archives: ArchiveStatus[] }>('readArchiveStatus', { system: 'demo' });
    assert.equal(read.archives[0]!.archivedTo, status.archives[0]!.archivedTo);
    assert.equal(read.archives[0]!.sourceReachable, true);
    const plan = await json<RecoveryPlan>('plan', 'demo');
    assert.deepEqual([plan.forecastMs, plan.forecastBasis], [null, null], 'no run has said yet how long it takes');
    const planned = await workflow<RecoveryPlan>('planRecovery', { system: 'demo' });
    assert.deepEqual(untimed([planned.runbook, planned.points]), untimed([plan.runbook, plan.points]));
    assert.deepEqual(planned.findings.filter(({ effect }) => effect === 'fails'), []);
    const ahead = await stack.start('planRecovery', { system: 'demo', targetTime: '2126-11-21T03:00:05Z' });
    assert.equal((await failureOf(ahead.result())).type, 'TargetTimeInFuture');
  });

  await t.test('ready: by the command itself while no watch runs, and by the watch once one does, which misses schedules that nobody has applied', async () => {
    const short = /^demo: (READY|AT RISK|NOT READY) +if disaster struck now: service back in .* of writes lost, of /m;
    const here = await holdfast('ready', 'demo');
    assert.match(here.stdout, short);
    assert.match(here.stdout, /dictionary: any moment from .* 1 bases/);
    assert.match(here.stdout, /looked at here: ready\/demo does not answer/);
    const watch = await stack.client.workflow.start('watchReadiness', { taskQueue: taskQueues.control, workflowId: lockIds.ready('demo'), args: [{ system: 'demo' }] });
    const byWatch = await until('the watch has looked', async () => {
      const said = await holdfast('ready', 'demo');
      return /by the watch/.test(said.stdout) ? said : undefined;
    }, 60_000, 1_000);
    assert.match(byWatch.stdout, short);
    assert.match(byWatch.stdout, /schedule demo\/full-backup is not on the server/);
    assert.equal(byWatch.exitCode, 1);
    await watch.signal(readinessSignals.stop.name);
    await watch.result();
  });

  await t.test('the audit has who asked for what, from the bucket and from the workflow, and its chain holds', async () => {
    const { entries, problems } = await json<AuditPage>('audit', 'list', 'demo');
    assert.deepEqual(problems, []);
    assert.deepEqual([...new Set(entries.map(({ act }) => act))].sort(), ['archive', 'back-up', 'read', 'stop']);
    assert.deepEqual(entries.filter(({ act }) => act === 'stop').map(({ by, about }) => [by, about]), [['dana', 'the archive of dictionary is stopped: a test'], [null, 'the watch on readiness is stopped']]);
    const page = await workflow<AuditPage>('readAudit', { system: 'demo', requestedBy: 'dana' });
    assert.deepEqual(page.entries.slice(0, -1), entries);
    assert.deepEqual([page.entries.at(-1)?.act, page.entries.at(-1)?.by, page.entries.at(-1)?.outcome], ['read-audit', 'dana', 'permitted']);
    assert.match(await ok('audit', 'verify', 'demo'), /^\d+ records, each signed and following the one before it$/m);
    assert.equal((await ok('audit', 'seal', 'demo')).trim(), 'no day of it is over yet');
  });
  const record = process.env['HOLDFAST_RECORD_HISTORIES'];
  if (record) await stack.recordHistories(record);

  /** More lines than a run keeps: the older ones are in the bucket, and every way to read them says the same. */
  const assertJournal = async (): Promise<void> => {
    const said = Array.from({ length: journalStateLines + 10 }, (_, n) => `comment: line ${n}`);
    for (let from = 0; from < said.length; from += 70) await Promise.all(said.slice(from, from + 70).map(async (text) => await stack.runHandle.signal('comment', { text: text.slice('comment: '.length), by: 'dana' })));
    const { of } = await until('a page is in the bucket', async () => {
      const newest = await stack.runHandle.query<JournalPage>('journal');
      return newest.pages > 1 ? newest : undefined;
    });
    const { pages, lines, missing } = await json<JournalRead>('journal', 'demo');
    assert.deepEqual([pages, missing], [2, []]);
    assert.deepEqual(lines.map(({ what }) => what).filter((what) => what.startsWith('comment: ')).sort(), [...said].sort(), 'each once');
    assert.ok(lines.some(({ about, what }) => about === 'approve-switch' && /^rejected .*wrong night$/.test(what)), JSON.stringify(lines.slice(0, 40)));
    const first = await json<JournalRead>('journal', 'demo', '--page', '1');
    assert.deepEqual(first.lines, lines.slice(0, journalPageLines));
    assert.match(await ok('journal', 'demo'), /^\S+Z {2}run {2}comment: line 0 \(dana\)$/m);
    const inBucket = await holdfastWith({ TEMPORAL_ADDRESS: '127.0.0.1:1' }, 'journal', 'demo', '--run', of.id, '--json');
    assert.deepEqual((JSON.parse(inBucket.stdout) as JournalRead).lines, first.lines, 'without Temporal too');
    assert.equal((await holdfast('journal', 'demo', '--page', '9')).exitCode, errorTable.BadInput.exitCode);
  };

  await t.test('reject pauses, a gate cannot be skipped, retry opens it again, abort undoes', async () => {
    const entry = await stack.start('recoverSystem', drill);
    await stack.stepIs('approve-switch', 'waiting');
    assert.match(await ok('reject', 'demo', '--by', 'dana', '--reason', 'wrong night'), /^reject: accepted, by dana \(claimed\)$/m);
    await stack.stepIs('approve-switch', 'failed');
    const skipped = await holdfast('skip', 'demo', '--by', 'dana', '--reason', 'in a hurry');
    assert.equal(skipped.exitCode, errorTable.NotPermitted.exitCode);
    assert.match(skipped.stderr, /cannot be skipped: it is an approval/);
    await ok('retry', 'demo', '--by', 'dana');
    await stack.stepIs('approve-switch', 'waiting');
    const own = await holdfast('approve', 'demo', '--by', 'ada');
    assert.equal(own.exitCode, errorTable.NotPermitted.exitCode, 'who asked cannot approve');
    await assertJournal();
    assert.match(await ok('abort', 'demo', '--by', 'dana', '--reason', 'enough'), /^abort: accepted/m);
    assert.equal((await failureOf(entry.result())).type, 'Aborted');
    const { entries } = await json<AuditPage>('audit', 'list', 'demo', '--act', 'abort');
    assert.deepEqual(entries.map(({ by, outcome, workflowId }) => [by, outcome, workflowId]), [['dana', 'permitted', 'recover/demo']], 'what people decide is in the audit');
    assert.deepEqual(await stack.open(), []);
  });

  await t.test('gates that ask for proof: a wrong code is refused, a right one counts once, a signature counts, and no secret is in the history', async (st) => {
    await approveWithProof(st, stack, holdfastWith);
  });

  await t.test('a drill leaves one report in one bundle, counts as a verification, and its history is a page; a backup’s report is kept and listed', async () => {
    const page = join(tempDir(t), 'drills.html');
    assert.match(await ok('drills', 'demo', '--out', page), /^demo\/drill: NOT APPLIED: nothing starts it \(holdfast apply\); last never$/m);
    assert.match(readFileSync(page, 'utf8'), /<h1 class="warn">1 of 1 schedules of drills of demo are not applied<\/h1>.*<svg/s);
    const { drills } = await json<DrillHistory>('drills', 'demo');
    // Its archive was stopped for a while, which is past the RPO: a drill that proved all the same.
    const { run, sources } = drills.find(({ result }) => result !== 'failed')!;
    assert.equal((await stack.keys(layout.evidenceBundles('demo', { in: 'runs', id: run }))).length, 1);
    const { store, keys } = await stack.source();
    const restored = (await readVerifications({ store, keys }, { system: 'demo', source: 'dictionary' })).filter(({ scope }) => scope === 'restore');
    // The one that was aborted at its gate had restored and compared as much.
    assert.deepEqual(restored.map(({ ok: equal, backup }) => [equal, backup]), Array(2).fill([true, sources[0]!.backup]));
    assert.equal(restored[1]!.run, run);
    assert.ok(restored[0]!.objects > 1 && restored[0]!.bytes > 0, JSON.stringify(restored));
    const [, id] = /^\S+Z {2}(backup-\d{8}T\d{6}Z-[0-9a-f]{8}) {2}Backup done/m.exec(await ok('reports', 'demo'))!;
    assert.match(await ok('reports', 'demo', id!), /Read back +every byte; .*Why: for the test;/s);
  });

  await withCommanded(stack, async () => {
    await t.test('plan says what a program that is nowhere, and a front door that is down, would fail, and when service would be back by what drills took', async () => await planWhatFails(stack, { holdfast, ok, json }));
    await t.test('every other command of a run, by the command line', async (st) => await commandARun(st, stack, { holdfast, ok, json }));
  });

  await t.test('the real primary is lost, and a person in the Temporal UI has nothing else: started, read, refused, approved, done', { skip: noChromium }, async (st) => {
    await stack.startArchive();
    await commandFromUi(st, stack);
    // Its archive runs on, at the standby: so does that of any worker that is told to end.
    await stack.stopWorker();
    await assertEndIsSigned('t00000002');
  });

  await t.test('each run has left signed evidence that fits the audit, by the bucket and the public keys alone; a report that is laid over one is found', async () => {
    const alone = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
    const verified = await holdfastWith(alone, 'evidence', 'verify', '--all', '--system', 'demo', '--json');
    const { evidence, problemCount } = JSON.parse(verified.stdout) as { evidence: EvidenceRead[]; problemCount: number };
    assert.deepEqual([verified.exitCode, problemCount], [0, 0], verified.stdout + verified.stderr);
    const { of, outcome } = evidence.at(-1)!;
    assert.ok(evidence.some((one) => one.outcome === 'aborted') && outcome !== null, JSON.stringify(evidence));
    assert.equal((await holdfastWith(alone, 'audit', 'verify', 'demo')).exitCode, 0);
    const to = join(tempDir(t), 'evidence');
    await ok('evidence', 'get', 'demo', of.id, '--to', to);
    assert.match(await ok('evidence', 'verify', join(to, 'evidence.json')), /^1 signed, whole$/m);
    appendFileSync(join(to, 'report.md'), 'and more');
    assert.equal((await holdfast('evidence', 'verify', join(to, 'evidence.json'))).exitCode, errorTable.Tampered.exitCode);
    const { store } = await stack.source();
    await store.put(layout.evidence('demo', of.id, 'report.json'), Buffer.from('{}'));
    const forged = await holdfastWith(alone, 'evidence', 'verify', of.id, '--system', 'demo', '--json');
    assert.equal(forged.exitCode, errorTable.Tampered.exitCode);
    assert.match(forged.stdout, /report\.json.*is of no bundle/s);
  });
});
