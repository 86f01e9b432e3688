import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { readAudit } from '../../../activities/audit/read-audit.ts';
import { recordAct, type AuditRoom } from '../../../activities/audit/record-act.ts';
import { sealAudit } from '../../../activities/audit/seal-audit.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { auditRecordSchema, auditSealSchema } from '../../../workflows/domain/act-records.ts';
import { newKeys } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';

/** A real store whose clock the test sets. */
class Place implements AuditRoom {
  now: string;
  readonly store: AuditRoom['store'];
  readonly keys: AuditRoom['keys'];

  constructor(real: AuditRoom, now: string) {
    this.now = now;
    this.keys = real.keys;
    this.store = new Proxy(real.store, { get: (of, name) => (name === 'now' ? () => Promise.resolve(new Date(this.now)) : typeof of[name as 'put'] === 'function' ? of[name as 'put'].bind(of) : of[name as 'put']) });
  }

  static async open(t: TestContext, now = '2026-11-20T10:00:00.000Z'): Promise<Place> {
    return new Place({ store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }), keys: await newKeys() }, now);
  }

  async act(runId: string, at = this.now, act = 'export'): Promise<void> {
    this.now = at;
    await recordAct(this, { system: 'demo', by: 'dana', act, outcome: 'permitted', about: 'x', workflow: 'w', workflowId: `w-${runId}`, runId });
  }

  async problems(): Promise<[string, string][]> {
    return (await readAudit(this, 'demo')).problems.map(({ number, day, problem }) => [number === null ? `seal ${day}` : `${number} ${day ?? '-'}`, problem]);
  }

  async removeAll(key: string): Promise<void> {
    for (const version of await this.versions(key)) await this.store.deleteVersion(version);
  }

  async versions(key: string): Promise<{ key: string; versionId: string }[]> {
    const found = [];
    for await (const version of this.store.list(key)) if (version.key === key) found.push(version);
    return found;
  }

  async bytes(key: string): Promise<Buffer> {
    return await this.store.getVersion((await this.versions(key))[0]!);
  }

  async replace(key: string, bytes: Buffer): Promise<void> {
    await this.removeAll(key);
    await this.store.put(key, bytes);
  }
}

/** Three days with two, none and two records, and a day that is not over with one. */
async function sealed(t: TestContext): Promise<Place> {
  const at = await Place.open(t);
  await at.act('r1', '2026-11-20T10:00:00.000Z');
  await at.act('r2', '2026-11-20T23:59:59.000Z');
  await at.act('r3', '2026-11-22T00:00:00.000Z');
  await at.act('r4', '2026-11-22T12:00:00.000Z');
  await at.act('r5', '2026-11-23T00:05:00.000Z');
  await sealAudit(at, 'demo');
  return at;
}

test('days that were missed are made up for, one without acts too, and an untouched audit has no problem', async (t) => {
  const at = await sealed(t);
  const bodies = await Promise.all(['20', '21', '22'].map(async (day) => auditSealSchema.parse((JSON.parse((await at.bytes(layout.auditSeal('demo', `2026-11-${day}`))).toString()) as { body: unknown }).body)));
  assert.deepEqual(bodies.map(({ from, to }) => [from, to]), [[1, 2], [3, 2], [3, 4]]);
  assert.deepEqual(await at.problems(), []);
  assert.deepEqual((await readAudit(at, 'demo')).sealed, { days: 3, upTo: '2026-11-22', unsealed: 1 });
  assert.deepEqual((await sealAudit(at, 'demo')).days, [], 'a second time nothing is left to do');
  at.now = '2026-11-24T00:10:00.000Z';
  assert.deepEqual(await sealAudit(at, 'demo'), { system: 'demo', days: ['2026-11-23'], upTo: '2026-11-23', to: 5 });
  assert.deepEqual(await at.problems(), []);
});

test('an audit without a record is sealed from yesterday on, and a record that comes late belongs to the next seal', async (t) => {
  const at = await Place.open(t);
  assert.deepEqual((await sealAudit(at, 'demo')).days, ['2026-11-19']);
  at.now = '2026-11-21T00:10:00.000Z';
  assert.deepEqual((await sealAudit(at, 'demo')).days, ['2026-11-20']);
  // A worker asked for the time, and was held up until the day was sealed.
  await at.act('late', '2026-11-20T23:59:59.000Z');
  at.now = '2026-11-22T00:10:00.000Z';
  assert.equal((await sealAudit(at, 'demo')).to, 1);
  assert.deepEqual(await at.problems(), []);
});

test('two that seal at once put one seal a day', async (t) => {
  const at = await Place.open(t);
  await at.act('r1', '2026-11-15T10:00:00.000Z');
  at.now = '2026-11-20T10:00:00.000Z';
  const done = await Promise.all([sealAudit(at, 'demo'), sealAudit(at, 'demo'), sealAudit(at, 'demo')]);
  assert.deepEqual(done.flatMap(({ days }) => days).sort(), ['15', '16', '17', '18', '19'].map((day) => `2026-11-${day}`));
  assert.deepEqual(await at.problems(), []);
});

test('a store whose clock goes back makes no record older than the one before it', async (t) => {
  const at = await Place.open(t);
  await at.act('r1', '2026-11-20T10:00:00.000Z');
  await at.act('r2', '2026-11-20T04:00:00.000Z');
  assert.deepEqual((await readAudit(at, 'demo')).entries.map((entry) => entry.at), ['2026-11-20T10:00:00.000Z', '2026-11-20T10:00:00.000Z']);
  assert.deepEqual(await at.problems(), []);
});

