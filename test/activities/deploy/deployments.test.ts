import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { findDeployed, listDeployments, recordDeployment, type DeploymentToRecord } from '../../../activities/deploy/deployments.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import type { ChainRoom } from '../../../activities/store/record-chain.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import { describeDeployments } from '../../../workflows/domain/deployment.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { deploymentRecordSchema } from '../../../workflows/domain/act-records.ts';
import { newKeys } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const room = async (t: TestContext): Promise<ChainRoom> => ({ store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }), keys: await newKeys() });
const said = (version: string, at?: string, more: Partial<DeploymentToRecord> = {}): DeploymentToRecord => ({ system: 'demo', id: `r-${version}-${at ?? ''}`, environment: 'production', version, at, by: 'ci', why: null, ...more });
const ranAt = async (at: ChainRoom, moment: string, environment = 'production'): Promise<string | null> => (await findDeployed(at, { system: 'demo', environment, at: moment })).then?.version ?? null;
const versionsOf = async (at: ChainRoom, number: number): Promise<{ key: string; versionId: string }[]> => {
  const found = [];
  for await (const { key, versionId } of at.store.list(layout.deployment('demo', number))) found.push({ key, versionId });
  return found;
};
const bytesOf = async (at: ChainRoom, number: number): Promise<Buffer> => await at.store.getVersion((await versionsOf(at, number))[0]!);
const replace = async (at: ChainRoom, number: number, bytes: Buffer | null): Promise<void> => {
  for (const version of await versionsOf(at, number)) await at.store.deleteVersion(version);
  if (bytes) await at.store.put(layout.deployment('demo', number), bytes);
};

test('what ran at a moment is the deployment before it, in its own environment; its second counts whole', async (t) => {
  const at = await room(t);
  await recordDeployment(at, said('1.0', '2026-01-01T10:00:00.000Z'));
  await recordDeployment(at, said('9.9', '2026-01-01T10:30:00.000Z', { environment: 'dr' }));
  await recordDeployment(at, said('1.1', '2026-01-01T11:00:00.500Z'));
  assert.deepEqual(
    [await ranAt(at, '2026-01-01T09:59:59.000Z'), await ranAt(at, '2026-01-01T10:00:00.000Z'), await ranAt(at, '2026-01-01T10:59:59.000Z'), await ranAt(at, '2026-01-01T11:00:00.000Z'), await ranAt(at, '2026-01-02T00:00:00.000Z', 'dr')],
    [null, '1.0', '1.0', '1.1', '9.9'],
  );
});

test('a record that was made late counts for its own time and says both; of one moment the later word counts', async (t) => {
  const at = await room(t);
  await recordDeployment(at, said('2.0', '2026-01-01T12:00:00.000Z'));
  await recordDeployment(at, said('1.5', '2026-01-01T11:00:00.000Z', { by: 'dana' }));
  assert.deepEqual([await ranAt(at, '2026-01-01T11:30:00.000Z'), await ranAt(at, '2026-01-01T12:30:00.000Z')], ['1.5', '2.0']);
  await recordDeployment(at, said('2.0.1', '2026-01-01T12:00:00.000Z'));
  assert.equal(await ranAt(at, '2026-01-01T12:30:00.000Z'), '2.0.1');
  const [, late] = (await listDeployments(at, 'demo', 5)).deployments;
  assert.match(describeDeployments({ system: 'demo', deployments: [late!], problems: [] })[0]!, /1\.5 {2}since 2026-01-01T11:00:00Z as was said at 20\d\d-.*Z by dana, claimed$/);
  const now = await recordDeployment(at, said('3.0'));
  assert.deepEqual([now.claimed, now.deployedAt], [false, now.recordedAt]);
  await assert.rejects(recordDeployment(at, said('4.0', '2126-01-01T00:00:00.000Z')), { name: 'TargetTimeInFuture' });
});

test('of two pipelines at once each gets a number of its own, and one that is tried again is there once', async (t) => {
  const at = await room(t);
  const numbers = await Promise.all(Array.from({ length: 8 }, (_, n) => recordDeployment(at, said(`1.${n}`, '2026-01-01T10:00:00.000Z'))));
  assert.deepEqual(numbers.map(({ number }) => number).sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8]);
  const first = await recordDeployment(at, said('2.0', '2026-01-01T11:00:00.000Z'));
  assert.equal((await recordDeployment(at, said('2.0', '2026-01-01T11:00:00.000Z'))).number, first.number);
  const page = await listDeployments(at, 'demo', 100);
  assert.deepEqual([page.deployments.length, page.problems], [9, []]);
});

const damages: Record<string, { how: (at: ChainRoom) => Promise<unknown>; key: number; problem: RegExp }> = {
  'a bit is flipped': { how: async (at) => { const bytes = await bytesOf(at, 2); bytes[bytes.indexOf('1.1')]! ^= 1; await replace(at, 2, bytes); }, key: 2, problem: /signature/ },
  'it is gone': { how: (at) => replace(at, 2, null), key: 2, problem: /is missing/ },
  'another’s copy lies there': { how: async (at) => await replace(at, 2, await bytesOf(at, 1)), key: 2, problem: /holds the object of demo\/deployments\/00000001/ },
  'it was written anew by who has the key': { how: async (at) => { const { body } = JSON.parse((await bytesOf(at, 2)).toString()) as { body: unknown }; await replace(at, 2, null); await putSigned(at.store, at.keys, layout.deployment('demo', 2), { ...deploymentRecordSchema.parse(body), version: '6.6' }); }, key: 3, problem: /does not follow the record before it/ },
};

for (const [name, { how, key, problem }] of Object.entries(damages)) {
  test(`a record that is not believed is named, and nothing is proposed in its place: ${name}`, async (t) => {
    const at = await room(t);
    for (const [version, hour] of [['1.0', '10'], ['1.1', '11'], ['1.2', '13']]) await recordDeployment(at, said(version!, `2026-01-01T${hour}:00:00.000Z`));
    await how(at);
    const { then, problems } = await findDeployed(at, { system: 'demo', environment: 'production', at: '2026-01-01T12:00:00.000Z' });
    assert.equal(then, null);
    assert.deepEqual(problems.map((one) => one.key), [layout.deployment('demo', key)]);
    assert.match(problems[0]!.problem, problem);
    assert.match((await listDeployments(at, 'demo', 9)).problems[0]!.problem, problem);
    // A person who knows it says so: their record is of that moment, and later than it.
    await recordDeployment(at, said('1.1', '2026-01-01T11:00:00.000Z', { id: 'again', by: 'dana' }));
    assert.equal(await ranAt(at, '2026-01-01T12:00:00.000Z'), '1.1');
  });
}

test('damage that lies before a deployment that is believed changes nothing of what ran since', async (t) => {
  const at = await room(t);
  await recordDeployment(at, said('1.0', '2026-01-01T10:00:00.000Z'));
  const { deployedAt } = await recordDeployment(at, said('2.0'));
  await replace(at, 1, Buffer.from('{}'));
  assert.equal(await ranAt(at, deployedAt), '2.0');
});

test('a store that does not answer is an error, not an empty history', async (t) => {
  const at = await room(t);
  await recordDeployment(at, said('1.0'));
  at.store.getVersion = () => Promise.reject(new HoldfastError('StoreUnavailable', 'no answer'));
  await assert.rejects(ranAt(at, new Date().toISOString()), { name: 'StoreUnavailable' });
});
