import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { certifyDisposal } from '../../../activities/disposal/certify-disposal.ts';
import { destroyPoint } from '../../../activities/disposal/destroy-point.ts';
import { orderDisposal } from '../../../activities/disposal/order-disposal.ts';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { readAuditRecords } from '../../../activities/evidence/read-evidence.ts';
import { checkKeys } from '../../../activities/keys/check-keys.ts';
import { overdueKeys } from '../../../activities/keys/overdue-keys.ts';
import { proveKeys } from '../../../activities/keys/prove-keys.ts';
import { proveRecovery, recordRecoveryProof } from '../../../activities/keys/prove-recovery.ts';
import { recordRotation } from '../../../activities/keys/record-rotation.ts';
import { rotationKeysOf } from '../../../activities/keys/rotation-keys.ts';
import { wrapKeys } from '../../../activities/keys/wrap-keys.ts';
import { listSource } from '../../../activities/readiness/list-source.ts';
import { lookAtKeys } from '../../../activities/readiness/look-at-keys.ts';
import { verifyRecoveryPoint } from '../../../activities/store/verify.ts';
import { ageWrapper } from '../../../activities/stream/age-wrapper.ts';
import type { Keys } from '../../../activities/stream/keys.ts';
import { openKeys, openVerifyingKeys } from '../../../activities/stream/open-keys.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { judgeReadiness } from '../../../workflows/domain/judge-readiness.ts';
import type { KeyConfig } from '../../../workflows/domain/keys/schema.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { scheduleSchema } from '../../../workflows/domain/schedules/schema.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { collect } from '../../conformance/store.ts';
import { altered } from '../../harness/altered-store.ts';
import { asking, keyPlace, versionsOf, type KeyPlace } from '../../harness/key-place.ts';
import { keyConfig } from '../../harness/keys.ts';
import { of, scope, writeBackup } from '../../harness/stored-source.ts';
import { readyFacts } from '../../workflows/stub-activities.ts';

const verifyAll = async (to: KeyPlace, keys: Keys): Promise<string[]> => {
  const results = await Promise.all(['b10', 'b28', 'b45'].map(async (backup) => await verifyRecoveryPoint(to.context(keys), { backup }, { verifySlice })));
  return results.flatMap(({ backup, problems }) => problems.map(({ problem }) => `${backup}: ${problem}`));
};

