import assert from 'node:assert/strict';
import { test } from 'node:test';
import { receiversOf } from '../../../../workflows/domain/notify/notice.ts';
import { notifySchema, toNotifyView } from '../../../../workflows/domain/notify/schema.ts';

const slack = { kind: 'slack', url: 'file:slack' };
const external = { service: 'AI writing', impact: 'Documents cannot be opened.' };

/** What is wrong, a line each. */
const wrong = (typed: unknown): string[] => {
  const parsed = notifySchema.safeParse(typed);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
};

test('nobody is told by a system that names nobody', () => {
  assert.equal(toNotifyView(undefined), undefined);
  assert.equal(toNotifyView(notifySchema.parse({ receivers: {} })), undefined);
});

test('a receiver is told what suits its kind, and histories learn its name only', () => {
  const view = toNotifyView(notifySchema.parse({ external, receivers: { ops: slack, call: { kind: 'pagerduty', routingKey: '${KEY}' }, status: { ...slack, audience: 'external' } } }))!;
  assert.doesNotMatch(JSON.stringify(view), /file:|KEY|https:/);
  const who = (as: Parameters<typeof receiversOf>[1]['as'], drill = false): string[] => receiversOf(view, { audience: 'internal', as, drill }).map(({ name }) => name);
  assert.deepEqual(who('approval'), ['ops', 'call']);
  assert.deepEqual(who('update'), ['ops']);
  assert.deepEqual(who('approval', true), ['ops'], 'a drill gets nobody out of bed');
  assert.deepEqual(receiversOf(view, { audience: 'external', as: 'served', drill: true }), []);
});

test('what would tell outsiders internals, or promise what does not come, is refused', () => {
  assert.deepEqual(wrong({ receivers: { status: { ...slack, audience: 'external' } } }), ['receivers.status.audience: external messages need notify.external: what the service is called, and what people cannot do while it is down']);
  assert.match(wrong({ external, receivers: { status: { ...slack, audience: 'external', phases: ['started', 'update', 'approval'] } } })[0]!, /^receivers\.status\.phases: never told outside: approval;/);
  assert.match(wrong({ external, receivers: { status: { ...slack, audience: 'external', phases: ['started'] } } })[0]!, /is promised the next update/);
  assert.match(wrong({ external, receivers: { status: { ...slack, audience: 'external', drills: true } } })[0]!, /nobody outside is told of a drill/);
});

test('a secret in the file, a password in the clear and a rush of updates are refused', () => {
  assert.match(wrong({ receivers: { ops: { kind: 'slack', url: 'https://hooks.slack.com/services/T/B/x' } } })[0]!, /a reference to a secret/);
  const smtp = { host: 'mail.example.com', tls: 'none', credentials: { username: 'u', password: 'file:p' } };
  assert.match(wrong({ receivers: { mail: { kind: 'email', from: 'a@b.example', to: ['c@d.example'], smtp } } })[0]!, /a password is not sent in the clear/);
  assert.match(wrong({ updateEvery: { internal: '5s' }, receivers: {} })[0]!, /at least 1m/);
});
