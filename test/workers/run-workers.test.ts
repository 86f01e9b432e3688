import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure, CancelledFailure, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { parse, stringify } from 'yaml';
import { taskQueues } from '../../workflows/contract.ts';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startTimeOf, within } from '../../activities/tool/process-group.ts';
import { runTool, startTool, type RunningTool } from '../../activities/tool/run-tool.ts';
import { newSecrets } from '../harness/keys.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { textsOf } from '../harness/texts-of.ts';

let environment: TestWorkflowEnvironment;
before(async () => {
  environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path: findTool('temporal') } } });
});
after(async () => await environment.teardown());

interface ToyWorker {
  process: RunningTool;
  said: () => string;
}

async function startWorker(t: TestContext, env: Record<string, string> = {}): Promise<ToyWorker> {
  const worker = startTool('node', [join(import.meta.dirname, 'toy-worker.ts')], {
    env: { TEMPORAL_ADDRESS: environment.address, ...env },
    graceMs: 20_000,
  });
  worker.done.catch(() => undefined);
  t.after(async () => await worker.kill());
  let said = '';
  await new Promise<void>((resolve, reject) => {
    worker.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('polls')) resolve();
    });
    worker.done.then(() => reject(new Error('the worker ended')), reject);
  });
  return { process: worker, said: () => said };
}

const start = async (t: TestContext, job: string, input: Record<string, string> = {}): Promise<WorkflowHandle> => {
  const handle = await environment.client.workflow.start('toy', {
    taskQueue: taskQueues.control,
    workflowId: `toy-${randomBytes(4).toString('hex')}`,
    args: [job, input],
  });
  t.after(async () => await handle.terminate().catch(() => undefined));
  return handle;
};

