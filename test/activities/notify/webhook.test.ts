import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { notice, notifierConformance, refusedWith, send, type Place } from '../../conformance/notifier.ts';
import { caFile, startHttpReceiver, type HttpReceiver } from '../../harness/http-receiver.ts';

const secret = `whsec_${Buffer.from('a signing secret of 32 bytes, ok').toString('base64')}`;

async function open(t: TestContext): Promise<Place & { server: HttpReceiver }> {
  const server = await startHttpReceiver(t, { status: 204, body: '' });
  const config = { kind: 'webhook', audience: 'internal', url: `${server.url}/holdfast`, secret: 'file:secret', caFile } as const;
  return {
    server,
    config,
    distrusting: { ...config, caFile: undefined },
    secrets: { 'file:secret': secret },
    arrived: () => server.requests.map(({ headers, body }) => ({ key: String(headers['idempotency-key']), text: body })),
    behave: server.behave,
    stop: server.stop,
  };
}

notifierConformance('webhook', open);

test('webhook: a receiver’s own library finds the signature right, and a changed body, id or time wrong', async (t) => {
  const place = await open(t);
  await send(place);
  const { headers, body } = place.server.requests[0]!;
  const signed = Object.fromEntries(['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => [name, String(headers[name])]));
  const verifier = new Webhook(secret);
  const read = verifier.verify(body, signed) as { type: string; data: { id: string; facts: unknown } };
  assert.equal(read.type, 'holdfast.approval');
  assert.deepEqual([read.data.id, headers['idempotency-key'], read.data.facts], [notice().id, notice().id, notice().facts]);
  assert.throws(() => verifier.verify(body.replace('demo', 'dem0'), signed));
  assert.throws(() => verifier.verify(body, { ...signed, 'webhook-id': 'another' }));
  assert.throws(() => verifier.verify(body, { ...signed, 'webhook-timestamp': String(Number(signed['webhook-timestamp']) + 1) }));
});

test('webhook: a message to people outside holds no alert and no link', async (t) => {
  const place = await open(t);
  await send(place, notice({ audience: 'external', facts: { service: 'AI writing' } }));
  const { data } = JSON.parse(place.server.requests[0]!.body) as { data: { alert: unknown; link: unknown } };
  assert.deepEqual([data.alert, data.link], [null, null]);
});

test('webhook: a secret too short to sign with is refused', async (t) => {
  const place = await open(t);
  const secrets = { 'file:secret': 'shortshort' };
  await refusedWith('BadSystemFile', { ...place, secrets }, send(place, notice(), { secrets }));
});
