import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { readAudit } from '../../../activities/audit/read-audit.ts';
import { recordAct, type AuditRoom } from '../../../activities/audit/record-act.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import type { ActToRecord } from '../../../workflows/contract.ts';
import { pageAudit } from '../../../workflows/domain/audit.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { auditRecordSchema } from '../../../workflows/domain/act-records.ts';
import { newKeys } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const act = (runId: string, more: Partial<ActToRecord> = {}): ActToRecord => ({ system: 'demo', by: 'dana', act: 'export', outcome: 'permitted', about: 'export a recovery point', workflow: 'exportRecoveryPoint', workflowId: `w-${runId}`, runId, ...more });
const room = async (t: TestContext): Promise<AuditRoom> => ({ store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }), keys: await newKeys() });
const record = async (at: AuditRoom, count: number): Promise<void> => {
  for (let n = 1; n <= count; n += 1) await recordAct(at, act(`r${n}`));
};
const problems = async (at: AuditRoom): Promise<[number | null, string][]> => (await readAudit(at, 'demo')).problems.map(({ number, problem }) => [number, problem]);
const versionsOf = async (at: AuditRoom, number: number): Promise<{ key: string; versionId: string }[]> => {
  const found = [];
  for await (const { key, versionId } of at.store.list(layout.auditRecord('demo', number))) found.push({ key, versionId });
  return found;
};
const bytesOf = async (at: AuditRoom, number: number): Promise<Buffer> => await at.store.getVersion((await versionsOf(at, number))[0]!);

test('records are numbered, and each follows the one before; an untouched audit has no problem', async (t) => {
  const at = await room(t);
  assert.deepEqual(await readAudit(at, 'demo'), { entries: [], records: 0, sealed: { days: 0, upTo: null, unsealed: 0 }, problems: [] });
  const numbers = [];
  for (let n = 1; n <= 35; n += 1) numbers.push((await recordAct(at, act(`r${n}`))).number);
  assert.deepEqual(numbers, Array.from({ length: 35 }, (_, n) => n + 1));
  const read = await readAudit(at, 'demo');
  assert.deepEqual([read.records, read.problems, read.entries.map(({ runId }) => runId).slice(0, 2), read.entries.at(-1)?.number], [35, [], ['r1', 'r2'], 35]);
});

test('of many writers at once each gets a number of its own, and the chain holds', async (t) => {
  const at = await room(t);
  const numbers = await Promise.all(Array.from({ length: 12 }, (_, n) => recordAct(at, act(`r${n}`))));
  assert.deepEqual(numbers.map(({ number }) => number).sort((a, b) => a - b), Array.from({ length: 12 }, (_, n) => n + 1));
  assert.deepEqual(await problems(at), []);
});

test('a writer that is killed after its put, and tries again, is shown once, whoever came in between', async (t) => {
  const at = await room(t);
  // The put lands, and its answer does not.
  const lossy: AuditRoom = { ...at, store: Object.create(at.store, { put: { value: async (...args: Parameters<typeof at.store.put>) => {
    await at.store.put(...args);
    throw new HoldfastError('StoreUnavailable', 'the connection was cut');
  } } }) as AuditRoom['store'] };
  lossy.store.list = at.store.list.bind(at.store);
  lossy.store.now = at.store.now.bind(at.store);
  lossy.store.getVersion = at.store.getVersion.bind(at.store);
  await assert.rejects(recordAct(lossy, act('r1')), { name: 'StoreUnavailable' });
  assert.deepEqual(await recordAct(at, act('r1')), { number: 1 });
  await recordAct(at, act('r2'));
  assert.deepEqual(await recordAct(at, act('r1')), { number: 3 });
  const read = await readAudit(at, 'demo');
  assert.deepEqual([read.records, read.entries.map(({ runId }) => runId), read.problems], [3, ['r1', 'r2'], []]);
});

