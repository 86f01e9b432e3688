import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { destroyPoint } from '../../../activities/disposal/destroy-point.ts';
import { orderDisposal } from '../../../activities/disposal/order-disposal.ts';
import { checkKeys } from '../../../activities/keys/check-keys.ts';
import { proveKeys } from '../../../activities/keys/prove-keys.ts';
import { recordRotation } from '../../../activities/keys/record-rotation.ts';
import { rotationKeysOf } from '../../../activities/keys/rotation-keys.ts';
import { wrapKeys } from '../../../activities/keys/wrap-keys.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import { createTimeline } from '../../../activities/store/timelines.ts';
import { ArchiveKeys } from '../../../activities/stream/archive-key.ts';
import { createBackupKey } from '../../../activities/stream/backup-key.ts';
import { canonicalBytes } from '../../../activities/stream/canonical.ts';
import { backupKeyContext } from '../../../activities/stream/contexts.ts';
import { keysOf, openKeys } from '../../../activities/stream/open-keys.ts';
import { parseKeyObject } from '../../../activities/stream/wrapped-key.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { collect } from '../../conformance/store.ts';
import { altered } from '../../harness/altered-store.ts';
import { asking, begin, keyPlace, versionsOf } from '../../harness/key-place.ts';
import { newKeys } from '../../harness/keys.ts';
import { of, scope } from '../../harness/stored-source.ts';

test('a worker with an older file makes no key any more, whenever it looks, and finishes no rotation; what it writes meanwhile is under a key that the rotation finds', async (t) => {
  const to = await keyPlace(t);
  const archive = { ...scope, timeline: 't00000001' };
  let nowMs = 0;
  const tail = new ArchiveKeys(to.store, to.was, () => nowMs);
  const lastHour = await tail.forWriting(archive);
  const before = await versionsOf(to.store);
  assert.deepEqual((await begin(to, { dryRun: true })).retiring, [{ kind: 'aes256', id: 'test' }]);
  assert.deepEqual(await versionsOf(to.store), before, 'a dry run retires nothing');

  // The rotation begins when it has looked, and not put yet.
  const stalled = altered(to.store, { put: async (...args) => {
    await begin(to);
    return await to.store.put(...args);
  } });
  const b70 = { ...scope, backup: 'b70' };
  await assert.rejects(createBackupKey(stalled, to.was, b70), { name: 'KeyUnavailable', message: /demo: no new key is wrapped for aes256 test: it is being retired since 20.*, by the rotation r1 HINT: this worker has an older system file/ });
  const noted = await collect(to.store, layout.retiredKeys(of.system));
  await begin(to);
  assert.deepEqual(await collect(to.store, layout.retiredKeys(of.system)), noted, 'twice: the same note');

  const now = await versionsOf(to.store);
  await assert.rejects(createBackupKey(to.store, to.was, { ...scope, backup: 'b71' }), { name: 'KeyUnavailable' });
  await assert.rejects(new ArchiveKeys(to.store, to.was).forWriting(archive), { name: 'KeyUnavailable' });
  // Its log goes on: under a key that is kept already.
  nowMs = hours(1);
  assert.equal((await tail.forWriting(archive)).id, lastHour.id);
  assert.deepEqual(await versionsOf(to.store), now, 'no try leaves a key behind');
  const { key } = await createBackupKey(to.store, to.rotating, { ...scope, backup: 'b72' });
  assert.deepEqual((await collect(to.store, layout.backupKeys({ ...scope, backup: 'b72' }))).map(({ key: name }) => name.split('.')[1]), ['next', 'paper'], key.id);

  const began = rotationKeysOf(to.rotating);
  const older = { name: 'BadSystemFile', message: /a worker’s system file names the keys aes256 test, and the rotation began with aes256 next, age paper \(public half\); retiring aes256 test: nothing is retired HINT: give every worker the same/ };
  await assert.rejects(wrapKeys(to.context(to.was), asking(to)), older);
  await assert.rejects(proveKeys(to.context(to.was), { began }), older);
  await assert.rejects(recordRotation({ store: to.store, keys: to.was, signal: new AbortController().signal }, { system: of.system, run: 'r1', workflowId: 'w', epoch: 1, by: null, reason: 'x', sources: [], began }), older);

  await wrapKeys(to.context(to.rotating), asking(to));
  // What was killed between its key and its plan has neither plan nor manifest, and may go on.
  assert.deepEqual((await collect(to.store, layout.backupKeys(b70))).map(({ key: name }) => name.split('.')[1]), ['next', 'paper', 'test']);
  assert.equal((await wrapKeys(to.context(to.rotating), asking(to))).added, 0, 'and stands in nobody’s way');
  assert.equal((await new ArchiveKeys(to.store, to.after).forReading(archive, lastHour.id)).id, lastHour.id);
  const checked = await checkKeys(to.context(to.was), { run: 'r2' });
  assert.match(checked.problems[0]!.problem, /aes256 test is being retired since .*give this worker the newer file/);
});

