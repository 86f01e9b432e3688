import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { notice, notifierConformance, send, type Place } from '../../conformance/notifier.ts';
import { caFile, startHttpReceiver, type HttpReceiver } from '../../harness/http-receiver.ts';

interface Event {
  routing_key: string;
  event_action: string;
  dedup_key: string;
  client_url: string;
  payload: { summary: string; severity: string; source: string; custom_details: { what: string[]; how_to_answer: string[] } };
}
const readEvent = ({ body }: HttpReceiver['requests'][number]): Event => JSON.parse(body) as Event;
const routingKey = 'r0123456789abcdef0123456789abcde';

async function open(t: TestContext): Promise<Place & { server: HttpReceiver }> {
  const server = await startHttpReceiver(t, { status: 202, body: '{"status":"success","message":"Event processed"}' });
  const config = { kind: 'pagerduty', routingKey: '${PAGERDUTY_KEY}', url: `${server.url}/v2/enqueue`, caFile } as const;
  return {
    server,
    config,
    distrusting: { ...config, caFile: undefined },
    secrets: { '${PAGERDUTY_KEY}': routingKey },
    arrived: () => server.requests.map((request) => ({ text: request.body, key: readEvent(request).dedup_key })),
    behave: server.behave,
    stop: server.stop,
  };
}

notifierConformance('pagerduty', open);

test('pagerduty: what waits is triggered as critical, and resolved under the same key once somebody answered', async (t) => {
  const place = await open(t);
  await send(place);
  await send(place, notice({ id: '01JRUN/4-answered', phase: 'answered', severity: 'info', alert: { key: notice().alert!.key, state: 'closed' } }));
  const [opened, closed] = place.server.requests.map(readEvent);
  assert.deepEqual([opened!.routing_key, opened!.event_action, opened!.payload.severity, opened!.payload.source], [routingKey, 'trigger', 'critical', 'demo']);
  assert.deepEqual(opened!.payload.custom_details.how_to_answer, notice().answers);
  assert.deepEqual([closed!.event_action, closed!.dedup_key], ['resolve', opened!.dedup_key]);
});

test('pagerduty: a test leaves no incident open, and a key is never too long', async (t) => {
  const place = await open(t);
  await send(place, notice({ phase: 'test', alert: null, id: 'x'.repeat(300) }));
  const events = place.server.requests.map(readEvent);
  assert.deepEqual(events.map(({ event_action: action }) => action), ['trigger', 'resolve']);
  assert.equal(new Set(events.map(({ dedup_key: key }) => key)).size, 1);
  assert.ok(events[0]!.dedup_key.length <= 255);
});
