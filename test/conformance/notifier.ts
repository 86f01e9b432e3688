import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { openNotifier, secretsOf } from '../../activities/notify/notifier.ts';
import { resolveAddress } from '../../activities/secrets.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Notice } from '../../workflows/domain/notify/notice.ts';
import type { ReceiverConfig } from '../../workflows/domain/notify/schema.ts';
import type { ReportPage } from '../../workflows/domain/report-page.ts';
import type { Behaviour } from '../harness/http-receiver.ts';

/** What a receiver was sent, as the suite looks at it. */
export interface Arrived {
  /** all of it, as text that a person or a program reads */
  text: string;
  /** what the receiver tells a repetition by; null: there is none */
  key: string | null;
}

/** A real receiver on loopback, with the settings that lead to it. */
export interface Place {
  config: ReceiverConfig;
  /** by reference */
  secrets: Record<string, string>;
  /** the real receiver takes no key against repetition, which docs/notifications.md says; left out: it does */
  keyless?: true;
  arrived(): Arrived[];
  behave(behaviour: Behaviour): void;
  stop(): Promise<void>;
  /** the same without the certificate that the receiver’s is believed by; left out: its kind has no TLS here */
  distrusting: ReceiverConfig;
}

export const link = 'https://temporal.example.com/namespaces/default/workflows/recover%2Fdemo/0123/history';

export const notice = (over: Partial<Notice> = {}): Notice => ({
  id: '01JRUN/3-approval',
  audience: 'internal',
  phase: 'approval',
  severity: 'critical',
  at: '2026-11-21T03:10:00.000Z',
  title: 'demo: APPROVAL WANTED: approve-switch',
  lines: ['Move all traffic to the standby.', 'RTO: 31m00s of 1h00m passed', 'left: fence, switch (2 of 14 steps)'],
  answers: ['signal `approve` with `{"gate": "approve-switch", "by": "YOUR NAME"}`', 'or `holdfast approve demo --gate approve-switch --by YOUR-NAME`'],
  thread: '01JRUN',
  alert: { key: 'holdfast/demo/run/01JRUN/approve-switch', state: 'open' },
  facts: { system: 'demo', purpose: 'recovery', subject: 'approve-switch' },
  ...over,
});

export async function send(place: Place, message: Notice = notice(), { config = place.config, withinMs = 10_000, secrets = place.secrets, page }: { config?: ReceiverConfig; withinMs?: number; secrets?: Record<string, string>; page?: ReportPage } = {}): Promise<string> {
  const secret = async (ref: string): Promise<string> => {
    const found = secrets[ref];
    if (found === undefined) throw new HoldfastError('BadSystemFile', `secret ${ref} cannot be read`);
    return await Promise.resolve(found);
  };
  return await (await openNotifier(config, { secret, address: resolveAddress })).send({ notice: message, link: message.audience === 'internal' ? link : null, ...(page ? { page } : {}), signal: AbortSignal.timeout(withinMs) });
}

/** @returns the error, after looking that no secret is in it. */
export async function refusedWith(type: string, place: Place, sending: Promise<string>): Promise<HoldfastError> {
  const error = await sending.then(() => assert.fail('it was sent'), (thrown: unknown) => thrown);
  assert.ok(error instanceof HoldfastError, String(error));
  assert.equal(error.type, type, error.message);
  for (const secret of Object.values(place.secrets)) assert.ok(!error.message.includes(secret), `a secret stands in: ${error.message}`);
  return error;
}

/** What every notifier keeps to, each with its real receiver behind it. */
export function notifierConformance(kind: string, open: (t: TestContext) => Promise<Place>): void {
  test(`${kind}: a message arrives whole: title, lines, how to answer, link`, async (t) => {
    const place = await open(t);
    await send(place);
    const [message, ...more] = place.arrived();
    assert.deepEqual(more, []);
    const { title, lines, answers } = notice();
    const plain = message!.text.replaceAll('\\"', '"');
    for (const part of [title, ...lines, ...answers, link]) assert.ok(plain.includes(part), `${part} in ${plain}`);
  });

  test(`${kind}: a message whose answer was lost is sent again, under the same key where the receiver takes one; another message has another`, async (t) => {
    const place = await open(t);
    place.behave('lose');
    await refusedWith('ReceiverUnavailable', place, send(place));
    place.behave('ok');
    await send(place);
    await send(place, notice({ id: '01JRUN/4-update', alert: { key: 'holdfast/demo/run/01JRUN', state: 'open' } }));
    const [first, again, other, ...more] = place.arrived();
    assert.deepEqual([other === undefined, more], [false, []], 'the answer was lost, and not the message');
    if (place.keyless) {
      assert.deepEqual([first!.key, again!.key, other!.key], [null, null, null]);
      assert.deepEqual(again, first, 'it arrives twice, and people see that it is the same');
      return;
    }
    assert.notEqual(first!.key, null);
    assert.equal(again!.key, first!.key);
    assert.notEqual(other!.key, first!.key);
  });

  test(`${kind}: a receiver that hangs is given up when the time of the try is over`, async (t) => {
    const place = await open(t);
    place.behave('hang');
    const startMs = performance.now();
    const error = await refusedWith('ReceiverUnavailable', place, send(place, notice(), { withinMs: 300 }));
    assert.match(error.message, /no answer in time/);
    assert.ok(performance.now() - startMs < 5_000);
  });

  test(`${kind}: "later" may be tried again, a refusal may not, and neither says a secret`, async (t) => {
    const place = await open(t);
    place.behave('later');
    assert.equal((await refusedWith('ReceiverUnavailable', place, send(place))).retryable, true);
    place.behave('refuse');
    assert.equal((await refusedWith('ReceiverRefused', place, send(place))).retryable, false);
    await place.stop();
    await refusedWith('ReceiverUnavailable', place, send(place));
  });

  test(`${kind}: a certificate that nobody vouches for gets nothing`, async (t) => {
    const place = await open(t);
    await refusedWith('ReceiverUnavailable', place, send(place, notice(), { config: place.distrusting }));
    assert.deepEqual(place.arrived(), []);
  });

  test(`${kind}: a secret that cannot be read is named, and nothing is sent`, async (t) => {
    const place = await open(t);
    const [ref] = secretsOf(place.config);
    const error = await refusedWith('BadSystemFile', place, send(place, notice(), { secrets: {} }));
    assert.ok(error.message.includes(ref!));
    assert.deepEqual(place.arrived(), []);
  });
}