test('what was altered, removed, moved, slipped in or forged is named where it stands', async (t) => {
  const other = await newKeys();
  const removeAll = async (at: AuditRoom, number: number): Promise<void> => {
    for (const version of await versionsOf(at, number)) await at.store.deleteVersion(version);
  };
  const replace = async (at: AuditRoom, number: number, bytes: Buffer): Promise<void> => {
    await removeAll(at, number);
    await at.store.put(layout.auditRecord('demo', number), bytes);
  };
  const tamper: Record<string, { how: (at: AuditRoom) => Promise<unknown>; found: [number, RegExp][] }> = {
    'one is gone': { how: (at) => removeAll(at, 3), found: [[4, /record 3 before it is missing/]] },
    'two are gone': { how: async (at) => { await removeAll(at, 2); await removeAll(at, 3); }, found: [[4, /records 2 to 3 before it are missing/]] },
    'the first is gone': { how: (at) => removeAll(at, 1), found: [[2, /record 1 before it is missing/]] },
    'a bit is flipped': { how: async (at) => { const bytes = await bytesOf(at, 3); bytes[bytes.indexOf('dana')]! ^= 1; await replace(at, 3, bytes); }, found: [[3, /signature/], [4, /record 3 before it is missing or not believed/]] },
    'one is copied to another number': { how: async (at) => await replace(at, 3, await bytesOf(at, 2)), found: [[3, /holds the object of demo\/audit\/00000002/], [4, /not believed/]] },
    'one is signed with another key': { how: async (at) => { const body = auditRecordSchema.parse(JSON.parse((await bytesOf(at, 3)).toString()).body); await removeAll(at, 3); await putSigned(at.store, other, layout.auditRecord('demo', 3), { ...body, by: 'mallory' }); }, found: [[3, /not known|unknown|no public key|signed/], [4, /not believed/]] },
    'one is written anew by who has the key': { how: async (at) => { const body = auditRecordSchema.parse(JSON.parse((await bytesOf(at, 3)).toString()).body); await removeAll(at, 3); await putSigned(at.store, at.keys, layout.auditRecord('demo', 3), { ...body, by: 'mallory' }); }, found: [[4, /does not follow the record before it/]] },
    'a newer version lies over it': { how: (at) => at.store.put(layout.auditRecord('demo', 3), Buffer.from('{}')), found: [[3, /written over: there are 2 versions/]] },
  };
  for (const [name, { how, found }] of Object.entries(tamper)) {
    const at = await room(t);
    await record(at, 5);
    await how(at);
    const seen = await problems(at);
    assert.deepEqual(seen.map(([number]) => number), found.map(([number]) => number), `${name}: ${JSON.stringify(seen)}`);
    found.forEach(([, pattern], index) => assert.match(seen[index]![1], pattern, name));
  }
});

test('an audit goes on behind what was damaged, and never takes a number twice', async (t) => {
  const at = await room(t);
  await record(at, 3);
  const [last] = await versionsOf(at, 3);
  await at.store.deleteVersion(last!);
  await at.store.put(layout.auditRecord('demo', 3), Buffer.from('rubbish'));
  assert.deepEqual(await recordAct(at, act('r9')), { number: 4 });
  assert.deepEqual((await problems(at)).map(([number]) => number), [3, 4]);
});

test('a page is the newest of what was asked for', async (t) => {
  const at = await room(t);
  await recordAct(at, act('r1', { by: 'erik', act: 'read' }));
  await recordAct(at, act('r2'));
  await recordAct(at, act('r3', { outcome: 'refused' }));
  const read = await readAudit(at, 'demo');
  const page = pageAudit('demo', read, { act: 'export' }, 1);
  assert.deepEqual([page.records, page.chosen, page.entries.map(({ runId }) => runId)], [3, 2, ['r3']]);
  assert.deepEqual(pageAudit('demo', read, { by: 'erik' }, 10).entries.map(({ runId }) => runId), ['r1']);
  assert.deepEqual(pageAudit('demo', read, { since: '2126-01-01T00:00:00Z' }, 10).entries, []);
});
