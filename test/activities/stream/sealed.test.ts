import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { newDataKey } from '../../../activities/stream/data-key.ts';
import { letGo } from '../../../activities/stream/let-go.ts';
import { encryptMessage } from '../../../activities/stream/message.ts';
import { contextOf, keyIdOf, maxPlainBytes, open, seal } from '../../../activities/stream/sealed.ts';
import { mib } from '../../../workflows/domain/units.ts';

const context = { holdfast: 'part', unit: 'u', range: 'r', index: '3' };
const key = newDataKey();

test('what is sealed opens to the same bytes, from nothing to several frames', async () => {
  for (const size of [0, 1, 1000, mib(1), mib(1) + 1, mib(5)]) {
    const plain = randomBytes(size);
    assert.ok((await open(key, await seal(key, plain, context), context)).equals(plain), `${size} bytes`);
  }
});

test('the header names key and context without being opened', async () => {
  const sealed = await seal(key, Buffer.from('x'), context, { level: 3 });
  assert.equal(keyIdOf(sealed), key.id);
  assert.deepEqual(contextOf(sealed), context);
  for (const bytes of [Buffer.alloc(0), Buffer.from('not a message'), sealed.subarray(0, 60), randomBytes(500)]) {
    assert.throws(() => keyIdOf(bytes), { name: 'Tampered' });
  }
});

test('compressible bytes are stored small', async () => {
  assert.ok((await seal(key, Buffer.alloc(mib(4), 'abc'), context)).length < 4_000);
});

test('another key and a key of the right name with wrong bytes are a wrong key, not damage', async () => {
  const sealed = await seal(key, Buffer.from('secret'), context);
  await assert.rejects(open(newDataKey(), sealed, context), { name: 'WrongKey', message: new RegExp(key.id) });
  await assert.rejects(open({ id: key.id, bytes: newDataKey().bytes }, sealed, context), { name: 'WrongKey' });
});

test('every flipped bit is found', async () => {
  const sealed = await seal(key, randomBytes(300), context);
  for (let at = 0; at < sealed.length; at += 1) {
    const flipped = Buffer.from(sealed);
    flipped[at]! ^= 1 << (at % 8);
    await assert.rejects(open(key, flipped, context), (error: Error) => error.name === 'Tampered' || error.name === 'WrongKey', `byte ${at} of ${sealed.length}`);
  }
});

test('a truncated object and one that was sealed as something else are damage, and say what differs', async () => {
  const sealed = await seal(key, randomBytes(mib(2)), context);
  await assert.rejects(open(key, sealed.subarray(0, sealed.length - 1), context), { name: 'Tampered' });
  await assert.rejects(open(key, sealed.subarray(0, mib(1)), context), { name: 'Tampered' });
  await assert.rejects(open(key, sealed, { ...context, index: '4' }), { name: 'Tampered', message: /index is 3, expected 4/ });
  await assert.rejects(open(key, sealed, { holdfast: 'part' }), { name: 'Tampered', message: /unit is u, expected nothing/ });
  await assert.rejects(open(key, sealed, { ...context, more: 'x' }), { name: 'Tampered', message: /more is missing/ });
});

test('bytes behind the end of a message are refused: nothing vouches for them', async () => {
  for (const size of [0, 300, mib(1), mib(2) + 5]) {
    const sealed = await seal(key, randomBytes(size), context);
    for (const more of [Buffer.alloc(1), sealed]) {
      await assert.rejects(open(key, Buffer.concat([sealed, more]), context), { name: 'Tampered', message: /does not authenticate/ });
    }
  }
});

test('neither side takes more than a bounded object: a bomb is refused while it is opened', async () => {
  await assert.rejects(seal(key, Buffer.alloc(maxPlainBytes + 1), context), { name: 'BadInput' });
  const bomb = await encryptMessage({ name: key.id, bytes: key.bytes }, zstdCompressSync(Buffer.alloc(maxPlainBytes + mib(1))), context);
  await assert.rejects(open(key, bomb, context), { name: 'Tampered', message: /at most 64\.0 MiB/ });
});

test('a key that is logged by mistake shows its name only', () => {
  assert.deepEqual(JSON.parse(JSON.stringify({ key })), { key: { id: key.id } });
  assert.deepEqual(Object.keys({ ...key }), ['id']);
});

test('parts of 16 MiB, four at a time, stay under 400 MiB', async (t) => {
  const plain = randomBytes(mib(16));
  let peakBytes = 0;
  const watch = setInterval(() => void (peakBytes = Math.max(peakBytes, process.memoryUsage.rss())), 5);
  const beforeBytes = process.memoryUsage.rss();
  for (let round = 0; round < 6; round += 1) {
    await Promise.all([1, 2, 3, 4].map(async () => {
      const sealed = await seal(key, plain, context);
      const opened = await open(key, sealed, context);
      peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
      assert.equal(opened.length, plain.length);
    }));
  }
  clearInterval(watch);
  t.diagnostic(`peak ${Math.round((peakBytes - beforeBytes) / mib(1))} MiB above ${Math.round(beforeBytes / mib(1))} MiB`);
  assert.ok(peakBytes - beforeBytes < mib(400), `${peakBytes - beforeBytes} bytes`);
});

test('what is let go is empty for whoever still has it, and never holds other bytes; what lies in memory that others share stays', async () => {
  const plain = randomBytes(mib(3));
  const sealed = await seal(key, plain, context);
  const view = sealed.subarray(0, 100);
  const opened = await open(key, sealed, context);
  letGo(sealed);
  assert.deepEqual([sealed.length, view.length, opened.equals(plain)], [0, 0, true]);
  const small = Buffer.from('small');
  const beside = Buffer.from('beside');
  letGo(small);
  assert.deepEqual([String(small), String(beside)], ['small', 'beside']);
});
