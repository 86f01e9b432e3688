import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApplicationFailure, defaultPayloadConverter, DefaultFailureConverter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { attempt, betweenHeartbeatsMs, toFailure } from '../../activities/attempt.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { seconds } from '../../workflows/domain/units.ts';

/** What the server keeps of a failure between two tries, less what frames its texts. */
const keptBytes = 4_096 - 96;
function bytesOf(failure: Error): number {
  const { message, stackTrace, applicationFailureInfo } = new DefaultFailureConverter().errorToFailure(failure, defaultPayloadConverter);
  const details = applicationFailureInfo?.details?.payloads?.map(({ data }) => data?.length ?? 0) ?? [];
  return Buffer.byteLength(`${message}${stackTrace}${applicationFailureInfo?.type}`) + details.reduce((sum, bytes) => sum + bytes, 0);
}

test('a failure with a long log in it, long details and a long stack stays one that the server keeps, with its type and its hint', () => {
  const error = new HoldfastError('TargetUnavailable', `standby did not serve. Its log ends: ${'é log line\n'.repeat(2_000)}`, {
    hint: 'look at the disk',
    details: { stdoutTail: 'x'.repeat(16_384) },
  });
  const failure = toFailure(error) as ApplicationFailure;
  assert.ok(bytesOf(failure) < keptBytes, `${bytesOf(failure)} bytes`);
  assert.deepEqual([failure.type, failure.nonRetryable], ['TargetUnavailable', false]);
  assert.match(failure.message, /^standby did not serve\. .* … .*HINT: look at the disk$/s);
});

test('a short failure is as it was', () => {
  const failure = toFailure(new HoldfastError('ChainBroken', 'chain broken', { details: { from: '1-1' } })) as ApplicationFailure;
  assert.deepEqual([failure.type, failure.message, failure.details, failure.nonRetryable], ['ChainBroken', 'chain broken', [{ from: '1-1' }], true]);
  assert.match(failure.stack ?? '', /attempt\.test/);
});

test('a heartbeat says of which source it is', async () => {
  const env = new MockActivityEnvironment();
  const said: unknown[] = [];
  env.on('heartbeat', (heartbeat: { source?: string } | undefined) => said.push(heartbeat?.source));
  const work = attempt<unknown, void>(async (_input, { progress }) => await Promise.resolve(progress({ phase: 'dump', done: 1, of: 2, unit: 'bytes' })));
  await env.run(work, { system: 'demo', source: 'documents' });
  await env.run(work, { system: 'demo' });
  assert.deepEqual(said, ['documents', undefined]);
});

test('an activity that is to be found lost late heartbeats seldom, and three times within its time all the same', async () => {
  const sentOf = async (heartbeatTimeoutMs: number): Promise<number> => {
    const env = new MockActivityEnvironment({ heartbeatTimeoutMs });
    let sent = 0;
    env.on('heartbeat', () => (sent += 1));
    await env.run(attempt<void, void>(async (_input, { alive }) => {
      for (let n = 0; n < 50; n += 1) alive();
      await Promise.resolve();
    }));
    return sent;
  };
  // Of ten seconds the worker itself sends one in two seconds: what a step says of a new phase must not wait here.
  assert.deepEqual([await sentOf(seconds(10)), await sentOf(seconds(30))], [50, 1]);
  for (let timeoutMs = seconds(10); timeoutMs <= seconds(60); timeoutMs += 500) {
    assert.ok(3 * betweenHeartbeatsMs(timeoutMs) < timeoutMs - seconds(3), `${timeoutMs}`);
  }
});