test('killed at every put, a rotation goes on, only adds, and comes to keys that the new one opens alone, and the offline one alone', async (t) => {
  const to = await keyPlace(t);
  const before = await versionsOf(to.store);
  assert.deepEqual(await wrapKeys(to.context(to.rotating), asking(to, { dryRun: true })), { next: null, keys: 4, added: 8, unopened: [], unopenedCount: 0 });
  assert.deepEqual(await versionsOf(to.store), before, 'a dry run puts nothing');
  assert.ok((await verifyAll(to, to.after)).some((problem) => /for aes256 key test, which we do not have/.test(problem)), 'the new key opens nothing yet');

  let kills = 0;
  for (let done = false; !done; kills += 1) {
    // Each try gets one put further than the last one: with every second it is done, and its answer lost.
    const killed = new HoldfastError('StoreUnavailable', 'killed');
    let puts = 0;
    const store = altered(to.store, { put: async (...args) => {
      puts += 1;
      if (puts === 2 || (puts === 1 && kills % 2 === 0)) throw killed;
      const ref = await to.store.put(...args);
      if (kills % 4 === 1) throw killed;
      return ref;
    } });
    done = await wrapKeys(to.context(to.rotating, undefined, { store }), asking(to)).then(() => true, (error: unknown) => {
      assert.equal(error, killed);
      return false;
    });
  }
  assert.ok(kills > 8, `${kills} tries`);
  const now = await versionsOf(to.store);
  assert.deepEqual(before.filter((version) => !now.includes(version)), [], 'nothing is rewritten or taken away');
  assert.equal(now.length, before.length + 8, 'and nothing is put twice');
  assert.deepEqual(await wrapKeys(to.context(to.rotating), asking(to)), { next: null, keys: 4, added: 0, unopened: [], unopenedCount: 0 });

  for (const keys of [to.after, to.offline, to.was]) assert.deepEqual(await verifyAll(to, keys), []);
  const began = rotationKeysOf(to.after);
  const [proof, ...others] = await proveKeys(to.context(to.after), { began });
  assert.deepEqual([proof!.recipient, proof!.backup, others], [{ kind: 'aes256', id: 'next' }, 'b45', []]);
  assert.match(proof!.part!, /\/backups\/b45\/parts\//);
  assert.match(proof!.slice!, /\/slices\//);
  const other = await openKeys({ ...to.configs.after, id: 'other', aes256: '${AES}' }, async (ref) => to.secrets[ref]!);
  await assert.rejects(proveKeys(to.context(other), { began: rotationKeysOf(other) }), { name: 'WrongKey' });

  const said = { system: of.system, run: 'r1', workflowId: 'key-rotate/demo', epoch: 1, by: 'dana', reason: 'the quarter is over', sources: [{ source: of.source, keys: 4, added: 8, proofs: [proof!] }], began: rotationKeysOf(to.rotating) };
  const room = { store: to.store, keys: to.rotating, signal: new AbortController().signal };
  const { record, ref } = await recordRotation(room, said);
  assert.deepEqual([record.recipients, record.retired], [[{ kind: 'aes256', id: 'next', opens: true }, { kind: 'age', id: 'paper', opens: false }], [{ kind: 'aes256', id: 'test' }]]);
  assert.deepEqual((await recordRotation(room, said)).ref, ref, 'twice: the same record');
  const acts = [...(await readAuditRecords({ store: to.store, keys: to.after }, of.system)).values()];
  assert.deepEqual(acts.map(({ body }) => [body.act, body.outcome, body.by]), [['rotate', 'done', 'dana']]);
});

test('a key that lies on the workers is to be replaced when a quarter is over, counted from the first rotation that named it, or from the beginning: readiness says so until it is', async (t) => {
  const to = await keyPlace(t);
  const room = { store: to.store, keys: to.was, signal: new AbortController().signal };
  const day = (count: number): number => Date.now() + hours(24 * count);
  const overdue = async (config: KeyConfig, nowMs: number, keys = to.was): Promise<string[]> => {
    const keysOverdue = await overdueKeys({ ...room, keys }, { system: of.system, key: { ...config, rotateEvery: hours(24 * 92) } }, nowMs);
    return judgeReadiness({ ...readyFacts, keysOverdue }).problems.map(({ kind, makes, what }) => `${kind}, ${makes}: ${what}`);
  };
  assert.deepEqual(await overdue(to.configs.was, day(91)), []);
  const [late] = await overdue(to.configs.was, day(93));
  assert.match(late!, /^key, at risk: aes256 test wraps all that is new since .*, and was to be replaced at /);
  assert.deepEqual(await overdueKeys(room, { system: of.system, key: to.configs.was }, day(9_999)), [], 'nobody asked for it');
  // Three months later, by the store: as old as the other was.
  const store = altered(to.store, { now: async () => new Date(day(93)) });
  const recorded = { system: of.system, run: 'r1', workflowId: 'key-rotate/demo', epoch: 1, by: 'dana', reason: 'the quarter is over', sources: [], began: rotationKeysOf(to.rotating) };
  await recordRotation({ ...room, store, keys: to.rotating }, recorded);
  assert.deepEqual(await overdue(to.configs.after, day(93 + 91), to.after), []);
  // Rotated once more for another reason: the key is no newer for it.
  const later = altered(to.store, { now: async () => new Date(day(93 + 60)) });
  await recordRotation({ ...room, store: later, keys: to.after }, { ...recorded, run: 'r2', began: rotationKeysOf(to.after) });
  const again = await overdue(to.configs.after, day(93 + 93), to.after);
  assert.match(again.join('\n'), /^key, at risk: aes256 next wraps all that is new since .*, and was to be replaced at [^\n]*$/, 'of what is offline a proof is asked for, and no other key');
});

test('a page ends where the next one begins; what nothing opens is told by name, and what a disposal takes is wrapped for nobody', async (t) => {
  const to = await keyPlace(t);
  const stranger = await openKeys({ ...keyConfig, id: 'stranger', aes256: '${STRANGER}' }, async (ref) => to.secrets[ref] ?? randomBytes(32).toString('hex'));
  await writeBackup(to.store, stranger, 55);
  const whole = await wrapKeys(to.context(to.rotating), asking(to, { dryRun: true }));
  assert.deepEqual([whole.keys, whole.unopenedCount, whole.unopened.length], [5, 1, 1]);
  assert.match(`${whole.unopened[0]!.key} ${whole.unopened[0]!.why}`, /backups\/b55\/keys\/k\w+\. none of 1 key objects opens with aes256 next, age paper, aes256 test: .*for aes256 key stranger, which we do not have/);
  const [second] = await collect(to.store, layout.backupKeys({ ...scope, backup: 'b28' }));
  const behind = second!.key.replace(/test\.json$/, '');
  assert.equal((await wrapKeys(to.context(to.rotating), asking(to, { after: behind, dryRun: true }))).keys, 3, 'b10 and b28 lie before it');

  await orderDisposal(to.context(to.was), { point: 'b55', run: 'r0', workflowId: 'w', by: null, approvedBy: [], reason: 'nobody opens it', evenTheLast: true });
  assert.equal((await wrapKeys(to.context(to.rotating), asking(to))).keys, 4, 'it is being disposed of');

  // A rotation that has opened the key is overtaken by the disposal of its base, before it puts.
  const { timeline } = await orderDisposal(to.context(to.was), { point: 'b10', run: 'r1', workflowId: 'w', by: null, approvedBy: [], reason: 'a court ordered it', evenTheLast: true });
  const folder = layout.backupFolder({ ...scope, backup: 'b10' });
  assert.equal((await collect(to.store, layout.backupKeys({ ...scope, backup: 'b10' }))).length, 3);
  const pass = await destroyPoint(to.context(to.was), { point: 'b10', timeline, run: 'r1' });
  const { certificate } = await certifyDisposal(to.context(to.was), { point: 'b10', run: 'r1', workflow: 'disposePoint', keysGoneAt: pass.at, allGoneAt: pass.at, left: [] });
  assert.deepEqual([pass.state, certificate.wrappings.length, await collect(to.store, folder)], ['gone', 3, []], 'every wrapping that was added is destroyed with it');
});

test('a wrapping that a rotation puts while its base is destroyed does not outlive the disposal', async (t) => {
  const to = await keyPlace(t);
  const prefix = layout.backupKeys({ ...scope, backup: 'b28' });
  let overtaken = 0;
  const store = altered(to.store, { put: async (...args) => {
    if (args[0].startsWith(prefix) && (overtaken += 1) === 1) {
      const { timeline } = await orderDisposal(to.context(to.was), { point: 'b28', run: 'r1', workflowId: 'w', by: null, approvedBy: [], reason: 'a court ordered it', evenTheLast: true });
      assert.equal((await destroyPoint(to.context(to.was), { point: 'b28', timeline, run: 'r1' })).state, 'gone');
    }
    return await to.store.put(...args);
  } });
  await wrapKeys(to.context(to.rotating, undefined, { store }), asking(to));
  assert.ok(overtaken > 0);
  assert.deepEqual(await collect(to.store, layout.backupFolder({ ...scope, backup: 'b28' })), []);
});

test('a check names what is not wrapped, what is wrong and what nothing opens; readiness tells of it, and of a check that did not come', async (t) => {
  const to = await keyPlace(t);
  const judged = async (config: KeyConfig = to.configs.after, nowMs = Date.now(), schedules: object = {}): Promise<string[]> => {
    const context = to.context(to.was, config, {});
    Object.assign(context.system, { schedules });
    const keys = await lookAtKeys(context, await listSource(context), { nowMs });
    return judgeReadiness({ ...readyFacts, sources: [{ ...readyFacts.sources[0]!, keys }] }).problems.map(({ kind, makes, what }) => `${kind}, ${makes}: ${what}`);
  };
  const daily = { keys: scheduleSchema.parse({ does: 'verification', with: { scope: 'keys' }, every: '24h' }) };
  const [due] = await judged(to.configs.was, Date.now(), daily);
  assert.match(due!, /key, at risk: documents: nobody has looked yet whether its keys open/);

  const good = await checkKeys(to.context(to.was), { run: 'r1' });
  assert.deepEqual([good.ok, good.scope, good.objects, good.parts, good.slices], [true, 'keys', 4, 1, 1]);
  assert.deepEqual(await judged(to.configs.was, Date.now(), daily), []);
  assert.match((await judged(to.configs.was, Date.now() + hours(72), daily))[0]!, /nobody has looked whether its keys open since /);

  const missing = await checkKeys(to.context(to.rotating), { run: 'r2' });
  assert.deepEqual(missing.problems.map(({ problem }) => problem), ['aes256 next', 'age paper'].map((one) => `is not wrapped for ${one}: holdfast key rotate demo wraps it; and 3 more keys`));
  assert.match((await judged())[0]!, /key, at risk: documents: not every key is as it should be: .*is not wrapped for aes256 next/);

  await wrapKeys(to.context(to.rotating), asking(to));
  assert.ok((await checkKeys(to.context(to.rotating), { run: 'r3' })).ok);
  // Somebody put another key where the worker reads it.
  const wrong = await openKeys(to.configs.rotating, async (ref) => (ref === '${NEXT}' ? randomBytes(32).toString('hex') : to.secrets[ref]!));
  const one = await checkKeys(to.context(wrong), { run: 'r4' });
  assert.equal(one.problems.length, 4, 'three bases, and the newest key of the log');
  assert.match(one.problems[0]!.problem, /aes256 next does not open it: WrongKey: the aes256 key next does not open key k/);
  const alone = await openKeys(to.configs.after, async (ref) => (ref === '${NEXT}' ? randomBytes(32).toString('hex') : to.secrets[ref]!));
  await checkKeys(to.context(alone), { run: 'r5' });
  assert.match((await judged())[0]!, /key, not ready: documents: NOTHING OPENS 4 KEYS of what is kept: /);
});

test('who has the offline key proves it; a worker believes nobody else; a quarter later it is overdue', async (t) => {
  const to = await keyPlace(t);
  const recipient = to.configs.after.recipients!['paper']!;
  assert.equal(recipient.kind, 'age');
  const paper = await ageWrapper('paper', { publicKey: recipient.publicKey, privateKey: to.secrets['${PAPER}']! }, 'key.recipients.paper');
  // As the command has it: the bucket and public keys, and nothing else that opens.
  const room = { store: to.store, keys: await openVerifyingKeys(to.configs.after, async (ref) => to.secrets[ref]!), signal: new AbortController().signal };
  await assert.rejects(proveRecovery(room, of, paper), { name: 'WrongKey' }, 'nothing is wrapped for it yet');
  await wrapKeys(to.context(to.rotating), asking(to));
  const proof = await proveRecovery(room, of, paper);
  assert.deepEqual([proof.backup, proof.recipient, proof.part !== null, proof.archiveKey !== null], ['b45', { kind: 'age', id: 'paper' }, true, true]);
  assert.ok(!JSON.stringify(proof).includes(to.secrets['${PAPER}']!));

  const record = async (more: object): Promise<unknown> => await recordRecoveryProof(to.context(to.after), { ...proof, run: 'r1', by: 'dana', ...more });
  await assert.rejects(record({ mac: '0'.repeat(64) }), { name: 'NotPermitted', message: /was not made with its key: nothing is proved/ });
  await assert.rejects(record({ backup: 'b28' }), { name: 'ObjectMissing' });
  await assert.rejects(record({ plainSha256: '0'.repeat(64) }), { name: 'NotPermitted' });
  await assert.rejects(record({ recipient: { kind: 'age', id: 'nobody' } }), { name: 'BadInput', message: /recipients: aes256 next, age paper/ });
  await assert.rejects(record({ recipient: { kind: 'aes256', id: 'next' } }), { name: 'NotPermitted', message: /opens here anyway/ });
  const look = async (nowMs: number) => {
    const context = to.context(to.after);
    return (await lookAtKeys(context, await listSource(context), { nowMs })).offline;
  };
  assert.deepEqual(await look(Date.now()), [{ recipient: 'age paper', provedAt: null, overdueSince: null }]);
  await record({});
  const [proved] = await look(Date.now());
  assert.ok(proved!.provedAt !== null && proved!.overdueSince === null);
  assert.equal((await look(Date.now() + hours(24 * 93)))[0]!.overdueSince, new Date(Date.parse(proved!.provedAt) + hours(24 * 92)).toISOString());
  const told = (offline: Awaited<ReturnType<typeof look>>): string[] => judgeReadiness({ ...readyFacts, sources: [{ ...readyFacts.sources[0]!, keys: { checked: null, dueAt: null, offline } }] }).problems.map(({ what }) => what);
  assert.match(told(await look(Date.now() + hours(24 * 93)))[0]!, /the offline key age paper was last proved at .*, and is to be again/);
  assert.deepEqual(told([proved!]), []);
});
