import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { close, closeSync, constants, open, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { getPart, partBytes, type PartStore } from '../../../../activities/engines/base/stored-parts.ts';
import { StoredProgress } from '../../../../activities/engines/base/stored-progress.ts';
import type { ProgramSpec } from '../../../../activities/engines/tool/program-spec.ts';
import { storeOutput } from '../../../../activities/engines/tool/store-output.ts';
import type { Store } from '../../../../activities/store/store.ts';
import { newDataKey } from '../../../../activities/stream/data-key.ts';
import { groupLives } from '../../../../activities/tool/process-group.ts';
import { runTool } from '../../../../activities/tool/run-tool.ts';
import { altered } from '../../../harness/altered-store.ts';
import { toolPlace } from '../../../harness/tool-place.ts';
import { until } from '../../../harness/until.ts';

const of = { unit: 'stream', range: 'all' };
const pieces = [1, 7, 511, 4_095, 65_537, 200_001, 3, 1_048_576];

/** Writes a file to its standard output in pieces of these sizes, and then goes on for as long as somebody reads. */
const writer = `
  const { readFileSync, writeSync, writeFileSync } = require('node:fs');
  const [file, pid, sizes, forever] = process.argv.slice(1);
  writeFileSync(pid, String(process.pid));
  const bytes = readFileSync(file);
  const all = JSON.parse(sizes);
  for (let at = 0, piece = 0; at < bytes.length; piece += 1) at += writeSync(1, bytes, at, Math.min(all[piece % all.length], bytes.length - at));
  while (forever) writeSync(1, bytes);
`;

/** A program that writes `content`, and where its parts go. @param put - before each object is put. */
async function place(t: TestContext, content: Buffer, { put, forever = false, signal }: { put?: (nth: number, body: Uint8Array) => Promise<void>; forever?: boolean; signal?: AbortSignal } = {}) {
  const tools = toolPlace(t);
  const context = await tools.open(signal);
  let puts = 0;
  const store: Store = altered(context.store, {
    put: async (key, body, options) => {
      await put?.((puts += 1), body);
      return await context.store.put(key, body, options);
    },
  });
  const [file, pid] = [join(tools.directory, 'content'), join(tools.directory, 'pid')];
  writeFileSync(file, content);
  const spec: ProgramSpec = { name: 'writer', path: process.execPath, args: ['-e', writer, file, pid, JSON.stringify(pieces), ...(forever ? ['forever'] : [])], env: {}, secrets: {}, files: {} };
  const to: PartStore = { store, key: newDataKey(), scope: { system: 's', source: 's', timeline: 't', backup: 'b' }, signal: context.signal };
  const said: { done: number }[] = [];
  return { context, spec, to, progress: new StoredProgress(0, (reading) => void said.push(reading)), said, directory: tools.directory, pid: () => Number(readFileSync(pid, 'utf8')) };
}

test('what a program writes in pieces of any size lies in its parts byte for byte, though their memory is used again and the store is slow', { timeout: 120_000 }, async (t) => {
  // Six whole parts and a piece, each of other bytes: what was written over before it was stored would differ.
  const content = randomBytes(6 * partBytes + 12_345);
  const { context, spec, to, progress, said } = await place(t, content, { put: async (nth) => await sleep(nth % 2 === 1 ? 300 : 0) });
  const seen = createHash('sha256');
  let most = 0;
  const { parts, exitedAt } = await storeOutput(context, spec, { to, of, progress, see: (chunk) => {
    seen.update(chunk);
    most = Math.max(most, chunk.length);
  } });
  assert.equal(seen.digest('hex'), createHash('sha256').update(content).digest('hex'));
  assert.ok(most <= partBytes);
  assert.deepEqual(parts.map(({ index, plainBytes }) => [index, plainBytes]), [...Array.from({ length: 6 }, (_, at) => [at, partBytes]), [6, 12_345]]);
  for (const [at, part] of parts.entries()) assert.ok((await getPart(to, part)).equals(content.subarray(at * partBytes, (at + 1) * partBytes)), `part ${at}`);
  assert.equal(said.at(-1)!.done, content.length);
  assert.ok(Date.parse(exitedAt) <= Date.now());
});

/** Nothing of the pool goes on until what this returns is called: each of its threads opens a named pipe that nobody writes to. */
function holdPool(path: string): () => void {
  for (let thread = 0; thread < 4; thread += 1) open(path, 'r', (_, descriptor) => close(descriptor));
  return () => closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
}

test('a part that is not compressed yet stays as it is while as much is read as may be', { timeout: 60_000 }, async (t) => {
  const content = randomBytes(5 * partBytes);
  const { context, spec, to, progress, directory } = await place(t, content);
  const pipe = join(directory, 'held');
  await runTool({ path: 'mkfifo' }, [pipe]);
  let seenBytes = 0;
  let letGoOn: (() => void) | undefined;
  const { parts } = await storeOutput(context, spec, { to, of, progress, see: ({ length }) => {
    seenBytes += length;
    letGoOn ??= holdPool(pipe);
    // Two are to be compressed by now, and the third waits for one of them: no more is read before.
    if (seenBytes === 3 * partBytes) setTimeout(letGoOn, 50);
  } });
  for (const [at, part] of parts.entries()) assert.ok((await getPart(to, part)).equals(content.subarray(at * partBytes, (at + 1) * partBytes)), `part ${at}`);
});

test('nothing written is no part', async (t) => {
  const { context, spec, to, progress } = await place(t, Buffer.alloc(0));
  assert.deepEqual((await storeOutput(context, spec, { to, of, progress })).parts, []);
});

test('a store that fails, a reader that refuses and an abort end the program, and are the reason', { timeout: 120_000 }, async (t) => {
  const content = randomBytes(100_000);
  const full = await place(t, content, { forever: true, put: async (nth) => await (nth === 3 ? Promise.reject(new Error('full')) : undefined) });
  await assert.rejects(storeOutput(full.context, full.spec, { to: full.to, of, progress: full.progress }), { message: 'full' });
  assert.equal(groupLives(full.pid()), false);

  const refusing = await place(t, content, { forever: true });
  let seenBytes = 0;
  const see = (chunk: Buffer): void => {
    seenBytes += chunk.length;
    if (seenBytes > 20_000_000) throw new Error('no more of this');
  };
  await assert.rejects(storeOutput(refusing.context, refusing.spec, { to: refusing.to, of, progress: refusing.progress, see }), { message: 'no more of this' });
  assert.equal(groupLives(refusing.pid()), false);

  const stop = new AbortController();
  const stopped = await place(t, content, { forever: true, signal: stop.signal });
  const run = storeOutput(stopped.context, stopped.spec, { to: stopped.to, of, progress: stopped.progress });
  run.catch(() => undefined);
  await until('two parts are stored', () => Promise.resolve((stopped.said.at(-1)?.done ?? 0) >= 2 * partBytes), 60_000);
  stop.abort(new Error('enough'));
  await assert.rejects(run, { message: 'enough' });
  assert.equal(groupLives(stopped.pid()), false);
});
