import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { recordAct, type AuditRoom } from '../../../activities/audit/record-act.ts';
import { listEvidence, readAuditRecords, readEvidence } from '../../../activities/evidence/read-evidence.ts';
import { evidenceAfterwards, evidenceOfRun, sealEvidence } from '../../../activities/evidence/seal-evidence.ts';
import { writeJournalPage } from '../../../activities/report/journal-pages.ts';
import { writeReport } from '../../../activities/report/write-report.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { evidenceSchema, type Evidence } from '../../../workflows/domain/act-records.ts';
import { newKeys } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { sampleReport } from '../report/sample-report.ts';

const signal = new AbortController().signal;
const report = sampleReport();
const of = { in: 'runs', id: report.runId } as const;
const file = (name: string): string => layout.evidence('demo', of.id, name);

async function sealed(t: TestContext): Promise<AuditRoom> {
  const at = { store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }), keys: await newKeys(), signal };
  await recordAct(at, { system: 'demo', by: 'ada', act: 'recover', outcome: 'permitted', about: 'recover production', workflow: 'recoverSystem', workflowId: 'w', runId: 'entry' });
  await writeJournalPage(at, { system: 'demo', of, page: 1, lines: report.state.journal });
  const { evidence } = await writeReport(at, { report, directory: tempDir(t) });
  await sealEvidence(at, evidenceOfRun(report), evidence);
  return at;
}

const all = async <V>(listed: AsyncIterable<V>): Promise<V[]> => {
  const found: V[] = [];
  for await (const one of listed) found.push(one);
  return found;
};
const versionsOf = async (at: AuditRoom, key: string) => (await all(at.store.list(key))).filter((version) => version.key === key);
const remove = async (at: AuditRoom, key: string): Promise<void> => { for (const version of await versionsOf(at, key)) await at.store.deleteVersion(version); };
const bytesOf = async (at: AuditRoom, key: string): Promise<Buffer> => await at.store.getVersion((await versionsOf(at, key))[0]!);
const bundleKey = async (at: AuditRoom): Promise<string> => (await all(at.store.list(layout.evidenceBundles('demo', of)))).at(-1)!.key;
const bodyOf = async (at: AuditRoom): Promise<Evidence> => evidenceSchema.parse((JSON.parse((await bytesOf(at, await bundleKey(at))).toString()) as { body: unknown }).body);
const problems = async (at: AuditRoom): Promise<string[]> => (await readEvidence(at, 'demo', of, await readAuditRecords(at, 'demo'))).problems.map(({ object, problem }) => `${object.replace(/\d{8}T\d{9}Z/, 'AT')}: ${problem}`);

test('a bundle names all that the run has left, what was restored, proved and decided, and the audit names the bundle', async (t) => {
  const at = await sealed(t);
  const body = await bodyOf(at);
  assert.deepEqual(body.files.map(({ key }) => key), [layout.journalPage('demo', of, 1), ...['report.html', 'report.json', 'report.md'].map(file)]);
  assert.deepEqual([body.points.map(({ backup, limit }) => [backup, limit]), body.proofs, body.decisions.map(({ by, decision }) => [by, decision]), body.audit?.number], [[['01HZX0A1B2C3D4', '1763717205-0000000001']], [{ id: 'equality', ok: true, effect: 'gate', collections: 4 }], [['grace', 'approve']], 1]);
  assert.equal(body.tools['node'], process.versions.node);
  assert.deepEqual(await problems(at), []);
  assert.deepEqual(await listEvidence(at, 'demo', await readAuditRecords(at, 'demo')), [of]);
});

test('a report that is written twice, and one that comes when the run is over, are of a newer bundle that still tells of all', async (t) => {
  const at = await sealed(t);
  const { evidence } = await writeReport(at as Required<AuditRoom>, { report, directory: tempDir(t) });
  await sealEvidence(at, evidenceOfRun(report), evidence);
  const diverged = await at.store.put(file('diverged-documents.json'), Buffer.from('{}'));
  await sealEvidence(at, await evidenceAfterwards(at, 'demo', of.id, 'later'), [diverged]);
  const body = await bodyOf(at);
  assert.deepEqual([body.outcome, body.files.length, body.files.find(({ key }) => key === file('report.json'))], ['done', 5, evidence[0]]);
  assert.deepEqual(await problems(at), []);
});

