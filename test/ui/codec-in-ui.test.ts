import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Client } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Page } from 'playwright-core';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startTool } from '../../activities/tool/run-tool.ts';
import { readDataConverter } from '../../workers/codec/data-converter.ts';
import { payloadKeysVariable } from '../../workers/codec/payload-keys.ts';
import { taskQueues } from '../../workflows/contract.ts';
import { freePort } from '../harness/free-port.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { until } from '../harness/until.ts';
import { noChromium, openBrowser } from './browser.ts';
import { TemporalUi } from './temporal-ui.ts';

/** Below it a stack trace begins, with paths of whoever took the picture. */
const pictureHeight = 638;
/** What only somebody with the key may read: of the input, and of the failure. */
const secrets = ['marked-input', 'take a base'];

test('in the real UI what is encrypted is read by who signed in to the codec server, and by nobody else', { skip: noChromium, timeout: 180_000 }, async (t) => {
  const uiPort = await freePort();
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path: findTool('temporal') }, ui: true, uiPort } });
  t.after(async () => await environment.teardown());
  const uiUrl = `http://127.0.0.1:${uiPort}`;
  const directory = tempDir(t);
  const [keys, token] = [join(directory, 'payload-keys'), join(directory, 'codec-token')];
  writeFileSync(keys, `k ${randomBytes(32).toString('hex')}\n`);
  writeFileSync(token, 'open-sesame\n');
  startProcess(t, join(import.meta.dirname, '..', 'workers', 'toy-worker.ts'), [], { TEMPORAL_ADDRESS: environment.address, [payloadKeysVariable]: keys });
  const codec = startProcess(t, join(import.meta.dirname, '..', '..', 'scripts', 'holdfast.ts'), ['codec', 'serve', '--ui', uiUrl, '--token', `file:${token}`], { [payloadKeysVariable]: keys });
  const client = new Client({ connection: environment.connection, dataConverter: await readDataConverter({ [payloadKeysVariable]: keys }) });
  const refused = await client.workflow.start('toy', { taskQueue: taskQueues.control, workflowId: 'codec-in-ui', args: ['refuse', { note: secrets[0]! }] });
  await assert.rejects(refused.result());
  const codecUrl = await until('the codec server says where it is', () => /http:\/\/127\.0\.0\.1:\d+/.exec(codec.said())?.[0], 30_000);

  const { page, shoot } = await openBrowser(t);
  const ui = new TemporalUi(page, uiUrl);
  const open = async (): Promise<string> => {
    await ui.openWorkflow('codec-in-ui');
    await until('the page shows the end', async () => (await ui.status()) === 'Failed', 30_000);
    return await shown(page);
  };
  assert.deepEqual(readable(await open()), [], 'without a codec server');
  await shoot('codec-without', pictureHeight);

  await ui.setCodecServer(codecUrl);
  await signIn(page, codecUrl, 'close-sesame', /That is not the token/);
  const answers: number[] = [];
  page.on('response', (response) => void (response.url().startsWith(`${codecUrl}/decode`) && response.request().method() === 'POST' && answers.push(response.status())));
  assert.deepEqual(readable(await open()), [], 'after a wrong token');
  await until('the UI asked the codec server and was refused', () => answers.length > 0 && answers.every((status) => status === 401), 10_000);

  await signIn(page, codecUrl, 'open-sesame', /Signed in/);
  await open();
  await until('the UI shows input and failure', async () => readable(await shown(page)).length === secrets.length, 30_000);
  await shoot('codec-with', pictureHeight);

  await ui.start(`${uiUrl}/namespaces/default/workflows/start-workflow?${new URLSearchParams({ taskQueue: taskQueues.control, workflowType: 'toy', workflowId: 'typed' }).toString()}`, '"refuse"');
  const { events } = await environment.client.workflow.getHandle('typed').fetchHistory();
  const [typed] = events![0]!.workflowExecutionStartedEventAttributes!.input!.payloads!;
  assert.deepEqual([Buffer.from(typed!.metadata!['encoding']!).toString(), Buffer.from(typed!.data!).includes('refuse')], ['binary/encrypted', false], 'what is typed is encrypted before Temporal has it');
  // A worker that could not read it would try for ever.
  await assert.rejects(client.workflow.getHandle('typed').result());

  const ask = async (): Promise<string | number> =>
    await page.evaluate<string | number>(`fetch('${codecUrl}/decode', { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body: '{"payloads":[]}' }).then((answer) => answer.status, (error) => error.name)`);
  assert.equal(await ask(), 200, 'a page of the UI, signed in');
  const foreign = createServer((_, response) => response.end('<!doctype html><title>elsewhere</title>'));
  await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
  t.after(() => foreign.close());
  await page.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`);
  assert.equal(await ask(), 'TypeError', 'a page from elsewhere, in the same signed-in browser');
});

const readable = (text: string): string[] => secrets.filter((secret) => text.includes(secret));

/** Editors lay long lines out in pieces: whatever a person could see or copy. */
const shown = async (page: Page): Promise<string> => `${await page.getByRole('main').innerText()}\n${await page.getByRole('main').textContent()}`;

async function signIn(page: Page, codecUrl: string, token: string, answer: RegExp): Promise<void> {
  await page.goto(codecUrl);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText(answer).waitFor();
}

function startProcess(t: TestContext, program: string, args: string[], env: Record<string, string>): { said(): string } {
  let said = '';
  const started = startTool('node', [program, ...args], { env, graceMs: 20_000 });
  started.stdout.on('data', (bytes) => void (said += String(bytes)));
  started.done.catch(() => undefined);
  t.after(async () => await started.kill());
  return { said: () => said };
}