test('what was cut off, slipped in or redated, and a seal that is gone, forged, moved or hidden, are named where they stand', async (t) => {
  const record = (number: number): string => layout.auditRecord('demo', number);
  const seal = (day: string): string => layout.auditSeal('demo', `2026-11-${day}`);
  const other = await newKeys();
  const rewrite = async (at: Place, number: number, more: object): Promise<void> => {
    const body = auditRecordSchema.parse((JSON.parse((await at.bytes(record(number))).toString()) as { body: unknown }).body);
    await at.removeAll(record(number));
    await putSigned(at.store, at.keys, record(number), { ...body, ...more });
  };
  const bodyOf = async (at: Place, day: string) => auditSealSchema.parse((JSON.parse((await at.bytes(seal(day))).toString()) as { body: unknown }).body);
  const tampered: Record<string, { how: (at: Place) => Promise<unknown>; found: [string, RegExp][] }> = {
    'the end is cut off, behind a seal': { how: async (at) => { for (const n of [4, 5]) await at.removeAll(record(n)); }, found: [['4 2026-11-22', /is gone from the end: the seal of 2026-11-22 names it/]] },
    'all of it is gone': { how: async (at) => { for (const n of [1, 2, 3, 4, 5]) await at.removeAll(record(n)); }, found: [['1 2026-11-20', /gone/], ['2 2026-11-20', /gone/], ['3 2026-11-22', /gone/], ['4 2026-11-22', /gone/]] },
    'the end was cut off and written anew by who has the key': { how: async (at) => { await at.removeAll(record(5)); await rewrite(at, 4, { by: 'mallory' }); }, found: [['4 2026-11-22', /is not what the seal of 2026-11-22 names/]] },
    'the last is redated into a day that was over': { how: async (at) => await rewrite(at, 5, { at: '2026-11-21T00:00:00.000Z' }), found: [['5 2026-11-21', /before the record before it/]] },
    'a record says that it is newer than its seal': { how: async (at) => { await at.removeAll(record(5)); await rewrite(at, 4, { at: '2026-11-23T01:00:00.000Z' }); }, found: [['4 2026-11-22', /is not what/], ['4 2026-11-22', /the seal of 2026-11-22 was before that/]] },
    'two records change places': { how: async (at) => { const [one, two] = [await at.bytes(record(3)), await at.bytes(record(4))]; await at.replace(record(3), two); await at.replace(record(4), one); }, found: [['3 -', /holds the object of/], ['4 -', /holds the object of/], ['5 2026-11-23', /records 3 to 4 before it/]] },
    'a seal is gone': { how: (at) => at.removeAll(seal('21')), found: [['seal 2026-11-22', /the seal of 2026-11-21 before it is missing/]] },
    'the first seal is gone': { how: (at) => at.removeAll(seal('20')), found: [['seal 2026-11-21', /those before it are gone/]] },
    'a seal is forged': { how: async (at) => { const body = await bodyOf(at, '21'); await at.removeAll(seal('21')); await putSigned(at.store, other, seal('21'), body); }, found: [['seal 2026-11-21', /not known/]] },
    'a seal is altered': { how: async (at) => { const bytes = await at.bytes(seal('22')); bytes[bytes.indexOf('"to":4') + 5] = 0x33; await at.replace(seal('22'), bytes); }, found: [['seal 2026-11-22', /signature/]] },
    'a seal is another day’s': { how: async (at) => await at.replace(seal('22'), await at.bytes(seal('21'))), found: [['seal 2026-11-22', /holds the object of demo\/audit-seals\/2026-11-21/]] },
    'a seal is written anew by who has the key': { how: async (at) => { const body = await bodyOf(at, '21'); await at.removeAll(seal('21')); await putSigned(at.store, at.keys, seal('21'), { ...body, sealedAt: '2026-11-22T09:00:00.000Z' }); }, found: [['seal 2026-11-22', /does not follow the seal before it/]] },
    'a newer version lies over a seal': { how: (at) => at.store.put(seal('21'), Buffer.from('{}')), found: [['seal 2026-11-21', /written over: there are 2 versions/]] },
    'nobody has sealed for days': { how: (at) => Promise.resolve((at.now = '2026-11-27T10:00:00.000Z')), found: [['seal 2026-11-23', /is missing, and so are those up to 2026-11-25/]] },
    'every seal is gone': { how: async (at) => { await at.act('r6', '2026-11-24T00:00:00.000Z', 'seal-audit'); for (const day of ['20', '21', '22']) await at.removeAll(seal(day)); }, found: [['seal 2026-11-20', /is missing, and so are those up to 2026-11-22/]] },
  };
  for (const [name, { how, found }] of Object.entries(tampered)) {
    const at = await sealed(t);
    await how(at);
    const seen = await at.problems();
    assert.deepEqual(seen.map(([where]) => where), found.map(([where]) => where), `${name}: ${JSON.stringify(seen)}`);
    found.forEach(([, pattern], index) => assert.match(seen[index]![1], pattern, name));
  }
});

test('sealing goes on behind a seal that is not believed, and what that one held is sealed again', async (t) => {
  const at = await sealed(t);
  await at.replace(layout.auditSeal('demo', '2026-11-22'), Buffer.from('rubbish'));
  at.now = '2026-11-24T00:10:00.000Z';
  assert.deepEqual((await sealAudit(at, 'demo')).days, ['2026-11-23']);
  assert.deepEqual((await at.problems()).map(([where]) => where), ['seal 2026-11-22']);
});
