import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Command } from 'commander';
import { Cli } from '../../../scripts/cli.ts';
import { notify } from '../../../scripts/commands/notify.ts';
import { openNotifyPlace, type NotifyPlace } from '../../harness/notify-place.ts';

async function run(...args: string[]): Promise<{ exitCode: number; said: string }> {
  let said = '';
  const stream = { isTTY: false, write: (text: string) => ((said += text), true) };
  const cli = new Cli(new Command('holdfast').exitOverride(), { out: stream, err: stream });
  notify(cli);
  await cli.program.parseAsync(['notify', 'test', ...args], { from: 'user' });
  return { exitCode: cli.exitCode, said };
}

async function open(t: TestContext): Promise<NotifyPlace> {
  const place = await openNotifyPlace(t);
  place.write({ hook: place.webhook, status: { ...place.webhook, audience: 'external' }, mute: { ...place.webhook, secret: 'file:nowhere' } });
  return place;
}

test('each receiver gets a message that is marked as a test, and what came of it is said', async (t) => {
  const place = await open(t);
  const { exitCode, said } = await run('told');
  assert.match(said, /^sent {6}hook {2}webhook, internal: accepted$/m);
  assert.match(said, /^NOT SENT {2}mute {2}webhook, internal: BadSystemFile: secret file:nowhere: .* cannot be read \(ENOENT\)/m);
  assert.equal(exitCode, 2);
  const titles = place.receiver.requests.map(({ body }) => (JSON.parse(body) as { data: { title: string } }).data.title).sort();
  assert.deepEqual(titles, ['TEST of AI writing', 'TEST of told: notifications']);
});

test('one receiver may be chosen; one that is not there is refused with those that are', async (t) => {
  const place = await open(t);
  const { exitCode, said } = await run('told', '--receiver', 'hook', '--json');
  assert.deepEqual([exitCode, (JSON.parse(said) as { sent: { receiver: string; ok: boolean }[] }).sent.map(({ receiver, ok }) => [receiver, ok])], [0, [['hook', true]]]);
  assert.equal(place.receiver.requests.length, 1);
  const unknown = await run('told', '--receiver', 'nobody');
  assert.match(unknown.said, /has no receiver "nobody"; known: hook, status, mute/);
  assert.equal(unknown.exitCode, 2);
});
