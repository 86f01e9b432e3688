import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Client, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, defaultPayloadConverter, type Payload } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { findTool } from '../../../activities/tool/find-tool.ts';
import { runTool, startTool } from '../../../activities/tool/run-tool.ts';
import { readActivities } from '../../../scripts/status/read-activities.ts';
import { readDataConverter } from '../../../workers/codec/data-converter.ts';
import { AesPayloadCodec } from '../../../workers/codec/payload-codec.ts';
import { payloadKeysVariable, readPayloadKeys } from '../../../workers/codec/payload-keys.ts';
import { serveCodec } from '../../../workers/codec/serve-codec.ts';
import { taskQueues } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { textsOf } from '../../harness/texts-of.ts';
import { until } from '../../harness/until.ts';

const hex = (): string => randomBytes(32).toString('hex');
const payload = defaultPayloadConverter.toPayload({ said: 'the old primary is fenced' });
const isNamed = (type: string, words: RegExp) => (error: unknown) => error instanceof HoldfastError && error.type === type && words.test(error.message);

function keyFile(t: TestContext, ...lines: string[]): string {
  const path = join(tempDir(t), 'payload-keys');
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

const codecOf = async (path?: string): Promise<AesPayloadCodec> => new AesPayloadCodec(await readPayloadKeys(path === undefined ? {} : { [payloadKeysVariable]: path }));
const only = (payloads: Payload[]): Payload => payloads[0]!;
const read = (one: Payload): unknown => defaultPayloadConverter.fromPayload(one);

test('a payload comes back as it was, and nothing of it can be read on the way', async (t) => {
  const codec = await codecOf(keyFile(t, '# of the autumn', `autumn ${hex()}`));
  const sealed = only(await codec.encode([payload]));
  assert.equal(Buffer.from(sealed.metadata!['encryption-key-id']!).toString(), 'autumn');
  assert.ok(!Buffer.from(sealed.data!).includes('primary') && !Object.values(sealed.metadata!).some((value) => Buffer.from(value).includes('json')));
  assert.deepEqual(read(only(await codec.decode([sealed]))), read(payload));
  const again = only(await codec.encode([payload]));
  assert.notDeepEqual(again.data, sealed.data, 'the same words twice do not look the same');
});

test('a new key on top encrypts, and the old one still opens; without it the error names it', async (t) => {
  const [old, fresh] = [hex(), hex()];
  const sealedBefore = await (await codecOf(keyFile(t, `old ${old}`))).encode([payload]);
  const both = await codecOf(keyFile(t, `fresh ${fresh}`, `old ${old}`));
  assert.deepEqual(read(only(await both.decode(sealedBefore))), read(payload));
  assert.equal(Buffer.from(only(await both.encode([payload])).metadata!['encryption-key-id']!).toString(), 'fresh');
  await assert.rejects((await codecOf(keyFile(t, `fresh ${fresh}`))).decode(sealedBefore), isNamed('WrongKey', /key "old"; known here: fresh\. HINT/));
  await assert.rejects((await codecOf()).decode(sealedBefore), isNamed('WrongKey', /key "old"; HOLDFAST_PAYLOAD_KEYS is not set/));
  await assert.rejects((await codecOf(keyFile(t, `old ${fresh}`))).decode(sealedBefore), isNamed('WrongKey', /does not open with it/));
});

test('a flipped bit anywhere in it is refused', async (t) => {
  const codec = await codecOf(keyFile(t, `k ${hex()}`));
  const sealed = only(await codec.encode([payload]));
  for (let at = 0; at < sealed.data!.length; at += 1) {
    const flipped = Buffer.from(sealed.data!);
    flipped[at]! ^= 1;
    await assert.rejects(codec.decode([{ ...sealed, data: flipped }]), isNamed('WrongKey', /does not open/), `byte ${at}`);
  }
  for (const length of [0, 11, 12, 27]) await assert.rejects(codec.decode([{ ...sealed, data: sealed.data!.subarray(0, length) }]), isNamed('WrongKey', /does not open/), `${length} bytes`);
});

test('without keys nothing changes, and what was plain before the keys stays readable', async (t) => {
  assert.deepEqual(await (await codecOf()).encode([payload]), [payload]);
  assert.deepEqual(await (await codecOf(keyFile(t, `k ${hex()}`))).decode([payload]), [payload]);
});

test('a key file that cannot be used is refused with its line, never with what stands there', async (t) => {
  const bad = `k ${hex().slice(1)}`;
  await assert.rejects(codecOf(keyFile(t, '', bad)), (error: unknown) => isNamed('BadInput', /payload-keys, line 2: expected an id/)(error) && !(error as Error).message.includes(bad.slice(2)));
  await assert.rejects(codecOf(keyFile(t, `k ${hex()}`, `k ${hex()}`)), isNamed('BadInput', /line 2: the id "k" stands there twice/));
  await assert.rejects(codecOf(keyFile(t, '# nothing')), isNamed('BadInput', /no key in it/));
  await assert.rejects(codecOf(join(tempDir(t), 'none')), isNamed('BadInput', /cannot be read \(ENOENT\)/));
});

test('a key is made on the command line, and another on top of it', async (t) => {
  const file = join(tempDir(t), 'keys');
  const make = async (): Promise<{ id: string; keys: number }> => {
    const { stdout } = await runTool('node', [join(import.meta.dirname, '../../../scripts/holdfast.ts'), 'codec', 'new-key', file, '--json']);
    return JSON.parse(stdout) as { id: string; keys: number };
  };
  const first = await make();
  const second = await make();
  assert.deepEqual([first.keys, second.keys], [1, 2]);
  assert.deepEqual((await readPayloadKeys({ [payloadKeysVariable]: file })).map(({ id }) => id), [second.id, first.id]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('with the setting on, Temporal keeps nothing that can be read: input, heartbeat, failure', async (t) => {
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path: findTool('temporal') } } });
  t.after(async () => await environment.teardown());
  const keys = keyFile(t, `k ${hex()}`);
  const worker = startTool('node', [join(import.meta.dirname, '../toy-worker.ts')], { env: { TEMPORAL_ADDRESS: environment.address, [payloadKeysVariable]: keys }, graceMs: 20_000 });
  worker.done.catch(() => undefined);
  t.after(async () => await worker.kill());
  const clientWith = async (env: NodeJS.ProcessEnv): Promise<Client> => new Client({ connection: environment.connection, dataConverter: await readDataConverter(env) });
  const [knows, blind] = [await clientWith({ [payloadKeysVariable]: keys }), await clientWith({})];
  const start = async (job: string) => await knows.workflow.start('toy', { taskQueue: taskQueues.control, workflowId: `codec-${job}`, args: [job, { note: 'marked-input' }] });

  const working = await start('work');
  const [seen] = await until('a heartbeat is there', async () => {
    const activities = await readActivities(working, await working.describe());
    return activities[0]?.heartbeat ? activities : undefined;
  }, 60_000);
  assert.deepEqual([seen!.heartbeat?.phase, seen!.heartbeat?.done, seen!.heartbeat?.of], ['work', 1, 4]);
  const unseen = blind.workflow.getHandle(working.workflowId);
  await assert.rejects(readActivities(unseen, await unseen.describe()), isNamed('WrongKey', /key "k"; HOLDFAST_PAYLOAD_KEYS is not set/));
  await working.cancel();
  await assert.rejects(working.result(), WorkflowFailedError);

  const refused = await start('refuse');
  const failure = await refused.result().then(() => assert.fail('it succeeded'), (error: WorkflowFailedError) => error.cause?.cause);
  assert.ok(failure instanceof ApplicationFailure);
  assert.deepEqual([failure.type, failure.message, failure.details], ['LogGap', 'log ends at 7 HINT: take a base', [{ at: 7 }]]);
  for (const { workflowId } of [working, refused]) {
    const history = textsOf(await blind.workflow.getHandle(workflowId).fetchHistory()).join('\n');
    assert.ok(history.includes('binary/encrypted'), 'the history was looked at');
    for (const word of ['marked-input', 'log ends', 'take a base', 'phase', ' at file:']) assert.ok(!history.includes(word), `"${word}" stands in the history of ${workflowId}`);
  }
});