/** The heartbeat details that a person sees in the UI, once they satisfy `condition`. */
async function heartbeat(handle: WorkflowHandle, condition: (details: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
  while (true) {
    const { raw } = await handle.describe();
    const [payload] = raw.pendingActivities?.[0]?.heartbeatDetails?.payloads ?? [];
    const details = payload ? defaultPayloadConverter.fromPayload<Record<string, unknown>>(payload) : undefined;
    if (details && condition(details)) return details;
    await sleep(50);
  }
}

const isGone = async (pid: unknown): Promise<boolean> => await within(10_000, () => startTimeOf(Number(pid)) === undefined);

test('with a worker that lives', async (t) => {
  await startWorker(t);

  await t.test('a heartbeat tells a person how far a job is', async (t) => {
    const handle = await start(t, 'work');
    const seen = await heartbeat(handle, ({ phase }) => phase === 'work');
    assert.deepEqual({ ...seen, pid: 0, grandchild: 0 }, { phase: 'work', done: 1, of: 4, unit: 'bytes', percent: 25, perSecond: null, leftMs: null, log: null, pid: 0, grandchild: 0 });
  });

  await t.test('a cancel ends the process group, and only then is the activity cancelled', async (t) => {
    const handle = await start(t, 'work');
    const { pid, grandchild } = await heartbeat(handle, ({ phase }) => phase === 'work');
    await handle.cancel();
    await assert.rejects(handle.result(), (error) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure);
    assert.equal(startTimeOf(Number(pid)), undefined, 'gone before the workflow ended');
    assert.ok(await isGone(grandchild));
  });

  await t.test('an error of ours ends the activity at once, with type, hint and details', async (t) => {
    const handle = await start(t, 'refuse');
    const failure = await handle.result().then(() => assert.fail('it succeeded'), causeOf);
    assert.deepEqual([failure.type, failure.message, failure.nonRetryable, failure.details], ['LogGap', 'log ends at 7 HINT: take a base', true, [{ at: 7 }]]);
  });

  await t.test('an unknown error is retried', async (t) => {
    const handle = await start(t, 'stumble');
    while (((await handle.describe()).raw.pendingActivities?.[0]?.attempt ?? 0) < 3) await sleep(50);
  });
});

test('a worker that is killed leaves no process behind, and the next one takes the job', async (t) => {
  const first = await startWorker(t);
  const handle = await start(t, 'work');
  const { pid, grandchild } = await heartbeat(handle, ({ phase }) => phase === 'work');
  process.kill(first.process.pid, 'SIGKILL');
  assert.ok(await isGone(pid), 'the data plane');
  assert.ok(await isGone(grandchild), 'what the data plane had started');
  await startWorker(t);
  const again = await heartbeat(handle, (details) => details['phase'] === 'work' && details['pid'] !== pid);
  await handle.cancel();
  await assert.rejects(handle.result(), WorkflowFailedError);
  assert.ok(await isGone(again['pid']));
});

test('a worker that is told to stop ends its jobs and itself in order', async (t) => {
  const worker = await startWorker(t);
  const handle = await start(t, 'work');
  const { pid } = await heartbeat(handle, ({ phase }) => phase === 'work');
  process.kill(worker.process.pid, 'SIGTERM');
  await worker.process.done;
  assert.match(worker.said(), /stopped/);
  assert.equal(startTimeOf(Number(pid)), undefined);
  const { raw } = await handle.describe();
  assert.equal(raw.pendingActivities?.length, 1, 'the activity waits for its next attempt');
});

test('a planted secret appears in no argument list, log line or history', async (t) => {
  const secret = randomBytes(32).toString('hex');
  const systems = tempDir(t);
  mkdirSync(join(systems, 'keys'));
  writeFileSync(join(systems, 'keys', 'shop.hex'), `${secret}\n`);
  const demo = parse(readFileSync(join(import.meta.dirname, '..', '..', 'systems', 'demo.yaml'), 'utf8')) as { key: Record<string, unknown> };
  writeFileSync(join(systems, 'shop.yaml'), stringify({ ...demo, system: 'shop', key: { ...demo.key, aes256: 'file:keys/shop.hex' } }));
  const worker = await startWorker(t, { HOLDFAST_SYSTEMS: systems, TOY_LOG: join(systems, 'log') });

  const argumentsSeen = new Set<string>();
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      for (const text of argumentLists()) argumentsSeen.add(text);
      await sleep(20);
    }
  })();
  const leaked = await start(t, 'leak');
  const failure = await leaked.result().then(() => assert.fail('it succeeded'), causeOf);
  const inProcess = await start(t, 'inProcess');
  while (((await inProcess.describe()).raw.pendingActivities?.[0]?.attempt ?? 0) < 2) await sleep(50);
  await inProcess.terminate();
  isOver = true;
  await watching;
  process.kill(worker.process.pid, 'SIGTERM');
  const log = `${readFileSync(join(systems, 'log'), 'utf8')}${(await worker.process.done).stderr}`;

  assert.equal(failure.message, 'mongodb://[credentials]@127.0.0.1/ said [secret]');
  assert.ok([...argumentsSeen].some((text) => text.includes('toy-main.ts')), 'argument lists were looked at');
  assert.ok(!([...argumentsSeen].some((text) => text.includes(secret))), 'argument lists');
  assert.match(log, /"type":"LogGap","message":"mongodb:\/\/\[credentials\]@127\.0\.0\.1\/ said \[secret\]"/);
  assert.ok(!log.includes(secret), 'log lines');
  for (const handle of [leaked, inProcess]) {
    const history = textsOf(await handle.fetchHistory()).join('\n');
    assert.ok(handle === inProcess || history.includes('said [secret]'), 'histories were looked at');
    assert.ok(!history.includes(secret), 'history');
  }
});

test('a worker whose only system has a key that is none does not start, and names where the key stands, never the key', async (t) => {
  const systems = tempDir(t);
  const demo = parse(readFileSync(join(import.meta.dirname, '..', '..', 'systems', 'demo.yaml'), 'utf8')) as { key: Record<string, unknown> };
  writeFileSync(join(systems, 'shop.yaml'), stringify({ ...demo, system: 'shop', key: { ...demo.key, aes256: '${SHOP_BACKUP_KEY}', signing: { privateKey: 'file:private', publicKeys: ['file:public'] } } }));
  const secrets = newSecrets();
  for (const [ref, name] of [['${PRIVATE}', 'private'], ['${PUBLIC}', 'public']] as const) writeFileSync(join(systems, name), secrets[ref]!);
  const main = join(import.meta.dirname, '..', '..', 'workers', 'main.ts');
  await assert.rejects(runTool('node', [main], { env: { HOLDFAST_SYSTEMS: systems, SHOP_BACKUP_KEY: 'planted-secret-value', TEMPORAL_ADDRESS: '127.0.0.1:1' }, timeoutMs: 60_000 }), (error: Error) => {
    assert.match(error.message, /ended with code 1; it said: .*key\.aes256 \(\$\{SHOP_BACKUP_KEY\}\): expected 32 bytes as 64 hex digits, found 20 characters/s);
    assert.doesNotMatch(error.message, /planted/);
    return true;
  });
});

function argumentLists(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  });
}

function causeOf(error: unknown): ApplicationFailure {
  const cause = error instanceof WorkflowFailedError ? (error.cause?.cause as unknown) : undefined;
  assert.ok(cause instanceof ApplicationFailure, String(error));
  return cause;
}
