import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { askAwake } from '../../../activities/tool/awake.ts';

const hungMs = 300;

/** Nothing of this process runs meanwhile. */
const hang = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

test('silence that this process slept through is asked about again', async () => {
  let asked = 0;
  const heard = await askAwake(async () => {
    asked += 1;
    if (asked > 1) return 'here';
    hang(2 * hungMs);
    await sleep(1);
    return undefined;
  }, hungMs);
  assert.deepEqual([heard, asked], ['here', 2]);
});

test('a process that hangs in every try does not ask for ever, and takes no silence for the server’s', async () => {
  let asked = 0;
  await assert.rejects(askAwake(async () => {
    asked += 1;
    hang(2 * hungMs);
    await sleep(1);
    return undefined;
  }, hungMs), { name: 'TimedOut', retryable: true, message: /hung in each of 5 tries/ });
  assert.equal(asked, 5);
});

test('silence that was listened to, and an answer in spite of a hang, are taken at once', async () => {
  let asked = 0;
  assert.equal(await askAwake(async () => {
    asked += 1;
    await sleep(10);
    return undefined;
  }, 60_000), undefined);
  assert.equal(await askAwake(async () => {
    asked += 1;
    hang(2 * hungMs);
    return await Promise.resolve('here');
  }, hungMs), 'here');
  assert.equal(asked, 2);
});
