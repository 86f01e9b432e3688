import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join } from 'node:path';
import { buildIndexes } from '../../../../activities/engines/mongodb/build-indexes.ts';
import { prepareRestore } from '../../../../activities/engines/mongodb/prepare-restore.ts';
import { replayLog } from '../../../../activities/engines/mongodb/replay/replay-log.ts';
import { restoreGroup } from '../../../../activities/engines/mongodb/restore-group.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { readPidFile } from '../../../../activities/tool/start-server.ts';
import type { SourceContext } from '../../../../activities/context.ts';
import { backUp, enginePlace, type EnginePlace } from '../../../harness/engine-place.ts';
import { archivedUpTo, pointAt, positionNow, readState, startArchive, withSlices } from './replay-place.ts';

/** It accepts connections and commands and answers none. @returns what wakes it. */
function hang(place: EnginePlace): () => void {
  const { pid } = readPidFile(join(place.directory, 'dr', 'server.pid'))!;
  process.kill(pid, 'SIGSTOP');
  return () => process.kill(pid, 'SIGCONT');
}

/** Runs `job` with a context whose target hangs from the moment of `when` on: the job must end by itself, and may be tried again. */
async function giveUpOn(place: EnginePlace, context: SourceContext, when: 'store' | 'progress', job: (context: SourceContext) => Promise<unknown>): Promise<void> {
  let wake: (() => void) | undefined;
  // A part by `get`, a slice by `getVersion`: once it was read, the target is needed.
  const store = new Proxy(context.store, {
    get: (of, name) => {
      const own = (Reflect.get(of, name) as (...args: unknown[]) => unknown).bind(of);
      if (when !== 'store' || (name !== 'get' && name !== 'getVersion')) return own;
      return async (read: { key: string }, ...rest: unknown[]) => {
        const bytes = await own(read, ...rest);
        if (/\/(parts|slices)\//.test(read.key)) wake ??= hang(place);
        return bytes;
      };
    },
  });
  const progress: SourceContext['progress'] = ({ phase }) => {
    if (when === 'progress' && phase === 'build indexes') wake ??= hang(place);
  };
  try {
    await assert.rejects(job({ ...context, store, progress }), (error: Error & { retryable?: boolean }) => {
      assert.deepEqual([error.name, error.retryable], ['TargetUnavailable', true], error.message);
      assert.match(error.message, /127\.0\.0\.1:\d+/);
      return true;
    });
    assert.ok(wake, 'the target hung');
  } finally {
    wake?.();
  }
}

test('a target that hangs in mid-restore, mid-replay or mid-build ends the attempt, and the next one finishes it', { timeout: 180_000 }, async (t) => {
  const place = await enginePlace(t);
  const { target } = place;
  const context = withSlices(place.context, 100, 16 * 1024);
  const source = await place.source.connect();
  const letters = source.db('shop').collection('letters');
  await letters.createIndex({ owner: 1 });
  await letters.insertMany(Array.from({ length: 500 }, (_, n) => ({ owner: `owner ${n}` })));
  const archive = startArchive(context);
  const summary = await backUp(context, 'b1');
  await letters.insertOne({ owner: 'in the log' });
  const end = await positionNow(source);
  await archivedUpTo(context, end);
  await archive.stop();
  const held = await readState(source, context, end);
  const point = await pointAt(context, end);
  assert.equal(point.base.backup, summary.backup);

  await (await openProvisioner(context)).provision(context, target);
  const { groups } = await prepareRestore(context, { target, point });
  const restore = async (on: SourceContext): Promise<void> => {
    for (const group of groups) await restoreGroup(on, { target, point, group });
  };
  await giveUpOn(place, context, 'store', restore);
  await restore(context);
  await giveUpOn(place, context, 'store', async (on) => await replayLog(on, { target, point, limit: point.limit }));
  await replayLog(context, { target, point, limit: point.limit });
  await giveUpOn(place, context, 'progress', async (on) => await buildIndexes(on, { target, point }));
  assert.deepEqual((await buildIndexes(context, { target, point })).failed, []);
  assert.deepEqual(await readState(await place.connectTarget(), context), held);
});
