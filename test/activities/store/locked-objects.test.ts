import assert from 'node:assert/strict';
import { DeleteObjectCommand, GetObjectRetentionCommand, S3Client } from '@aws-sdk/client-s3';
import { test } from 'node:test';
import { readAudit } from '../../../activities/audit/read-audit.ts';
import { recordAct } from '../../../activities/audit/record-act.ts';
import { openS3Store } from '../../../activities/store/s3.ts';
import { isEvidence, layout } from '../../../workflows/domain/layout.ts';
import { newKeys } from '../../harness/keys.ts';
import { startObjectStore } from '../../harness/object-store.ts';
import { until } from '../../harness/until.ts';

const scope = { system: 'demo', source: 'documents', timeline: 't00000001' };
const backup = { ...scope, backup: '01HZX0A1B2C3D4' };
const run = { in: 'runs', id: 'r1' } as const;
const [from, to] = ['1763717005-0000000001', '1763717205-0000000001'] as const;
/** One key of each kind of object that is written under the store's lock. */
const keys: Record<string, string> = {
  'a part': layout.part(backup, 'u', '0', 'a'), 'an index of parts': layout.group(backup, 'g', 'a'), 'a plan': layout.plan(backup), 'a manifest': layout.manifest(backup),
  'a key of a backup': layout.backupKey(backup, 'k', 'r'), 'a key of the log': layout.archiveKey(scope, 'k', 'r'), 'a slice': layout.slice(scope, from as never, to as never), 'a gap': layout.gap(scope, from as never, to as never),
  'a head': layout.head(scope, to as never), 'a history': layout.history(scope), 'a timeline': layout.timeline(scope), 'a mark': layout.mark(scope, backup.backup, '2026-11-22T03:00:00.000Z'), 'an epoch': layout.epoch('demo', 1), 'a list of bases': layout.baseList({ system: 'demo', source: 'documents' }, 1),
  'diverged writes': `${layout.diverged('demo', 'r1', 'documents')}0`,
  'a record of the audit': layout.auditRecord('demo', 1), 'a seal of the audit': layout.auditSeal('demo', '2026-11-22'), 'a report': layout.evidence('demo', 'r1', 'report.json'), 'a page of a journal': layout.journalPage('demo', run, 1),
  'a bundle of evidence': layout.evidenceBundle('demo', run, '2026-11-22T03:00:00.000Z'), 'a report of a week': layout.keptReport('demo', '2026-W47', 'report.json'), 'an incident': layout.incident('demo', 'i1', 'incident.json'), 'a deployment': layout.deployment('demo', 1), 'a plan of retention': layout.retentionPlan('demo', 'r1', 'documents'),
};
const hour = 3_600_000;

test('within its lock no kind of object can be deleted, overwritten, put again or let go sooner; evidence is locked for as long as is said of it; after its lock it goes', async (t) => {
  const server = await startObjectStore(t);
  await server.createBucket('bucket', { lock: true });
  const client = new S3Client({ endpoint: server.endpoint, region: server.region, forcePathStyle: true, maxAttempts: 1, credentials: server });
  t.after(() => client.destroy());
  const open = () => {
    const store = openS3Store({ name: 'test', endpoint: server.endpoint, region: server.region, bucket: 'bucket', prefix: 'p', pathStyle: true, credentials: server, lock: { mode: 'compliance', retain: hour, evidence: 48 * hour } });
    t.after(() => store.close());
    return store;
  };
  const store = open();
  for (const [kind, key] of Object.entries(keys)) {
    const ref = await store.put(key, Buffer.from(kind), { ifAbsent: true });
    await assert.rejects(store.deleteVersion(ref), { name: 'NotPermitted' }, `${kind}: deleted`);
    await assert.rejects(client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: `p/${key}`, VersionId: ref.versionId, BypassGovernanceRetention: true })), Error, `${kind}: deleted past its lock`);
    await assert.rejects(store.put(key, Buffer.from('forged'), { ifAbsent: true }), { name: 'AlreadyExists' }, `${kind}: put again`);
    await assert.rejects(store.extendLock(ref, new Date(Date.now() + 60_000)), Error, `${kind}: its lock made shorter`);
    const newer = await store.put(key, Buffer.from('forged'));
    await client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: `p/${key}` }));
    assert.notEqual(newer.versionId, ref.versionId);
    assert.equal((await store.get(ref)).toString(), kind, 'what was written is there behind what was laid over it');
    const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket: 'bucket', Key: `p/${key}`, VersionId: ref.versionId }));
    const forHours = Math.round((Number(Retention?.RetainUntilDate) - Date.now()) / hour);
    assert.equal(forHours, isEvidence(key) ? 48 : 1, `${kind}: locked for ${forHours} hours`);
  }
  const until2s = new Date((await store.now()).getTime() + 2_000);
  const brief = await store.put('demo/documents/brief', Buffer.from('v'), { lockUntil: until2s });
  await assert.rejects(store.deleteVersion(brief), { name: 'NotPermitted' });
  await until('its lock is over, and it goes', async () => await store.deleteVersion(brief).then(() => true, () => undefined));
  // The server tells its time in whole seconds.
  assert.ok((await store.now()).getTime() >= until2s.getTime() - 1_000, 'not before');

  // Two workers, each with a client of its own, on one audit.
  const shared = { keys: await newKeys() };
  const workers = [open(), open()].map((one) => ({ ...shared, store: one }));
  const act = (n: number) => ({ system: 'twice', by: 'dana', act: 'export', outcome: 'permitted' as const, about: 'x', workflow: 'w', workflowId: `w${n}`, runId: `r${n}` });
  const numbers = await Promise.all(Array.from({ length: 8 }, async (_, n) => (await recordAct(workers[n % 2]!, act(n))).number));
  assert.deepEqual(numbers.sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual((await readAudit(workers[0]!, 'twice')).problems, []);
});
