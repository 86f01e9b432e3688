import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ArchiveOutcome } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Notice, NotifyView } from '../../../workflows/domain/notify/notice.ts';
import { notifySchema, toNotifyView } from '../../../workflows/domain/notify/schema.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import type { WatchState } from '../../../workflows/domain/watch.ts';
import { summaries, unexplained } from '../../replay/history.ts';
import { details, failureOf, gateOpen, openLab, stepIs, until, type Lab } from '../lab.ts';
import { point, view } from '../stub-activities.ts';
import { untilCancelled } from '../until-cancelled.ts';

const secret = 'file:secret';
const notify: NotifyView = toNotifyView(notifySchema.parse({
  updateEvery: { internal: '10m', external: '30m' },
  external: { service: 'Dictionary', impact: 'Words cannot be looked up.' },
  internal: { templates: { served: 'All of {system} is well again.\n{clock}' } },
  receivers: {
    ops: { kind: 'slack', url: secret },
    'on-call': { kind: 'pagerduty', routingKey: secret },
    'status-page': { kind: 'webhook', audience: 'external', url: 'https://status.example.com/', secret },
  },
}))!;

interface Told {
  receiver: string;
  notice: Notice;
}

/** What was told, in order; `refuse` says who cannot be told now. */
async function openTold(t: TestContext, { refuse = () => undefined, told = [], ...overrides }: { refuse?: (of: Told) => Error | undefined; told?: Told[] } & Parameters<typeof openLab>[1] = {}): Promise<{ lab: Lab; told: Told[]; phases(receiver: string): string[] }> {
  const lab = await openLab(t, {
    loadSystem: () => Promise.resolve({ ...view, notify }),
    notify: (of) => {
      const why = refuse(of);
      if (why) return Promise.reject(why);
      told.push(of);
      return Promise.resolve({ summary: 'ok' });
    },
    ...overrides,
  });
  // A backup ends when it ends: it is looked at by itself.
  return { lab, told, phases: (receiver) => told.filter((of) => of.receiver === receiver && of.notice.phase !== 'backup-done').map(({ notice }) => notice.phase) };
}

