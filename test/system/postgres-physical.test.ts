import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import pg from 'pg';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import type { ArchiveStatus, BackupSummary } from '../../workflows/contract.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { freePort } from '../harness/free-port.ts';
import { postgresMissing, startPostgres, type Postgres } from '../harness/postgres.ts';
import { SystemStack } from '../harness/system-stack.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { until } from '../harness/until.ts';

const system = 'books';
const source = 'ledger';

/** A system file beside the stack's own, with its store, its keys and its front door. */
function writeSystem(stack: SystemStack, { port }: Postgres, target: { port: number; directory: string }): void {
  const demo = parse(readFileSync(join(stack.home, 'systems', 'demo.yaml'), 'utf8')) as SystemFile;
  const endpoint = (at: number) => ({ protection: 'production' as const, endpoints: { [source]: { uri: `postgresql://127.0.0.1:${at}/postgres` } } });
  const steps = ['declare', 'find-recovery-point', 'provision', 'restore', 'replay', 'build-indexes', 'validate', 'approval', 'fence', 'drain', 'promote', 'protect', 'report'];
  const file: SystemFile = {
    system,
    title: 'Books, as files',
    objectives: { rto: '10m', rpo: '5s' },
    environments: { production: endpoint(port), dr: endpoint(target.port) },
    sources: { [source]: { engine: 'postgres-physical', environment: 'production', wal: { by: 'receive' }, archive: { every: '1s' } } },
    stores: demo.stores,
    key: demo.key,
    standby: { environment: 'dr', provision: { [source]: { uses: 'local', directory: target.directory } } },
    fence: {},
    traffic: demo.traffic,
    approvals: { 'approve-switch': { description: 'May it?', notRequester: false } },
    validators: [],
    runbook: { steps: steps.map((step, at) => ({ id: step, uses: step, ...(at > 0 ? { needs: [steps[at - 1]!] } : {}), ...(step === 'approval' ? { with: { gate: 'approve-switch' } } : {}) })) as SystemFile['runbook']['steps'] },
  };
  writeFileSync(join(stack.home, 'systems', `${system}.yaml`), stringify(file));
}

test('a PostgreSQL server that is gone is recovered from its base and its received log, by a worker that is killed in the middle: the report has the RPO, and the new side is archived', { skip: await postgresMissing(), timeout: 300_000 }, async (t) => {
  let directory = '';
  t.after(async () => void (await stopByPidFile(join(directory, 'server.pid'), 'SIGKILL')));
  const stack = await SystemStack.start(t);
  const place = tempDir(t, 'holdfast-books-');
  chmodSync(place, 0o755);
  directory = join(place, 'dr');
  const from = await startPostgres(t);
  await from.query('CREATE TABLE entries (id int PRIMARY KEY); INSERT INTO entries SELECT generate_series(1, 1000)');
  const port = await freePort();
  writeSystem(stack, from, { port, directory });
  await stack.startWorker();

  const archiveOf = async (): Promise<ArchiveStatus> => ((await (await stack.start('readArchiveStatus', { system })).result()) as { archives: ArchiveStatus[] }).archives[0]!;
  await stack.start('archiveLog', { system });
  const [backup] = (await (await stack.start('backUpSystem', { system, requestedBy: 'test' })).result()) as [BackupSummary];
  assert.equal(backup.unproved.length, 0);
  await from.query('INSERT INTO entries SELECT generate_series(1001, 2000)');
  await until('the log to be archived to its end', async () => (await archiveOf()).rpoMs === 0, 60_000, 1_000);
  await from.kill();

  const held = stack.store.hold(({ method, key }) => method === 'GET' && key.includes('/slices/') && stack.isDoing('replayLog'));
  const entry = await stack.start('recoverSystem', { system, requestedBy: 'test' });
  await held.reached;
  await stack.killWorker();
  held.release();
  await stack.startWorker();
  const run = stack.handle(lockIds.recover(system));
  const gate = async (name: string, by: string): Promise<void> => {
    await stack.runIs(`the gate ${name} is open`, ({ state }) => state.gates.some((one) => one.gate === name && one.status === 'open'), 120_000, system);
    await run.signal('approve', { gate: name, by });
  };
  await gate('approve-switch', 'erik');
  await gate('accept-unproved-fence', 'fay');
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done, fence unproved');
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
  await client.connect();
  const { rows } = await client.query<{ rows: number }>('SELECT count(*)::int AS rows FROM entries');
  await client.query('INSERT INTO entries VALUES (2001)');
  await client.end();
  assert.equal(rows[0]!.rows, 2000);
  assert.equal((await archiveOf()).timeline, 't00000002');
});
