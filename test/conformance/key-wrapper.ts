import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newDataKey } from '../../activities/stream/data-key.ts';
import type { KeyWrapper } from '../../activities/stream/keys.ts';
import { keysOf } from '../../activities/stream/open-keys.ts';
import { isFor, signedKeyObject } from '../../activities/stream/wrapped-key.ts';
import { wrappedKeySchema } from '../../workflows/domain/keys/records.ts';
import type { Owner } from '../harness/cleanup.ts';
import { newKeys } from '../harness/keys.ts';

/** What the suite needs of a kind, with the real part behind it. */
export interface WrapperSubject {
  /** the same key each time */
  ours(): Promise<KeyWrapper>;
  /** under the same name, with another key */
  other(): Promise<KeyWrapper>;
  /** it has the public half alone; left out: the kind has none */
  publicOnly?(): Promise<KeyWrapper>;
}

const context = { holdfast: 'backup-key', system: 's', source: 'd', timeline: 't00000001', backup: 'b1' };

/** Every promise of the KeyWrapper interface. @param prepare - or why it cannot be tried on this machine. */
export function keyWrapperConformance(kind: string, prepare: (owner: Owner) => Promise<WrapperSubject | { missing: string }>): void {
  describe(`${kind} as a key wrapper`, () => {
    test('keeps what is promised', async (t) => {
      const subject = await prepare(t);
      if ('missing' in subject) return t.skip(subject.missing);
      const wrapper = await subject.ours();
      const key = newDataKey();
      const wrapped = await wrapper.wrap(key, context);

      await t.test('what it wraps, it opens again, and another process with the same key too', async () => {
        assert.deepEqual([wrapped.key, wrapped.recipient.kind, wrapped.recipient.id], [key.id, wrapper.recipient.kind, wrapper.recipient.id]);
        for (const one of [wrapper, await subject.ours()]) assert.deepEqual([...(await one.unwrap(wrapped, context)).bytes], [...key.bytes]);
      });
      await t.test('the object holds the key in no form that can be read, and its schema is that of all', () => {
        const text = JSON.stringify(wrappedKeySchema.parse(wrapped));
        for (const form of ['hex', 'base64', 'latin1'] as const) assert.ok(!Buffer.from(wrapped.wrapped, 'base64').toString('latin1').includes(Buffer.from(key.bytes).toString(form)) && !text.includes(Buffer.from(key.bytes).toString(form)), form);
      });
      await t.test('twice, the same key is wrapped into other bytes', async () => assert.notEqual((await wrapper.wrap(key, context)).wrapped, wrapped.wrapped));
      await t.test('another key does not open it, and is told by name', async () => {
        await assert.rejects((await subject.other()).unwrap(wrapped, context), (error: Error) => /^(WrongKey|KeyRefused)$/.test(error.name) && error.message.includes(wrapper.recipient.id) && error.message.includes(key.id));
      });
      await t.test('under another context it opens to nobody, and the word that differs is named', async () => {
        await assert.rejects(wrapper.unwrap(wrapped, { ...context, backup: 'b2' }), { name: 'WrongKey', message: /wrapped for something else: backup/ });
        // Who writes into the bucket may say there what he likes.
        await assert.rejects(wrapper.unwrap({ ...wrapped, context: { ...wrapped.context, backup: 'b2' } }, { ...context, backup: 'b2' }), { name: 'WrongKey' });
      });
      await t.test('an object that calls itself another key’s is refused', async () => {
        await assert.rejects(wrapper.unwrap({ ...wrapped, key: newDataKey().id }, context), { name: 'WrongKey', message: /holds another key/ });
      });
      await t.test('a byte that was changed, or one that is missing, is refused', async () => {
        const bytes = Buffer.from(wrapped.wrapped, 'base64');
        const flipped = Buffer.from(bytes);
        flipped[flipped.length - 20]! ^= 1;
        for (const broken of [flipped, bytes.subarray(0, -1), Buffer.alloc(0), Buffer.from('junk')]) {
          await assert.rejects(wrapper.unwrap({ ...wrapped, wrapped: broken.toString('base64') }, context), (error: Error) => /^(WrongKey|KeyRefused)$/.test(error.name) || assert.fail(`${error.name}: ${error.message}`));
        }
      });
      await t.test('what anybody could have wrapped is believed only once the system has signed it', async () => {
        const { signer } = await newKeys();
        const stranger = await newKeys();
        const ours = keysOf([wrapper], signer);
        const open = async (bytes: Buffer): Promise<string> => (await ours.open([{ key: 'k', bytes }], context, key.id)).id;
        assert.equal(await open(signedKeyObject(signer, wrapped)), key.id);
        if (wrapper.authenticates) return;
        await assert.rejects(open(Buffer.from(JSON.stringify(wrapped))), { name: 'WrongKey', message: /is not signed/ });
        await assert.rejects(open(signedKeyObject(stranger.signer, wrapped)), { name: 'WrongKey', message: /signed/ });
      });
      await t.test('an object is for it that was wrapped for its own public half, under this context, and is believed', async () => {
        const { signer } = await newKeys();
        const signed = { key: 'k', bytes: signedKeyObject(signer, wrapped) };
        assert.equal((await isFor(signer, wrapper, signed, context))?.wrapped.key, key.id);
        assert.equal(await isFor(signer, wrapper, signed, { ...context, backup: 'b2' }), undefined);
        assert.equal(await isFor(signer, { ...wrapper, recipient: { ...wrapper.recipient, id: 'somebody-else' } }, signed, context), undefined);
        assert.equal(await isFor(signer, wrapper, { key: 'k', bytes: Buffer.from('junk') }, context), undefined);
        if (wrapper.authenticates) return;
        assert.equal(await isFor((await newKeys()).signer, wrapper, signed, context), undefined, 'signed by a stranger');
        assert.equal(await isFor(signer, await subject.other(), signed, context), undefined, 'of another pair, under the same name');
      });
      const publicOnly = await subject.publicOnly?.();
      if (!publicOnly) return assert.ok(wrapper.opens);
      await t.test('the public half alone wraps, and opens nothing', async () => {
        assert.ok(!publicOnly.opens && wrapper.opens);
        const byPublic = await publicOnly.wrap(key, context);
        assert.deepEqual([...(await wrapper.unwrap(byPublic, context)).bytes], [...key.bytes]);
        await assert.rejects(publicOnly.unwrap(byPublic, context), { name: 'WrongKey', message: /private half .* is not here/ });
      });
    });
  });
}
