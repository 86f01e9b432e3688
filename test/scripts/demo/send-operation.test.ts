import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { judge, openSender } from '../../../scripts/demo/send-operation.ts';

test('only the application’s own word acknowledges', () => {
  assert.deepEqual(judge(200, 'dr', '{"outcome":"acknowledged"}'), { outcome: 'acknowledged', side: 'dr' });
  assert.deepEqual(judge(200, undefined, '{"outcome":"acknowledged"}'), { outcome: 'unknown', side: null });
  assert.deepEqual(judge(200, 'dr', 'welcome'), { outcome: 'unknown', side: null });
  assert.deepEqual(judge(502, 'dr', '{"outcome":"acknowledged"}'), { outcome: 'unknown', side: null });
});

test('a refusal of the application and the maintenance answer wrote nothing; a gateway’s error may have', () => {
  assert.equal(judge(409, 'dr', '{"outcome":"refused"}').outcome, 'refused');
  assert.equal(judge(503, undefined, 'Moving').outcome, 'refused');
  assert.equal(judge(502, undefined, 'Bad Gateway').outcome, 'unknown');
  assert.equal(judge(504, undefined, '').outcome, 'unknown');
  assert.equal(judge(503, 'dr', '{"outcome":"unknown"}').outcome, 'unknown');
});

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const change = [{ change: 'insert' as const, key: 'a', rev: 1 }];

test('a connection that breaks before the answer leaves the outcome unknown', async (t) => {
  const url = await serve(t, (request) => request.socket.destroy());
  assert.deepEqual(await openSender(url)(change), { outcome: 'unknown', side: null });
});

test('an acknowledgement cut in its middle is unknown', async (t) => {
  const url = await serve(t, (_request, response) => {
    response.writeHead(200, { 'x-holdfast-side': 'production', 'content-length': 100 });
    response.write('{"outcome":"ackno');
    setImmediate(() => response.destroy());
  });
  assert.deepEqual(await openSender(url)(change), { outcome: 'unknown', side: null });
});

test('nobody at the address: unknown, and the sender goes on', async (t) => {
  const url = await serve(t, (_request, response) => response.writeHead(200, { 'x-holdfast-side': 'dr' }).end('{"outcome":"acknowledged"}'));
  assert.equal((await openSender('http://127.0.0.1:1')(change)).outcome, 'unknown');
  assert.deepEqual(await openSender(url)(change), { outcome: 'acknowledged', side: 'dr' });
});
