import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { backupDone, backupFailed } from '../../../workflows/domain/notify/other-notices.ts';
import { notice, notifierConformance, refusedWith, send, type Place } from '../../conformance/notifier.ts';
import { caFile, startHttpReceiver, type HttpReceiver } from '../../harness/http-receiver.ts';

const key = '0123456789abcdef0123456789abcdef';

/** An envelope as its receiver reads it: by the length that its item says. */
function readEnvelope({ body }: HttpReceiver['requests'][number]): { header: { event_id?: string }; type: string; item: Record<string, unknown> } {
  const bytes = Buffer.from(body);
  const first = bytes.indexOf('\n');
  const second = bytes.indexOf('\n', first + 1);
  const { type, length } = JSON.parse(bytes.subarray(first + 1, second).toString()) as { type: string; length: number };
  assert.equal(bytes[second + 1 + length], 0x0a, 'the item ends where its length says');
  return { header: JSON.parse(bytes.subarray(0, first).toString()) as { event_id?: string }, type, item: JSON.parse(bytes.subarray(second + 1, second + 1 + length).toString()) as Record<string, unknown> };
}

async function open(t: TestContext): Promise<Place & { server: HttpReceiver }> {
  const server = await startHttpReceiver(t, { status: 200, body: '{"id":"1"}', refusal: 403 });
  const config = { kind: 'sentry', dsn: 'file:dsn', environment: 'production', monitor: 'demo-backup', caFile } as const;
  return {
    server,
    config,
    distrusting: { ...config, caFile: undefined },
    secrets: { 'file:dsn': `https://${key}@${server.host}/42` },
    arrived: () => server.requests.map((request) => {
      const { item, header } = readEnvelope(request);
      return { key: header.event_id ?? null, text: `${(item['message'] as { formatted: string }).formatted}\n${JSON.stringify(item['extra'])}` };
    }),
    behave: server.behave,
    stop: server.stop,
  };
}

notifierConformance('sentry', open);

test('sentry: trouble is an event of its project, grouped by what it is about; what is over is none', async (t) => {
  const place = await open(t);
  await send(place);
  assert.match(await send(place, notice({ id: 'other', phase: 'answered', severity: 'info', alert: { key: 'k', state: 'closed' } })), /nothing to say/);
  assert.equal(place.server.requests.length, 1);
  const [request] = place.server.requests;
  const { header, type, item } = readEnvelope(request!);
  assert.deepEqual([request!.path, type, item['level'], item['event_id']], ['/api/42/envelope/', 'event', 'fatal', header.event_id]);
  assert.match(String(request!.headers['x-sentry-auth']), new RegExp(`^Sentry sentry_version=7, .*sentry_key=${key}$`));
  assert.match(header.event_id!, /^[0-9a-f]{32}$/);
  assert.deepEqual(item['fingerprint'], ['holdfast', 'demo', 'approval', 'approve-switch']);
});

test('sentry: a backup checks in at its monitor, done or failed', async (t) => {
  const place = await open(t);
  const origin = { system: 'demo', run: 'backup/demo/r1', number: 1, at: '2026-11-21T03:00:00.000Z' };
  await send(place, backupDone(origin, [], 90_000));
  await send(place, backupFailed({ ...origin, number: 2 }, 'StoreUnavailable: no answer', 5_000));
  const seen = place.server.requests.map((request) => readEnvelope(request));
  assert.deepEqual(seen.map(({ type, item }) => [type, item['status'] ?? item['level']]), [['check_in', 'ok'], ['check_in', 'error'], ['event', 'error']]);
  assert.deepEqual([seen[0]!.item['monitor_slug'], seen[0]!.item['duration'], seen[0]!.item['environment']], ['demo-backup', 90, 'production']);
  assert.match(String(seen[0]!.item['check_in_id']), /^[0-9a-f]{32}$/);
});

test('sentry: what is no DSN is refused, and not shown', async (t) => {
  const place = await open(t);
  const secrets = { 'file:dsn': 'https://sentry.example/without-a-key' };
  await refusedWith('BadSystemFile', { ...place, secrets }, send(place, notice(), { secrets }));
});
