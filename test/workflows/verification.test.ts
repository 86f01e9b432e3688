import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActToRecord, BackupSummary, VerifyResult } from '../../workflows/contract.ts';
import type { BackupReport } from '../../workflows/domain/backup-report.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Notice } from '../../workflows/domain/notify/notice.ts';
import { notifySchema, toNotifyView } from '../../workflows/domain/notify/schema.ts';
import { hours } from '../../workflows/domain/units.ts';
import { details, failureOf, openLab, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

const count = (lab: Lab, name: string): number => lab.stubs.called().filter((called) => called === name).length;

test('a verification returns what it read; damage that is news starts one new base at once, which is not taken again, and people and the audit are told', async (t) => {
  const notify = toNotifyView(notifySchema.parse({ receivers: { here: { kind: 'webhook', url: 'http://127.0.0.1:9/', secret: 'file:s' } } }));
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, notify }) });
  const told = (): Notice[] => lab.stubs.calls.filter(({ name }) => name === 'notify').map(({ input }) => (input as { notice: Notice }).notice);
  const [good] = (await (await lab.start('verifySystem', 'demo')).result()) as VerifyResult[];
  assert.equal(good!.ok, true);
  assert.deepEqual(told().map(({ phase, title }) => [phase, title]), [['verified', 'demo: verified: the newest base and its log']]);
  const { verifyRecoveryPoint } = lab.stubs.answers;
  let isNews: true | undefined = true;
  const damaged: typeof verifyRecoveryPoint = async (input) => ({ ...(await verifyRecoveryPoint(input)), ok: false, problems: [{ key: 'demo/documents/parts/1', problem: 'SHA-256 differs' }], ...(isNews ? { newBaseWanted: isNews } : {}) });
  // What the new base is read back as: damaged, too.
  lab.stubs.answers.verifyRecoveryPoint = damaged;
  const failure = await failureOf(await lab.start('verifySystem', { system: 'demo', source: 'documents' }));
  assert.equal(failure.type, 'Tampered');
  assert.match(failure.message, /demo\/documents\/parts\/1: SHA-256 differs\. A new base is being taken: workflow backup\/demo\./);
  assert.equal((failure.details![0] as VerifyResult[])[0]!.ok, false);
  const backup = await failureOf(lab.env.client.workflow.getHandle('backup/demo'));
  assert.match(backup.message, /is damaged as it is read back, and marked bad/);
  assert.equal(count(lab, 'planDump'), 1, 'once, though it fails');
  const plan = lab.stubs.calls.find(({ name }) => name === 'planDump')!.input as { why: string; requestedBy: string };
  assert.deepEqual([plan.why, plan.requestedBy], ['verification found documents damaged', 'verification']);
  assert.deepEqual(told().slice(1).map(({ phase }) => phase).toSorted(), ['backup-failed', 'verification-failed']);
  assert.match(told().find(({ phase }) => phase === 'verification-failed')!.lines.join('\n'), /A new base is being taken[\s\S]*SHA-256 differs/);
  const acts = lab.stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => input as ActToRecord);
  assert.deepEqual(acts.filter(({ by }) => by === 'verification').map(({ act, about }) => [act, about]), [['back-up', 'take a backup: verification found documents damaged']]);

  isNews = undefined;
  assert.match((await failureOf(await lab.start('verifySystem', 'demo', 'again'))).message, /No new base is started: a verification before this one has told of the same/);
  assert.equal(count(lab, 'planDump'), 1);
});

