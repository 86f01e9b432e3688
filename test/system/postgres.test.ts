import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import type { BackupSummary } from '../../workflows/contract.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { details } from '../workflows/lab.ts';
import { postgresMissing, startPostgres, type Postgres } from '../harness/postgres.ts';
import type { StoreRequest } from '../harness/store-proxy.ts';
import { SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';

const skip = await postgresMissing();
const system = 'books';
const source = 'ledger';
const scope = { system, source, timeline: 't00000001' };

const isPut = ({ method, query }: StoreRequest): boolean => method === 'PUT' && !query.has('retention');
const isGet = ({ method }: StoreRequest): boolean => method === 'GET';
const partIndex = (key: string): number => Number(key.slice(key.lastIndexOf('/') + 1).split('.')[0]);

/** A system file beside the stack's own, with its store, its keys and its front door. */
function writeSystem(stack: SystemStack, from: Postgres, to: Postgres): void {
  const demo = parse(readFileSync(join(stack.home, 'systems', 'demo.yaml'), 'utf8')) as SystemFile;
  const endpoint = ({ port }: Postgres, database: string) => ({ protection: 'production' as const, endpoints: { [source]: { uri: `postgres://127.0.0.1:${port}/${database}` } } });
  const steps = ['declare', 'find-recovery-point', 'provision', 'restore', 'replay', 'build-indexes', 'validate', 'approval', 'fence', 'drain', 'promote', 'protect', 'report'];
  const file: SystemFile = {
    system,
    title: 'Books',
    objectives: { rto: '10m', rpo: '24h' },
    environments: { production: endpoint(from, 'ledger'), dr: endpoint(to, 'ledger') },
    sources: { [source]: { engine: 'postgres', environment: 'production' } },
    stores: demo.stores,
    key: demo.key,
    standby: { environment: 'dr', provision: { [source]: { uses: 'database', directory: join(stack.home, 'books-claim') } } },
    fence: {},
    traffic: demo.traffic,
    approvals: { 'approve-switch': { description: 'May it?', notRequester: false } },
    runbook: { steps: steps.map((step, at) => ({ id: step, uses: step, ...(at > 0 ? { needs: [steps[at - 1]!] } : {}), ...(step === 'approval' ? { with: { gate: 'approve-switch' } } : {}) })) as SystemFile['runbook']['steps'] },
  };
  writeFileSync(join(stack.home, 'systems', `${system}.yaml`), stringify(file));
}

test('a worker killed in the middle of a PostgreSQL base and of its restore: another snapshot, no part twice, and the end is right', { skip, timeout: 300_000 }, async (t) => {
  const stack = await SystemStack.start(t);
  const from = await startPostgres(t);
  const to = await startPostgres(t);
  await from.query('CREATE DATABASE ledger');
  await from.query(`CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 1000);
    CREATE TABLE entries (id bigserial PRIMARY KEY, account int REFERENCES small (id), note text); ALTER TABLE entries ALTER note SET STORAGE plain;
    INSERT INTO entries (account, note) SELECT 1 + i % 1000, repeat(md5(i::text), 50) FROM generate_series(1, 30000) AS i`, [], 'ledger');
  const [{ oid }] = (await from.query(`SELECT 'entries'::regclass::oid AS oid`, [], 'ledger')) as [{ oid: number }];
  const ofEntries = (of: StoreRequest, index: number): boolean => of.key.includes(`/parts/${oid}/`) && partIndex(of.key) === index;
  writeSystem(stack, from, to);
  await stack.startWorker();

  let backup!: BackupSummary;
  await t.test('backup: its snapshot died with the worker, so it begins again, and says so', async () => {
    const held = stack.store.hold((of) => isPut(of) && ofEntries(of, 1));
    const entry = await stack.start('backUpSystem', { system, requestedBy: 'test' });
    await held.reached;
    await stack.killWorker();
    held.release();
    // Of the moment that the sealed base is of, and not of the one before.
    await from.query('INSERT INTO small VALUES (1001)', [], 'ledger');
    await stack.startWorker();
    [backup] = (await entry.result()) as [BackupSummary];
    assert.match(await details(stack.handle(lockIds.backup(system))), /the snapshot that ledger was read at is gone \(.*\): the base begins again/);
    assert.equal(backup.documents, 31_001);
    const manifests = (await stack.keys(layout.backups(scope))).filter((key) => key.endsWith('/manifest.json'));
    assert.equal(manifests.length, 1);
    await until('no session is left at the source', async () => (await from.query(`SELECT FROM pg_stat_activity WHERE application_name LIKE 'holdfast%'`)).length === 0);
    assert.deepEqual(await stack.open(), []);
  });

  await t.test('restore: parts that were committed are not read again, and none is there twice', async () => {
    const held = stack.store.hold((of) => isGet(of) && ofEntries(of, 2) && stack.isDoing('restoreGroup'));
    const entry = await stack.start('recoverSystem', { system, requestedBy: 'test' });
    await held.reached;
    const before = await until('the first part is committed', async () => (await to.query<{ what: string }>('SELECT what FROM holdfast_restore.done WHERE what LIKE $1', [`%/parts/${oid}/%`], 'ledger')).map(({ what }) => what));
    await stack.killWorker();
    const killedAt = Date.now();
    held.release();
    await stack.startWorker();
    const run = stack.handle(lockIds.recover(system));
    await stack.runIs('the gate is open', ({ state }) => state.gates.some(({ gate, status }) => gate === 'approve-switch' && status === 'open'), 90_000, system);
    const again = stack.store.seen((of) => isGet(of) && before.some((key) => key.endsWith(of.key)), killedAt);
    assert.deepEqual(again, [], 'what was committed is not fetched again');
    await run.signal('approve', { gate: 'approve-switch', by: 'erik' });
    await stack.runIs('the second gate is open', ({ state }) => state.gates.some(({ gate, status }) => gate === 'accept-unproved-fence' && status === 'open'), 60_000, system);
    await run.signal('approve', { gate: 'accept-unproved-fence', by: 'fay' });
    const report = (await entry.result()) as RunReport;
    assert.equal(report.outcome, 'done, fence unproved');
    assert.deepEqual(await to.query(`SELECT (SELECT count(*)::int FROM small) AS small, (SELECT count(*)::int FROM entries) AS entries, (SELECT md5(string_agg(note, '' ORDER BY id)) FROM entries) AS sum`, [], 'ledger'), await from.query(`SELECT 1001 AS small, 30000 AS entries, (SELECT md5(string_agg(note, '' ORDER BY id)) FROM entries) AS sum`, [], 'ledger'));
    // The new side has a base of its own, in a timeline of its own.
    const bases = (await stack.keys(layout.backups({ ...scope, timeline: 't00000002' }))).filter((key) => key.endsWith('/manifest.json'));
    assert.equal(bases.length, 1);
    assert.deepEqual(await stack.open(), []);
  });
});
