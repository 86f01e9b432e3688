import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { notice, notifierConformance, refusedWith, send, type Place } from '../../conformance/notifier.ts';
import { caFile, startHttpReceiver, type HttpReceiver } from '../../harness/http-receiver.ts';

interface Said {
  text: string;
  blocks: { type: string; text?: { text: string }; elements?: { text: string }[] }[];
}
const readSaid = ({ body }: HttpReceiver['requests'][number]): Said => JSON.parse(body) as Said;
const unescape = (text: string): string => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

async function open(t: TestContext): Promise<Place & { server: HttpReceiver }> {
  const server = await startHttpReceiver(t, { status: 200, body: 'ok', refusal: 404 });
  const config = { kind: 'slack', audience: 'internal', url: 'file:slack', caFile } as const;
  return {
    server,
    config,
    keyless: true,
    distrusting: { ...config, caFile: undefined },
    secrets: { 'file:slack': `${server.url}/services/T000/B000/verysecret` },
    arrived: () => server.requests.map((request) => ({ key: null, text: unescape(readSaid(request).blocks.flatMap(({ text, elements }) => [text?.text ?? '', ...(elements ?? []).map((element) => element.text)]).join('\n')) })),
    behave: server.behave,
    stop: server.stop,
  };
}

notifierConformance('slack', open);

test('slack: no text of ours can call a channel or pretend to be a link, and blocks keep to their limits', async (t) => {
  const place = await open(t);
  await send(place, notice({ title: `<!channel> ${'t'.repeat(300)}`, lines: ['<https://evil.example|click> & more', ...Array.from({ length: 12 }, () => 'x'.repeat(300))] }));
  const { blocks, text } = readSaid(place.server.requests[0]!);
  assert.ok(text.startsWith('&lt;!channel&gt;'));
  assert.deepEqual(blocks.map(({ type }) => type), ['header', 'section', 'section', 'context']);
  assert.ok(blocks[0]!.text!.text.length <= 150);
  assert.ok(blocks[1]!.text!.text.length <= 3_000);
  assert.ok(blocks[1]!.text!.text.startsWith('• &lt;https://evil.example|click&gt; &amp; more'));
});

test('slack: an address in the clear is refused, and not shown', async (t) => {
  const place = await open(t);
  const secrets = { 'file:slack': 'http://hooks.slack.example/services/verysecret' };
  const error = await refusedWith('WeakTransport', { ...place, secrets }, send(place, notice(), { secrets }));
  assert.match(error.message, /in the clear/);
});
