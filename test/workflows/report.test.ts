import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { judgePeriod } from '../../workflows/domain/judge-period.ts';
import { judgeReadiness } from '../../workflows/domain/judge-readiness.ts';
import type { Notice } from '../../workflows/domain/notify/notice.ts';
import { notifySchema, toNotifyView } from '../../workflows/domain/notify/schema.ts';
import type { PeriodReport } from '../../workflows/domain/period-report.ts';
import type { ReportResult } from '../../workflows/report-system.ts';
import { details, failureOf, openLab, type Lab } from './lab.ts';
import { readyFacts, view } from './stub-activities.ts';

const notify = toNotifyView(notifySchema.parse({
  receivers: {
    chat: { kind: 'slack', url: 'file:s' },
    mail: { kind: 'email', from: 'h@example.com', to: ['ops@example.com'], smtp: { host: 'mail' } },
    'on-call': { kind: 'pagerduty', routingKey: 'file:k' },
    weekly: { kind: 'webhook', url: 'http://127.0.0.1:9/', secret: 'file:s', phases: ['report'] },
  },
}))!;
const told = ({ stubs }: Lab): [string, Notice][] => stubs.calls.filter(({ name }) => name === 'notify').map(({ input }) => input as { receiver: string; notice: Notice }).map(({ receiver, notice }) => [receiver, notice]);

test('a report is of the time before its end, is kept, and goes to whoever hears of reports: by default everybody who is not paged', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, notify }) });
  const handle = await lab.start('reportSystem', { system: 'demo', period: 'week', until: '2026-11-23T08:00:00+01:00', requestedBy: 'dana' });
  const { report, text, evidence } = (await handle.result()) as ReportResult;
  assert.deepEqual([report.from, report.to, report.unread, text], ['2026-11-16T07:00:00.000Z', '2026-11-23T07:00:00.000Z', [], 'the report\n']);
  assert.deepEqual([report.readiness?.verdict, report.readiness?.forecastMs], ['ready', 120_000], 'no watch answered: it was looked at for the report');
  assert.match(evidence[0]!.key, /^week-20261123T070000Z-[0-9a-f]{8}\/report\.json$/);
  assert.deepEqual(lab.stubs.calls.find(({ name }) => name === 'readPeriodFacts')!.input, { system: 'demo', from: report.from, to: report.to });
  assert.deepEqual(told(lab).map(([receiver]) => receiver).sort(), ['chat', 'mail', 'weekly']);
  const [, notice] = told(lab)[0]!;
  assert.deepEqual([notice.phase, notice.page], ['report', `demo/reports/${report.id}/report.json`]);
  assert.match(await details(handle), /^\*\*report demo, week up to 2026-11-23T07:00:00\.000Z: /);
});

test('what cannot be read is in the report, which goes out all the same', async (t) => {
  const away = (): Promise<never> => Promise.reject(new HoldfastError('Tampered', 'nothing can be believed'));
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, notify }), readSourceFacts: away, checkReadiness: away, readPeriodFacts: away });
  const { report } = (await (await lab.start('reportSystem', 'demo')).result()) as ReportResult;
  assert.deepEqual(report.unread.sort(), [
    'documents: the store could not be read: Tampered: nothing can be believed',
    'what ended in this time could not be read: Tampered: nothing can be believed',
    'whether it could be recovered now could not be looked at: Tampered: nothing can be believed',
  ]);
  assert.deepEqual([report.period, report.work, told(lab).length, told(lab)[0]![1].severity], ['day', null, 3, 'error']);
});

test('where the watch on readiness answers, its answer is the report’s, and nothing is looked at again', async (t) => {
  const lab = await openLab(t);
  const { readPeriodFacts } = lab.stubs.answers;
  const watched = judgeReadiness({ ...readyFacts, lastDrill: { ...readyFacts.lastDrill!, result: 'failed' } });
  lab.stubs.answers.readPeriodFacts = async (input) => ({ ...(await readPeriodFacts(input)), readiness: watched });
  const { report } = (await (await lab.start('reportSystem', 'demo')).result()) as ReportResult;
  assert.deepEqual([report.readiness?.verdict, lab.stubs.called().includes('checkReadiness')], ['at risk', false]);
  assert.deepEqual(judgePeriod(report), [{ tone: 'warn', what: 'at risk: the last drill failed: see its report (run R1)' }]);
});

test('one that the store does not take is sent without its page, and the workflow fails', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, notify }), writePeriodReport: () => Promise.reject(new HoldfastError('AlreadyExists', 'another is there')) });
  const failed = await failureOf(await lab.start('reportSystem', 'demo'));
  assert.equal(failed.type, 'AlreadyExists');
  const [, notice] = told(lab)[0]!;
  assert.equal(notice.page, undefined);
  assert.match(notice.lines.join('\n'), /LOOK AT the report could not be stored: AlreadyExists/);
});

test('reports of one day that are asked for twice have two names, and are of the same time', async (t) => {
  const lab = await openLab(t);
  const write = async (id: string): Promise<PeriodReport> => ((await (await lab.start('reportSystem', { system: 'demo', until: '2026-11-23T07:00:00Z' }, id)).result()) as ReportResult).report;
  const [one, other] = [await write('r1'), await write('r2')];
  assert.notEqual(one.id, other.id);
  assert.deepEqual([one.from, one.to, one.work], [other.from, other.to, other.work]);
});