test('a recovery tells each audience what is for it, in order, and never the same twice', { timeout: 120_000 }, async (t) => {
  const { lab, told, phases } = await openTold(t);
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.env.sleep('25m');
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.deepEqual(report.warnings, []);
  assert.deepEqual(phases('ops'), ['started', 'approval', 'update', 'update', 'answered', 'served', 'resolved']);
  assert.deepEqual(phases('on-call'), ['started', 'approval', 'answered', 'resolved']);
  assert.deepEqual(phases('status-page'), ['started', 'served', 'resolved']);
  const outside = told.find(({ receiver }) => receiver === 'status-page')!.notice;
  assert.match(outside.lines.at(-1)!, /^Next update by .* UTC\.$/);
  assert.deepEqual(told.find(({ receiver, notice }) => receiver === 'ops' && notice.phase === 'served')!.notice.lines[0], 'All of demo is well again.', 'in the words of the system file');
  const ids = told.map(({ receiver, notice }) => `${receiver} ${notice.id}`);
  assert.equal(new Set(ids).size, ids.length);
  const wanted = told.find(({ notice }) => notice.phase === 'approval')!.notice;
  assert.deepEqual(wanted.answers, ['signal `approve` (or `reject`) with `{"gate": "approve-switch", "by": "YOUR NAME"}`', 'or `holdfast approve demo --gate approve-switch --by YOUR-NAME`']);
  const closed = told.find(({ receiver, notice }) => receiver === 'on-call' && notice.phase === 'resolved')!.notice;
  assert.ok(told.some(({ receiver, notice }) => receiver === 'on-call' && notice.phase === 'backup-done'), 'the first base of the new side');
  assert.deepEqual([closed.alert!.state, closed.alert!.key], ['closed', told.find(({ receiver }) => receiver === 'on-call')!.notice.alert!.key], 'what was opened is what is closed');
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('a receiver that is dead holds nothing up: the run says so, and tells the newest of each subject once it is back', { timeout: 120_000 }, async (t) => {
  let dead = true;
  const { lab, phases } = await openTold(t, { refuse: ({ receiver }) => (dead && receiver === 'ops' ? new HoldfastError('ReceiverUnavailable', 'hooks.slack.com does not answer: no answer in time') : undefined) });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.env.sleep('35m');
  assert.deepEqual(phases('ops'), []);
  assert.deepEqual(phases('on-call'), ['started', 'approval', 'warning'], 'the others are told');
  dead = false;
  await lab.env.sleep('16m');
  assert.equal(phases('ops')[0], 'approval', 'what still holds');
  assert.ok(!phases('ops').includes('started'), 'and not what was');
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  const history = await lab.run().fetchHistory();
  assert.ok(summaries(history).includes('ops did not take a message; tried again then'), 'its pauses say what they are');
  assert.deepEqual(unexplained(history, 'but of children'), []);
  assert.equal(phases('ops').at(-1), 'resolved');
  assert.deepEqual(report.warnings.filter((warning) => warning.startsWith('notify')), [
    'notify: ops gets no messages for now, they are sent again: ReceiverUnavailable: hooks.slack.com does not answer: no answer in time',
    'notify: ops gets messages again',
  ]);
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('receivers that hang or refuse cost a finished run a minute at most, and its report says who was not told', { timeout: 120_000 }, async (t) => {
  const { lab } = await openTold(t, { refuse: ({ receiver }) => (receiver === 'on-call' ? new HoldfastError('BadSystemFile', 'secret ${KEY}: not set') : undefined) });
  const { notify: answer } = lab.stubs.answers;
  lab.stubs.answers.notify = (of) => (of.receiver === 'ops' ? untilCancelled() : answer(of));
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.match(report.warnings.join('\n'), /^notify: on-call was not told: BadSystemFile: secret \$\{KEY\}: not set$/m);
  assert.match(report.warnings.join('\n'), /^ops was not told of \d+ messages?, the last: demo: recovery done$/m);
  assert.deepEqual(unexplained(await lab.run().fetchHistory(), 'but of children'), []);
  const { startTime, closeTime } = await lab.run().describe();
  assert.ok(closeTime!.getTime() - startTime.getTime() < 5 * 60_000);
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('a step that fails, its retry, an abort and a stuck undo are told; a cancel silences nothing', { timeout: 120_000 }, async (t) => {
  let broken = true;
  const { lab, told, phases } = await openTold(t, {
    replayLog: () => Promise.reject(new HoldfastError('ReplayFailed', 'stops at 7')),
    removeTarget: () => (broken ? Promise.reject(new HoldfastError('Unsupported', 'does not stop')) : Promise.resolve({ summary: 'gone' })),
  });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), stepIs('replay', 'failed'));
  await entry.cancel();
  await until(lab.run(), ({ status }) => status === 'stuck');
  broken = false;
  await lab.run().signal('retry');
  await entry.result().catch(() => undefined);
  assert.deepEqual(phases('ops'), ['started', 'failed', 'answered', 'stuck', 'answered', 'aborted']);
  const failed = told.find(({ notice }) => notice.phase === 'failed')!.notice;
  assert.ok(failed.lines.includes('ReplayFailed: stops at 7'), failed.lines.join('\n'));
  assert.match(failed.answers.join('\n'), /signal `retry` `\{"step": "replay"\}`/);
  const outside = told.filter(({ receiver }) => receiver === 'status-page').map(({ notice }) => notice);
  assert.deepEqual(outside.map(({ phase }) => phase), ['started', 'aborted']);
  for (const { title, lines, facts } of outside) assert.doesNotMatch(JSON.stringify({ title, lines, facts }), /demo|dana|documents|replay|standby|production|RTO/i);
});

test('a run that ends without its switch is not called resolved to anybody', { timeout: 120_000 }, async (t) => {
  const { lab, told } = await openTold(t, { admitTraffic: () => Promise.reject(new HoldfastError('Unsupported', 'the front door does not answer')) });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  await until(lab.run(), stepIs('switch', 'failed'));
  await lab.run().signal('skip', { step: 'switch', by: 'erik', reason: 'by hand' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual([report.outcome, report.state.servedAt], ['done, with steps skipped', null]);
  const last = (receiver: string): Notice => told.filter((of) => of.receiver === receiver && of.notice.phase !== 'backup-done').at(-1)!.notice;
  assert.equal(last('ops').title, 'demo: recovery done, but skipped by people: switch');
  assert.deepEqual([last('status-page').phase, last('status-page').title], ['aborted', 'Dictionary: update on the disruption']);
  assert.doesNotMatch(last('status-page').lines.join(), /complete|available|last message/);
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('nobody outside hears of a drill, and it gets nobody out of bed; a step of the runbook can speak', { timeout: 120_000 }, async (t) => {
  const steps = view.runbook.steps.map((step) => (step.id === 'validate' ? { ...step, id: 'say', uses: 'notify', with: { text: 'the data is back', audience: 'internal' } } : { ...step, needs: step.needs.map((need) => (need === 'validate' ? 'say' : need)) }));
  const { lab, told, phases } = await openTold(t, { loadSystem: () => Promise.resolve({ ...view, notify, runbook: { steps } }) });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana', purpose: 'drill' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('abort', { by: 'dana' });
  await entry.result().catch(() => undefined);
  assert.deepEqual([phases('on-call'), phases('status-page')], [[], []]);
  assert.deepEqual(phases('ops'), ['started', 'note', 'approval', 'answered', 'aborted']);
  assert.ok(told.every(({ notice }) => notice.title.startsWith('DRILL demo: ') && notice.severity === 'info'));
  assert.equal(told[1]!.notice.title, 'DRILL demo: the data is back');
});

test('a backup that fails, a gap in the log and an old primary that lives are told beside runs', { timeout: 120_000 }, async (t) => {
  const gap = { from: point.reaches, to: '1763700500-0000000001', why: 'the oplog was too short' };
  let sealed = false;
  let unreadable = 0;
  const at = '2026-11-21T03:00:00.000Z';
  const rounds = [gap, gap];
  const alive = { heard: 'open' as const, takesWrites: true, seen: 'it takes writes', over: null, at };
  const probes = [alive];
  const { lab, told, phases } = await openTold(t, {
    probeOldPrimary: () => Promise.resolve(probes.shift() ?? { heard: 'refused', takesWrites: null, seen: 'nothing listens', over: null, at }),
    archiveLog: () => {
      const next = rounds.shift();
      return next ? Promise.resolve({ why: 'gap', gap: next, timeline: 't00000001', archivedTo: point.reaches, slices: 1, entries: 1 }) : untilCancelled();
    },
  });
  const { sealBackup: seal, readDivergedWrites: readTaken } = lab.stubs.answers;
  lab.stubs.answers.readDivergedWrites = async (of) => {
    if (unreadable-- > 0) throw new HoldfastError('Tampered', 'its log is not what was written');
    return { ...(await readTaken(of)), inserts: 3, deletes: 1, entries: 5, namespaceCount: 1, firstAt: at, lastAt: at };
  };
  lab.stubs.answers.sealBackup = (input) => (sealed ? seal(input) : Promise.reject(new HoldfastError('Tampered', 'a part is not what was written')));
  assert.equal((await failureOf(await lab.start('backUpSystem', 'demo'))).type, 'Tampered');
  assert.deepEqual(phases('on-call'), ['backup-failed']);
  assert.ok(told[0]!.notice.lines[0]!.includes('a part is not what was written'));
  // Before the archive: while its call is under way, and once it was cancelled, the clock does not skip.
  const startMs = await lab.env.currentTimeMs();
  const input = { system: 'demo', source: 'documents', run: 'R1', epoch: 1, environment: 'production', timeline: 't00000001', limit: point.limit, startedAt: new Date(startMs).toISOString(), endsAt: new Date(startMs + 60_000).toISOString(), fence: 'proved', notify };
  const state = (await (await lab.start('runWatch', input, 'watch/demo/documents')).result()) as WatchState;
  assert.notEqual(state.foundAt, null);
  const seen = told.filter(({ receiver, notice }) => receiver === 'on-call' && notice.phase === 'old-primary').map(({ notice }) => notice);
  assert.deepEqual(seen.map(({ severity, alert }) => [severity, alert!.state]), [['critical', 'open'], ['error', 'open'], ['error', 'open'], ['error', 'open']]);
  assert.match(seen[0]!.title, /THE OLD PRIMARY of documents ANSWERS AGAIN/);
  assert.match([seen[2]!.title, ...seen[2]!.lines, ...seen[2]!.answers].join('\n'), /THE OLD PRIMARY of documents TOOK 3 inserts, 0 updates, 1 deletes\nIn 1 collections[^]*\nreport: reports\/d\.html\n.*holdfast diverged demo/);
  assert.match([seen[3]!.title, ...seen[3]!.lines].join('\n'), /NOBODY WATCHES THE OLD PRIMARY of documents ANY MORE\nlast seen: nothing listens\nThat it takes no writes is not proved/);
  // Its log cannot be read for two looks, and its watch ends while it is fenced: told once each.
  probes.push(alive, ...Array.from({ length: 2 }, () => ({ ...alive, takesWrites: false })));
  unreadable = 2;
  const again = await lab.env.currentTimeMs();
  await (await lab.start('runWatch', { ...input, startedAt: new Date(again).toISOString(), endsAt: new Date(again + 50_000).toISOString() }, 'watch/demo/documents')).result();
  const further = told.filter(({ receiver, notice }) => receiver === 'on-call' && notice.phase === 'old-primary').slice(seen.length).map(({ notice: { title, severity, alert } }) => [title, severity, alert!.state]);
  assert.deepEqual(further.slice(2), [
    ['demo: WHAT THE OLD PRIMARY of documents TOOK IS NOT KNOWN', 'error', 'open'],
    ['demo: THE OLD PRIMARY of documents TOOK 3 inserts, 0 updates, 1 deletes', 'error', 'open'],
    ['demo: the watch on the old primary of documents has ended', 'info', 'closed'],
  ]);
  sealed = true;
  await (await lab.start('archiveLog', 'demo')).result();
  const archive = lab.env.client.workflow.getHandle('archive/demo/documents');
  while (phases('ops').filter((phase) => phase === 'gap').length < 2) await lab.env.sleep('5s');
  await archive.signal('stop');
  await archive.result();
  const gaps = told.filter(({ receiver, notice }) => receiver === 'ops' && notice.phase === 'gap').map(({ notice }) => notice.alert!.state);
  assert.deepEqual(gaps, ['open', 'closed'], 'the same gap is told once');
});

test('a hold, its end, a change of severity and a comment are told once each; what was refused is not', { timeout: 120_000 }, async (t) => {
  const { lab, told, phases } = await openTold(t);
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana', severity: 'P2' });
  await until(lab.run(), gateOpen('approve-switch'));
  for (const [name, message] of [
    ['hold', { by: 'dana', reason: 'the vendor looks at the disk' }], ['hold', { by: 'erik' }],
    ['severity', { severity: 'P1', by: 'dana', reason: 'both sites' }], ['severity', { severity: 'P1', by: 'erik' }],
    ['comment', { by: 'dana', text: 'the disk is lost' }], ['comment', { by: 'dana', text: 'the disk is lost' }],
    ['resume', { by: 'erik' }], ['resume', { by: 'erik' }],
  ] as const) await lab.run().signal(name, message);
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  await entry.result();
  assert.deepEqual(phases('ops'), ['started', 'approval', 'held', 'severity', 'comment', 'answered', 'answered', 'served', 'resolved']);
  assert.deepEqual(phases('on-call'), ['started', 'approval', 'answered', 'resolved'], 'nobody is got out of bed for a comment');
  const titles = told.filter(({ receiver }) => receiver === 'ops').map(({ notice }) => notice.title);
  assert.deepEqual(titles.slice(2, 6), ['demo: HELD by dana', 'demo: severity P2 → P1, says dana', 'demo: dana: the disk is lost', 'demo: hold: resumed by erik']);
  const held = told.find(({ notice }) => notice.phase === 'held')!.notice;
  assert.ok(held.lines.includes('the vendor looks at the disk') && held.answers.join().includes('holdfast resume demo'), JSON.stringify(held));
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('an archive that is late while its store is away is told, and again when it has caught up; a run that continues as new knows what was told', { timeout: 120_000 }, async (t) => {
  const rounds: ArchiveOutcome[] = [];
  let answer: 'well' | 'away' | 'late' | 'no source' = 'away';
  const { lab, told, phases } = await openTold(t, {
    // Tried again for as long as the store is away: the workflow hears nothing of it.
    archiveLog: () => {
      const next = rounds.shift();
      return next ? Promise.resolve(next) : Promise.reject(new HoldfastError('StoreUnavailable', 's3.example.com does not answer'));
    },
  });
  const read = lab.stubs.answers.readArchiveStatus;
  lab.stubs.answers.readArchiveStatus = async (of) => {
    if (answer === 'away') throw new HoldfastError('StoreUnavailable', 's3.example.com does not answer');
    return { ...(await read(of)), rpoMs: answer === 'no source' ? null : answer === 'late' ? 600_000 : 0 };
  };
  await (await lab.start('archiveLog', 'demo')).result();
  const archive = lab.env.client.workflow.getHandle('archive/demo/documents');
  const pass = async (wanted: number): Promise<void> => {
    for (let looked = 0; phases('ops').length < wanted && looked < 60; looked += 1) await lab.env.sleep('1m');
  };
  await pass(1);
  assert.deepEqual(phases('ops'), ['archive-late']);
  assert.match(told[0]!.notice.lines[0]!, /StoreUnavailable: s3\.example\.com does not answer/);
  answer = 'no source';
  await lab.env.sleep('20m');
  assert.deepEqual(phases('ops'), ['archive-late'], 'a source that is away is another matter');
  rounds.push({ why: 'handover', timeline: 't00000001', archivedTo: point.reaches, slices: 1, entries: 1, gap: null });
  answer = 'late';
  await lab.env.sleep('20m');
  assert.deepEqual(phases('ops'), ['archive-late'], 'it was told already, by the run before');
  answer = 'well';
  await pass(2);
  assert.deepEqual(told.filter(({ receiver }) => receiver === 'on-call').map(({ notice }) => [notice.phase, notice.alert!.state]), [['archive-late', 'open'], ['archive-late', 'closed']]);
  assert.match(await details(archive), /\n- 0ms behind its source, seen at 20\d\d-/);
  await archive.signal('stop');
  await archive.result();
});