test('what was changed, removed, slipped in, hidden, forged or never signed is named by its object', async (t) => {
  const other = await newKeys();
  const tampered: Record<string, { how: (at: AuditRoom) => Promise<unknown>; found: RegExp[] }> = {
    'a report is altered': { how: async (at) => { const bytes = await bytesOf(at, file('report.json')); await remove(at, file('report.json')); await at.store.put(file('report.json'), Buffer.from(bytes.toString().replace('"done"', '"oops"'))); }, found: [/report\.json: /, /report\.json: version .* is of no bundle/] },
    'a file is gone': { how: (at) => remove(at, file('report.html')), found: [/report\.html: .*/] },
    'a page of the journal is gone': { how: (at) => remove(at, layout.journalPage('demo', of, 1)), found: [/journal\/00000001\.json: /] },
    'a newer report lies over it': { how: (at) => at.store.put(file('report.json'), Buffer.from('{}')), found: [/report\.json: version .* is of no bundle/] },
    'a file is slipped in': { how: (at) => at.store.put(file('proof.json'), Buffer.from('{}')), found: [/proof\.json: version .* is of no bundle/] },
    'the bundle is gone': { how: async (at) => await remove(at, await bundleKey(at)), found: [/evidence\/AT\.json: record 2 of the audit names it, and no such bundle/] },
    'the bundle is altered': { how: async (at) => { const key = await bundleKey(at); const bytes = await bytesOf(at, key); bytes[bytes.indexOf('grace')]! ^= 1; await remove(at, key); await at.store.put(key, bytes); }, found: [/signature/, /no such bundle is believed/] },
    'the bundle is signed with another key': { how: async (at) => { const [key, body] = [await bundleKey(at), await bodyOf(at)]; await remove(at, key); await putSigned(at.store, other, key, body); }, found: [/not known/, /no such bundle is believed/] },
    'the bundle is written anew by who has the key': { how: async (at) => { const [key, body] = [await bundleKey(at), await bodyOf(at)]; await remove(at, key); await putSigned(at.store, at.keys, key, { ...body, outcome: 'aborted' }); }, found: [/record 2 of the audit names it/, /no record of the audit names it/] },
    'it is signed, and lacks its report': { how: async (at) => { const body = await bodyOf(at); await putSigned(at.store, at.keys, layout.evidenceBundle('demo', of, '2126-01-01T00:00:00.000Z'), { ...body, at: '2126-01-01T00:00:00.000Z', files: body.files.filter(({ key }) => !key.endsWith('.html')) }); }, found: [/no record of the audit names it/, /report\.html: the bundle lacks it/] },
    'the audit that it was written by is another': { how: (at) => remove(at, layout.auditRecord('demo', 1)), found: [/was written when the audit had record 1, and that is missing/] },
    'all of it is gone': { how: async (at) => { for (const { key } of await all(at.store.list('demo/runs/'))) await remove(at, key); assert.deepEqual(await listEvidence(at, 'demo', await readAuditRecords(at, 'demo')), [of], 'the audit still names it'); }, found: [/record 2 of the audit names it/] },
  };
  for (const [name, { how, found }] of Object.entries(tampered)) {
    const at = await sealed(t);
    await how(at);
    const seen = await problems(at);
    assert.equal(seen.length, found.length, `${name}: ${JSON.stringify(seen)}`);
    found.forEach((pattern, index) => assert.match(seen[index]!, pattern, name));
  }
});

test('a report that nobody signed is named, and a run that goes on has nothing to sign yet', async (t) => {
  const at = { store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }), keys: await newKeys(), signal };
  await writeJournalPage(at, { system: 'demo', of, page: 1, lines: report.state.journal });
  assert.deepEqual(await problems(at), []);
  await writeReport(at, { report, directory: tempDir(t) });
  assert.match((await problems(at)).join(), /there is no bundle/);
});