test('two rotations at once come to the same, and a base that retention takes meanwhile keeps no wrapping', async (t) => {
  const to = await keyPlace(t);
  await Promise.all([wrapKeys(to.context(to.rotating), asking(to)), wrapKeys(to.context(to.rotating), asking(to))]);
  assert.equal((await wrapKeys(to.context(to.rotating), asking(to))).added, 0);
  const checked = await checkKeys(to.context(to.after), { run: 'r1' });
  assert.deepEqual([checked.ok, checked.problems], [true, []]);

  // A further recipient, while a base goes: its folder is empty by the time that the wrapping is put.
  const publicKey = await identityToRecipient(await generateX25519Identity());
  const more = await openKeys({ ...to.configs.after, recipients: { ...to.configs.after.recipients, safe: { kind: 'age', publicKey } } }, async (ref) => to.secrets[ref]!);
  const folder = layout.backupFolder({ ...scope, backup: 'b10' });
  const store = altered(to.store, { put: async (key, ...rest) => {
    if (key.startsWith(folder)) for (const version of await collect(to.store, folder)) await to.store.deleteVersion(version);
    return await to.store.put(key, ...rest);
  } });
  assert.equal((await wrapKeys(to.context(more, undefined, { store }), { after: null, dryRun: false, began: rotationKeysOf(more) })).added, 3);
  assert.deepEqual(await collect(to.store, folder), []);
});

test('a note that nobody signed stops nobody, and is no hindrance to the one that does', async (t) => {
  const to = await keyPlace(t);
  const key = layout.retiredKey(of.system, 'test');
  await to.store.put(key, Buffer.from('{}'));
  const note = { format: 1, kind: 'retired-key', system: of.system, recipient: { kind: 'aes256', id: 'test' }, run: 'r0', by: null, at: '2025-11-21T03:00:00.000Z' };
  await putSigned(to.store, await newKeys(), key, note);
  await createBackupKey(to.store, to.was, { ...scope, backup: 'b70' });
  await begin(to);
  await assert.rejects(createBackupKey(to.store, to.was, { ...scope, backup: 'b71' }), { name: 'KeyUnavailable' });
});

test('what is kept of a source that the file does not name any more retires nothing', async (t) => {
  const to = await keyPlace(t);
  await createTimeline(to.store, to.was, { system: of.system, source: 'orders', epoch: 1, startedAt: '2025-11-21T02:59:00.000Z', why: 'first archive', sourceIdentity: 'set-2', parent: null });
  await assert.rejects(begin(to, { dryRun: true }), { name: 'BadSystemFile', message: /demo: the store keeps what is of orders, which the system file names no source by: .* lost with aes256 test HINT: name it again/ });
  assert.deepEqual(await collect(to.store, layout.retiredKeys(of.system)), []);
  await begin(to, { sources: [of.source, 'orders'] });
  // Who only adds a recipient loses nothing by it.
  await begin(to, { keys: to.after });
});

