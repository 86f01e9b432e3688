import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../../activities/index.ts';
import { checkReceivers } from '../../../activities/plan/check-access.ts';
import { sendNotice } from '../../../activities/notify/send-notice.ts';
import { loadSystemFile } from '../../../activities/system-files.ts';
import { link, notice } from '../../conformance/notifier.ts';
import { openNotifyPlace } from '../../harness/notify-place.ts';

const how = { signal: new AbortController().signal, link };

test('a message goes to its receiver as the system file has it now, with the link to the run', async (t) => {
  const place = await openNotifyPlace(t);
  place.write({ hook: place.webhook });
  assert.equal(await sendNotice({ system: 'told', receiver: 'hook', notice: notice() }, how), 'accepted');
  assert.equal((JSON.parse(place.receiver.requests[0]!.body) as { data: { link: string } }).data.link, link);
});

test('a receiver that is gone, or that is outside now, is not told what was written for one’s own people', async (t) => {
  const place = await openNotifyPlace(t);
  place.write({ hook: { ...place.webhook, audience: 'external' } });
  await assert.rejects(sendNotice({ system: 'told', receiver: 'hook', notice: notice() }, how), /receiver "hook" is external now, and the message is internal/);
  await assert.rejects(sendNotice({ system: 'told', receiver: 'other', notice: notice() }, how), { name: 'ReceiverRefused' });
  assert.equal(place.receiver.requests.length, 0);
  await sendNotice({ system: 'told', receiver: 'hook', notice: notice({ audience: 'external' }) }, how);
  assert.ok(!place.receiver.requests[0]!.body.includes(link));
});

test('a plan names the receivers whose secrets cannot be read, and sends nothing', async (t) => {
  const place = await openNotifyPlace(t);
  place.write({ hook: place.webhook, mute: { ...place.webhook, secret: 'file:nowhere' }, call: { kind: 'pagerduty', routingKey: '${NO_SUCH_KEY}' } });
  const findings = await checkReceivers(await loadSystemFile('told'));
  assert.deepEqual(findings.map(({ effect, message }) => [effect, message.split(': ')[0]]), [['warns', 'receiver "mute" would not be told'], ['warns', 'receiver "call" would not be told']]);
  assert.equal(place.receiver.requests.length, 0);
});

test('the activity sends it with a link to the workflow that asked, where the address of the UI is known', async (t) => {
  const place = await openNotifyPlace(t);
  place.write({ hook: place.webhook });
  const linkOf = async (temporalUiUrl: string | null): Promise<string | null> => {
    const { notify } = createActivities({ owner: 'test', reportsDirectory: place.directory, temporalUiUrl }).control;
    const env = new MockActivityEnvironment({ namespace: 'ops', workflowExecution: { workflowId: 'recover/told', runId: 'r-1' } });
    assert.deepEqual(await env.run(notify, { system: 'told', receiver: 'hook', notice: notice() }), { summary: 'accepted' });
    return (JSON.parse(place.receiver.requests.at(-1)!.body) as { data: { link: string | null } }).data.link;
  };
  assert.equal(await linkOf('https://temporal.example.com/'), 'https://temporal.example.com/namespaces/ops/workflows/recover%2Ftold/r-1/history');
  assert.equal(await linkOf(null), null);
});
