import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { parse, stringify } from 'yaml';
import { largestBodyBytes, serveAlerts, type AlertStart, type Taken } from '../../../workers/listen/serve-alerts.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const token = 'a token of alertmanager';
const secret = 'a signing secret of pagerduty';

interface Place {
  url: string;
  starts: AlertStart[];
  log: string[];
  /** Temporal does not answer */
  away: boolean;
  server: Server;
}

/** The shipped ai-writing under the name `heard`, with a listen block; a server on loopback, and Temporal's memory of ids as a set. */
async function openPlace(t: TestContext): Promise<Place> {
  const directory = tempDir(t);
  writeFileSync(join(directory, 'token'), `${token}\n`);
  writeFileSync(join(directory, 'secret'), `${secret}\n`);
  const shipped = parse(readFileSync(join(import.meta.dirname, '..', '..', '..', 'systems', 'ai-writing.yaml'), 'utf8')) as Record<string, unknown>;
  const listen = {
    alertmanager: { token: 'file:token' },
    pagerduty: { secrets: ['file:old-secret', 'file:secret'] },
    alerts: { down: { match: { alertname: 'MongoDown', cluster: 'a*' }, severity: 'P1', auto: true }, page: { match: { service: 'AI writing', urgency: 'high' } } },
  };
  writeFileSync(join(directory, 'old-secret'), 'the secret before\n');
  writeFileSync(join(directory, 'heard.yaml'), stringify({ ...shipped, system: 'heard', listen }));
  writeFileSync(join(directory, 'deaf.yaml'), stringify({ ...shipped, system: 'deaf' }));
  process.env['HOLDFAST_SYSTEMS'] = directory;
  const started = new Set<string>();
  const lines: string[] = [];
  const place: Omit<Place, 'url' | 'server'> = { starts: [], log: lines, away: false };
  const start = (one: AlertStart): Promise<boolean> => {
    if (place.away) return Promise.reject(new Error('14 UNAVAILABLE: no connection'));
    const isNew = !started.has(one.workflowId);
    started.add(one.workflowId);
    if (isNew) place.starts.push(one);
    return Promise.resolve(isNew);
  };
  const server = await serveAlerts({ start, log: pino({}, { write: (line: string) => void lines.push(line) }), host: '127.0.0.1', port: 0 });
  t.after(() => {
    delete process.env['HOLDFAST_SYSTEMS'];
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(place, { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

const alert = (over: object = {}): object => ({
  status: 'firing', labels: { alertname: 'MongoDown', cluster: 'a1', severity: 'critical' }, annotations: { summary: 'the primary\n does not answer' },
  startsAt: '2026-11-22T02:00:00.123456789+01:00', endsAt: '0001-01-01T00:00:00Z', generatorURL: 'https://prometheus.example.com/graph?g0', fingerprint: '3f2a', ...over,
});
const group = (...alerts: object[]): object => ({ version: '4', groupKey: '{}:{}', status: 'firing', receiver: 'holdfast', alerts });
const post = async ({ url }: Place, path: string, body: unknown, headers: Record<string, string>): Promise<{ status: number; body: { taken?: Taken[]; passedOver?: number; leftOut?: number; error?: string }; headers: Headers }> => {
  const response = await fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as { taken?: Taken[] }, headers: response.headers };
};
const bearer = { authorization: `Bearer ${token}` };
const toAlertmanager = (place: Place, body: unknown, headers: Record<string, string> = bearer) => post(place, '/alertmanager/heard', body, headers);
const signature = (body: string, by = secret): string => `v1=${createHmac('sha256', by).update(body).digest('hex')}`;
const event = (over: object = {}, data: object = {}): string => JSON.stringify({
  event: {
    id: '01E1', event_type: 'incident.triggered', resource_type: 'incident', occurred_at: '2026-11-22T02:00:01Z',
    data: { id: 'PGR0VU2', type: 'incident', html_url: 'https://acme.pagerduty.com/incidents/PGR0VU2', incident_key: 'd3640fbd41094207a1c11e58e46b1662', created_at: '2026-11-22T02:00:00Z', title: 'documents are slow', service: { id: 'PF9', summary: 'AI writing' }, urgency: 'high', priority: null, ...data },
    ...over,
  },
});
const toPagerDuty = (place: Place, body: string, header = signature(body)) => post(place, '/pagerduty/heard', body, { 'x-pagerduty-signature': header });

test('an alert that fits a rule is one start, however often it is delivered; its end and its next occurrence are others', async (t) => {
  const place = await openPlace(t);
  const first = await toAlertmanager(place, group(alert(), alert({ labels: { alertname: 'Other' }, fingerprint: '77' })));
  assert.equal(first.status, 202);
  assert.deepEqual([first.body.taken!.length, first.body.passedOver], [1, 1]);
  const { input, workflowId } = place.starts[0]!;
  assert.match(workflowId, /^alert\/heard\/MongoDown\/[0-9a-f]{32}\/firing$/);
  assert.deepEqual(input, {
    system: 'heard',
    alert: { key: 'alertmanager/3f2a/2026-11-22T01:00:00.123Z', from: 'alertmanager', rule: 'down', name: 'MongoDown', state: 'firing', at: '2026-11-22T01:00:00.123Z', summary: 'the primary does not answer', link: 'https://prometheus.example.com/graph?g0' },
  });
  const again = await toAlertmanager(place, group(alert()));
  assert.deepEqual([again.status, again.body.taken![0]!.known, place.starts.length], [200, true, 1]);
  await toAlertmanager(place, group(alert({ status: 'resolved' })));
  await toAlertmanager(place, group(alert({ startsAt: '2026-11-22T05:00:00Z' })));
  assert.deepEqual(place.starts.map(({ input: { alert: { state, at } } }) => [state, at.slice(11, 16)]), [['firing', '01:00'], ['resolved', '01:00'], ['firing', '05:00']]);
  assert.equal(new Set(place.starts.map((one) => one.workflowId)).size, 3);
});

test('no token, a wrong one, and a system that is not there or does not listen are refused alike, unread', async (t) => {
  const place = await openPlace(t);
  const answers = [
    await toAlertmanager(place, group(alert()), {}),
    await toAlertmanager(place, 'not JSON', { authorization: 'Bearer wrong' }),
    await post(place, '/alertmanager/nobody', group(alert()), bearer),
    await post(place, '/alertmanager/deaf', group(alert()), bearer),
    await post(place, '/pagerduty/deaf', event(), { 'x-pagerduty-signature': signature(event()) }),
  ];
  assert.deepEqual(answers.map(({ status }) => status), [401, 401, 401, 401, 401]);
  assert.equal(new Set(answers.map(({ body }) => body.error)).size, 1);
  assert.equal(place.starts.length, 0);
  assert.deepEqual([(await post(place, '/', {}, bearer)).status, (await fetch(`${place.url}/alertmanager/heard`)).status, (await fetch(`${place.url}/health`)).status], [404, 405, 200]);
  assert.ok(!place.log.join('').includes(token));
});

test('PagerDuty: signed by a secret of ours, by an old one too, and by nothing else; replayed it is the same start', async (t) => {
  const place = await openPlace(t);
  const body = event();
  assert.equal((await toPagerDuty(place, body)).status, 202);
  assert.deepEqual([(await toPagerDuty(place, body)).status, (await toPagerDuty(place, event({ id: '01E1-again' }))).status, place.starts.length], [200, 200, 1], 'replayed, and delivered as another event');
  const { alert: told } = place.starts[0]!.input;
  assert.deepEqual([told.rule, told.key, told.at, told.link], ['page', 'pagerduty/PGR0VU2', '2026-11-22T02:00:00.000Z', 'https://acme.pagerduty.com/incidents/PGR0VU2']);
  const other = event({}, { id: 'Q1' });
  for (const header of ['', 'v1=', signature(other, 'another secret'), signature(body), signature(other).slice(0, -1), signature(other).replace('v1=', 'v0=')]) assert.equal((await toPagerDuty(place, other, header)).status, 401, header);
  assert.equal((await toPagerDuty(place, `${other} `, signature(other))).status, 401, 'a byte more');
  assert.equal((await toPagerDuty(place, other, `${signature(other, 'x')},${signature(other, 'the secret before')}`)).status, 202);
  for (const passed of [event({ event_type: 'incident.acknowledged' }), event({ event_type: 'pagey.ping', data: { message: 'hello' } }), event({}, { urgency: 'low', id: 'Q2' }), event({}, { id: 'Q3', incident_key: 'holdfast/heard/run/01J' })]) {
    assert.deepEqual([(await toPagerDuty(place, passed)).status, place.starts.length], [200, 2], passed);
  }
  assert.equal((await toPagerDuty(place, event({ event_type: 'incident.resolved', id: 'e3' }))).status, 202);
  assert.equal((await toPagerDuty(place, event({ event_type: 'incident.reopened', id: 'e4' }))).status, 202);
  assert.deepEqual(place.starts.map(({ input }) => input.alert.state), ['firing', 'firing', 'resolved', 'firing']);
});

test('what is no such body is refused with the field, a body that is too large is not read, a storm is bounded', async (t) => {
  const place = await openPlace(t);
  for (const [body, words] of [['{', /not JSON/], [[], /expected an object|is \[\]/], [{ version: '3', alerts: [] }, /version/], [group(alert({ startsAt: 'yesterday' })), /alerts\.0\.startsAt/], [group(alert({ labels: { alertname: 7 } })), /alerts\.0\.labels/]] as const) {
    const { status, body: said } = await toAlertmanager(place, body);
    assert.equal(status, 400);
    assert.match(said.error!, words);
  }
  const large = await toAlertmanager(place, ' '.repeat(largestBodyBytes + 1));
  assert.equal(large.status, 413);
  // Without a length it is cut off as it comes.
  const cut = await new Promise<number>((resolve, reject) => {
    const sending = httpRequest(`${place.url}/alertmanager/heard`, { method: 'POST', headers: bearer }, (response) => {
      response.resume();
      resolve(response.statusCode!);
      sending.destroy();
    });
    sending.on('error', reject);
    const chunk = Buffer.alloc(65_536, 32);
    for (let sent = 0; sent <= largestBodyBytes; sent += chunk.length) sending.write(chunk);
    sending.write(chunk);
  });
  assert.equal(cut, 413);
  const storm = await toAlertmanager(place, group(...Array.from({ length: 130 }, (_, n) => alert({ fingerprint: `f${n}` }))));
  assert.deepEqual([storm.body.taken!.length, storm.body.leftOut, place.starts.length], [100, 30, 100]);
});

test('Temporal away, or a system file that cannot be read, is 503: tried again, what was started already is known', async (t) => {
  const place = await openPlace(t);
  place.away = true;
  const refused = await toAlertmanager(place, group(alert(), alert({ fingerprint: 'b' })));
  assert.deepEqual([refused.status, refused.body.error], [503, 'not now: try again']);
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  place.away = false;
  assert.equal((await toAlertmanager(place, group(alert()))).status, 202);
  const retried = await toAlertmanager(place, group(alert(), alert({ fingerprint: 'b' })));
  assert.deepEqual(retried.body.taken!.map(({ known }) => known), [true, false]);
  const file = join(process.env['HOLDFAST_SYSTEMS']!, 'heard.yaml');
  writeFileSync(file, 'system: heard\n  broken');
  assert.equal((await toAlertmanager(place, group(alert()))).status, 503);
});