test('what goes while a rotation or a check reads is passed over; a wrapping that outlived a disposal is taken away, whatever its time', async (t) => {
  const to = await keyPlace(t);
  const [gone] = await collect(to.store, layout.backupKeys({ ...scope, backup: 'b10' }));
  const racing = altered(to.store, { getVersion: async (version, options) => {
    if (version.key === gone!.key) await to.store.deleteVersion(version);
    return await to.store.getVersion(version, options);
  } });
  const { keys, added, unopenedCount } = await wrapKeys(to.context(to.rotating, undefined, { store: racing }), asking(to));
  assert.deepEqual([keys, added, unopenedCount], [3, 6, 0]);

  const b28 = { ...scope, backup: 'b28' };
  const { timeline } = await orderDisposal(to.context(to.was), { point: 'b28', run: 'r1', workflowId: 'w', by: null, approvedBy: [], reason: 'a court ordered it', evenTheLast: true });
  const [stray] = await collect(to.store, layout.backupKeys(b28));
  const bytes = await to.store.getVersion(stray!);
  assert.equal((await destroyPoint(to.context(to.was), { point: 'b28', timeline, run: 'r1' })).state, 'gone');
  // As a rotation leaves it that is killed right behind its put, on a store whose times are whole seconds.
  await to.store.put(stray!.key, bytes);
  const coarse = altered(to.store, { list: async function* (...args) {
    for await (const version of to.store.list(...args)) yield { ...version, modifiedAt: '2025-11-21T00:00:00.000Z' };
  } });
  await wrapKeys(to.context(to.rotating, undefined, { store: coarse }), asking(to));
  assert.deepEqual(await collect(to.store, layout.backupFolder(b28)), []);
});

test('an offline wrapping that nobody would believe, or that is for a key pair of before, is missing: a check says so, and a rotation puts another', async (t) => {
  const to = await keyPlace(t);
  await wrapKeys(to.context(to.rotating), asking(to));
  const b10 = { ...scope, backup: 'b10' };
  const paper = (await collect(to.store, layout.backupKeys(b10))).find(({ key }) => key.endsWith('.paper.json'))!;
  const { wrapped } = parseKeyObject(await to.store.getVersion(paper))!;
  await to.store.deleteVersion(paper);
  await to.store.put(paper.key, canonicalBytes(wrapped));
  const checked = await checkKeys(to.context(to.after), { run: 'r1' });
  assert.deepEqual(checked.problems, [{ key: paper.key.replace(/\.paper\.json$/, ''), problem: 'is not wrapped for age paper: holdfast key rotate demo wraps it' }]);
  assert.equal((await wrapKeys(to.context(to.rotating), asking(to))).added, 1);
  assert.ok((await checkKeys(to.context(to.after), { run: 'r2' })).ok);

  // A new pair under the old name.
  const publicKey = await identityToRecipient(await generateX25519Identity());
  const replaced = await openKeys({ ...to.configs.after, recipients: { paper: { kind: 'age', publicKey } } }, async (ref) => to.secrets[ref]!);
  assert.equal((await checkKeys(to.context(replaced), { run: 'r3' })).problems[0]!.problem, 'is not wrapped for age paper: holdfast key rotate demo wraps it; and 3 more keys');
  assert.equal((await wrapKeys(to.context(replaced), { ...asking(to), began: rotationKeysOf(replaced) })).added, 4);
  assert.deepEqual(backupKeyContext(b10), wrapped.context);
});

test('a recipient that does not answer has lost nothing: the check is tried again, and writes nothing down', async (t) => {
  const to = await keyPlace(t);
  const [wrapper] = to.was.wrappers;
  const silent = keysOf([{ ...wrapper!, unwrap: () => Promise.reject(new HoldfastError('KeyUnavailable', 'KMS does not answer')) }], to.was.signer);
  await assert.rejects(checkKeys(to.context(silent), { run: 'r1' }), { name: 'KeyUnavailable' });
  assert.deepEqual(await collect(to.store, layout.keyChecks(of.system, of.source)), []);
});
