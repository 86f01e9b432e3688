import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readAudit } from '../../activities/audit/read-audit.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import { readPidFile, stopByPidFile } from '../../activities/tool/start-server.ts';
import { startObjectStoreServer } from '../../scripts/stack/object-store.ts';
import { directoryOf, pidFileOf } from '../../scripts/stack/stack-file.ts';
import { readSecret } from '../../scripts/stack/stack-secrets.ts';
import { startTemporal } from '../../scripts/stack/temporal.ts';
import type { DisposalOfAll } from '../../workflows/dispose-all.ts';
import type { DisposalList } from '../../workflows/domain/disposal/describe-list.ts';
import { errorTable, type HoldfastError } from '../../workflows/domain/errors.ts';
import type { StoreRequest } from '../harness/store-proxy.ts';
import { until } from '../harness/until.ts';
import { fillDictionary, SystemStack } from '../harness/system-stack.ts';

const source = 'dictionary';
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

const program = join(import.meta.dirname, '../../scripts/holdfast.ts');

test('all of a system is disposed of, on a whole stack', { timeout: 400_000 }, async (t) => {
  const stack = await SystemStack.start(t);
  stack.changeSystem((file) => {
    // Nothing is locked, or the disposal would wait for a day.
    delete file.stores[0]!.lock;
    file.disposal = { approval: 'let-go' };
    file.approvals!['let-go'] = { description: 'May it go?' };
  });
  await stack.startWorker();
  await fillDictionary(stack, 1);
  const holdfast = async (...args: string[]): Promise<string> => (await runTool('node', [program, ...args], { env: { HOLDFAST_HOME: stack.home } })).stdout;
  await stack.startArchive();
  await stack.archiveIsUpToDate();
  await holdfast('backup', 'demo');
  await (await stack.start('backUpSystem', { system: 'demo' })).result();
  await (await stack.start('markPoint', { system: 'demo', point: (await basesOf(stack))[0]!, state: 'hold', reason: 'a court asks for it', requestedBy: 'dana' })).result();
  await t.test('all of it is disposed of by the list that was shown, its store killed among the keys, its worker among the parts and its Temporal server at a certificate: each point has its certificate, and nothing can be restored', async () => {
    const whole = ['dispose', '--all', '--system', 'demo', '--reason', 'it is given up', '--by', 'dana'];
    const shown = async (): Promise<DisposalList> => (JSON.parse(await holdfast(...whole, '--dry-run', '--json')) as DisposalOfAll).list;
    const [held, newest] = await basesOf(stack);
    const { digest, points } = await shown();
    assert.deepEqual(points.map(({ point, refused }) => [point, refused.length]), [[held, 1], [newest, 0]]);
    for (const agreed of [[], ['--expected', digest]]) await assert.rejects(holdfast(...whole, ...agreed), /nothing of all of demo is disposed of: dictionary\/.* held by dana/);
    await (await stack.start('markPoint', { system: 'demo', point: held!, state: 'good', reason: 'the court is done', requestedBy: 'dana' })).result();
    await assert.rejects(holdfast(...whole), /nobody is at a terminal/);
    await assert.rejects(holdfast(...whole, '--expected', 'e'.repeat(64)), /has changed since it was shown/);
    const { workflowId } = JSON.parse(await holdfast(...whole, '--expected', digest, '--no-wait', '--json')) as { workflowId: string };
    const said = await until('status says how to answer', async () => {
      const text = await holdfast('status', 'demo');
      assert.match(text, /answer: holdfast approve/);
      return text;
    }, 60_000, 500);
    assert.match(said, new RegExp(`^${workflowId}  disposal demo: waits for people.*\\n  gate let-go: 0 of 1 approval .*\\n  answer: holdfast approve demo --workflow ${workflowId} --gate let-go --by NAME$`, 'm'));
    const wrapping = stack.store.hold((of) => isDeleted(of, '/keys/'));
    const parts = stack.store.hold((of) => isDeleted(of, '/parts/'));
    await holdfast('approve', 'demo', '--workflow', workflowId, '--by', 'erik');
    await wrapping.reached;
    await killStore(stack);
    wrapping.release();
    await startStore(stack);
    await parts.reached;
    await stack.killWorker();
    parts.release();
    await assert.rejects(holdfast('plan', 'demo'), ({ details }: HoldfastError) => details['exitCode'] === errorTable.NoRecoveryPoint.exitCode, 'all were ordered before the first went');
    const certifying = stack.store.hold(({ method, key }) => method === 'PUT' && key.includes('certificate.json'));
    await stack.startWorker();
    await certifying.reached;
    await killTemporal(stack);
    certifying.release();
    await startTemporal(stack.file, { tiedToUs: true });
    const disposal = stack.client.workflow.getHandle(workflowId);
    await until('it has ended', async () => (await disposal.describe().catch(() => undefined))?.status.name === 'COMPLETED', 90_000);
    const result = (await disposal.result()) as DisposalOfAll;
    assert.deepEqual(result.points.map(({ point, outcome, certificate }) => [point, outcome, certificate !== null]).sort(), [[held, 'destroyed', true], [newest, 'destroyed', true]]);
    assert.match(await holdfast('disposals', 'verify', '--all', '--system', 'demo'), /2 signed, as the audit has it, and nothing of it is in the store/);
    assert.deepEqual((await stack.keys(`demo/${source}/`)).filter((key) => key.includes('/backups/')), []);
    const { store, keys } = await stack.source();
    const acts = (await readAudit({ store, keys }, 'demo')).entries.filter((one) => one.workflowId === workflowId).map(({ by, act, outcome }) => `${by} ${act} ${outcome}`);
    assert.deepEqual(acts, ['dana dispose permitted', 'erik approve permitted', 'dana dispose permitted', 'dana dispose permitted', 'dana dispose done', 'dana dispose done'], 'asked for, approved, each begun, each certified');
  });
});

/** The oldest first. */
const basesOf = async (stack: SystemStack): Promise<string[]> => (await rebuildCatalog(await stack.source(), { system: 'demo', source })).bases.map(({ backup }) => backup).sort();