test('the codec server answers who has the token, and lets the pages of the UI alone read the answer', async (t) => {
  const codec = await codecOf(keyFile(t, `k ${hex()}`));
  const uiOrigin = 'http://127.0.0.1:8233';
  const server = await serveCodec({ codec, token: 'open-sesame', uiOrigin, host: '127.0.0.1', port: 0 });
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sealed = only(await codec.encode([payload]));
  const json = { payloads: [{ metadata: Object.fromEntries(Object.entries(sealed.metadata!).map(([name, value]) => [name, Buffer.from(value).toString('base64')])), data: Buffer.from(sealed.data!).toString('base64') }] };
  const decode = async (headers: Record<string, string>, body: unknown = json): Promise<Response> =>
    await fetch(`${url}/decode`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });

  const opened = await decode({ authorization: 'Bearer open-sesame' });
  const { payloads } = (await opened.json()) as { payloads: { metadata: { encoding: string }; data: string }[] };
  assert.deepEqual([payloads.length, Buffer.from(payloads[0]!.metadata.encoding, 'base64').toString(), JSON.parse(Buffer.from(payloads[0]!.data, 'base64').toString())], [1, 'json/plain', { said: 'the old primary is fenced' }]);

  const strangers: Record<string, string>[] = [{}, { authorization: 'Bearer close-sesame' }, { cookie: 'holdfast-codec=open-sesame', origin: uiOrigin }];
  for (const headers of strangers) {
    const refused = await decode(headers);
    assert.deepEqual([refused.status, (await refused.text()).includes('sign in')], [401, true]);
  }
  const signIn = async (token: string): Promise<Response> => await fetch(`${url}/`, { method: 'POST', body: new URLSearchParams({ token }) });
  assert.equal((await signIn('close-sesame')).status, 401);
  const cookie = (await signIn('open-sesame')).headers.get('set-cookie')!;
  assert.match(cookie, /HttpOnly; SameSite=Strict/);
  const [pair] = cookie.split(';');
  const fromUi = await decode({ cookie: pair!, origin: uiOrigin });
  assert.deepEqual([fromUi.status, fromUi.headers.get('access-control-allow-origin'), fromUi.headers.get('access-control-allow-credentials')], [200, uiOrigin, 'true']);
  const fromElsewhere = await decode({ cookie: pair!, origin: 'http://127.0.0.1:9999' });
  assert.deepEqual([fromElsewhere.status, fromElsewhere.headers.get('access-control-allow-origin')], [401, null]);
  const preflight = await fetch(`${url}/decode`, { method: 'OPTIONS', headers: { origin: uiOrigin, 'access-control-request-method': 'POST' } });
  assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, uiOrigin]);

  assert.equal((await decode({ authorization: 'Bearer open-sesame' }, { payloads: 'none' })).status, 400);
  const damaged = { payloads: [{ ...json.payloads[0], data: Buffer.from('damaged').toString('base64') }] };
  const said = await decode({ authorization: 'Bearer open-sesame' }, damaged);
  assert.deepEqual([said.status, /does not open/.test(await said.text())], [400, true]);
});