test('a sample asks for its share and says which it was; everything is one share; what belongs to neither is refused', async (t) => {
  const lab = await openLab(t);
  const handle = await lab.start('verifySystem', { system: 'demo', scope: 'sample' });
  assert.equal(((await handle.result()) as VerifyResult[])[0]!.sample!.of, 28);
  assert.match(await details(handle), /share 5 of 28; 3 not read yet, all by 2026-11-28T03:00:00\.000Z/);
  await (await lab.start('verifySystem', { system: 'demo', scope: 'sample', shares: 4, within: '1d' }, 'b')).result();
  await (await lab.start('verifySystem', { system: 'demo', scope: 'all' }, 'c')).result();
  const asked = lab.stubs.calls.filter(({ name }) => name === 'verifyKept').map(({ input }) => input as { shares: number; withinMs: number });
  assert.deepEqual(asked.map(({ shares, withinMs }) => [shares, withinMs / hours(1)]), [[28, 168], [4, 24], [1, 168]]);
  assert.match((await failureOf(await lab.start('verifySystem', { system: 'demo', shares: 4 }, 'd'))).message, /shares and within are of scope sample/);
});

test('a base is read back once it is sealed; one that is damaged is taken once more, and the second that is ends the backup', async (t) => {
  const notify = toNotifyView(notifySchema.parse({ receivers: { mail: { kind: 'email', from: 'h@example.com', to: ['ops@example.com'], smtp: { host: 'mail' }, phases: ['backup-done'] } } }));
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, notify }) });
  const told = (): Notice => lab.stubs.calls.filter(({ name }) => name === 'notify').map(({ input }) => (input as { notice: Notice }).notice).at(-1)!;
  const { verifyRecoveryPoint } = lab.stubs.answers;
  let bad = 1;
  lab.stubs.answers.verifyRecoveryPoint = async (input) => ({ ...(await verifyRecoveryPoint(input)), ...(bad-- > 0 ? { ok: false, problems: [{ key: 'part-7', problem: 'SHA-256 differs' }] } : {}) });
  const [summary] = (await (await lab.start('backUpSystem', 'demo')).result()) as BackupSummary[];
  const read = lab.stubs.calls.filter(({ name }) => name === 'verifyRecoveryPoint').map(({ input }) => input as { backup: string; scope: string });
  assert.deepEqual([read.map(({ scope }) => scope), read[1]!.backup, summary!.readBack], [['base', 'base'], summary!.backup, { objects: 9, bytes: 900 }]);
  assert.notEqual(read[0]!.backup, read[1]!.backup);
  assert.match(await details(lab.env.client.workflow.getHandle('backup/demo')), /is damaged as it is read back, and marked bad: documents part-7: SHA-256 differs\. It is taken once more/);
  const { report } = lab.stubs.calls.find(({ name }) => name === 'writeBackupReport')!.input as { report: BackupReport };
  assert.match(report.id, /^backup-\d{8}T\d{6}Z-[0-9a-f]{8}$/);
  assert.deepEqual([report.sources.map(({ backup }) => backup), report.warnings.length], [[summary!.backup], 1], 'the page has the base that stands, and says that the first was damaged');
  assert.deepEqual([told().phase, told().page], ['backup-done', `demo/reports/${report.id}/report.json`], 'its mail has the page');
  bad = 9;
  assert.match((await failureOf(await lab.start('backUpSystem', 'demo', 'b'))).message, /and so is the second/);
  assert.equal(count(lab, 'writeBackupReport'), 1, 'what came to nothing has no page');
  assert.equal(count(lab, 'planDump'), 4);
  lab.stubs.answers.writeBackupReport = () => Promise.reject(new HoldfastError('NotPermitted', 'the store takes nothing below reports/'));
  lab.stubs.answers.verifyRecoveryPoint = () => Promise.reject(new HoldfastError('WrongKey', 'key k2 is not k1'));
  const [unread] = (await (await lab.start('backUpSystem', 'demo', 'c')).result()) as BackupSummary[];
  assert.equal(unread!.readBack, undefined);
  assert.deepEqual([told().page, told().lines.at(-1)], [undefined, 'the report of this backup could not be kept: NotPermitted: the store takes nothing below reports/'], 'a backup without its page is a backup');
  assert.match(await details(lab.env.client.workflow.getHandle('backup/demo')), /is sealed, and could not be read back: WrongKey: key k2 is not k1/);
});
