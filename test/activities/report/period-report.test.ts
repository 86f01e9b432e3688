import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { noticePage } from '../../../activities/notify/notice-page.ts';
import { printHtml } from '../../../activities/report/print-html.ts';
import { printMail } from '../../../activities/report/print-mail.ts';
import { printMarkdown, printText } from '../../../activities/report/print-text.ts';
import { toSourceFacts } from '../../../activities/report/period/source-facts.ts';
import { keepReport, listReports, readKeptReport } from '../../../activities/report/kept-reports.ts';
import { runPage } from '../../../activities/report/run-page.ts';
import { rememberSecret } from '../../../activities/secrets.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { backupPage } from '../../../workflows/domain/backup-report.ts';
import { judgePeriod } from '../../../workflows/domain/judge-period.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { reportNotice } from '../../../workflows/domain/report-notice.ts';
import type { PeriodReport } from '../../../workflows/domain/period-report.ts';
import { periodPage } from '../../../workflows/domain/period-page.ts';
import { base, catalogOf, gap, span } from '../../harness/catalogs.ts';
import { newKeys } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { noChromium, openBrowser } from '../../ui/browser.ts';
import { sampleBadReport, sampleReport } from './sample-report.ts';
import { sampleBackup, sampleBadDay, sampleWeek } from './sample-period.ts';

const origin = { system: 'demo', run: 'w/r', number: 1, at: '2026-11-23T07:00:05.000Z' };

test('a week in which all went well says so first; of a bad day everything that a person must look at is named, the worst first', () => {
  assert.deepEqual(judgePeriod(sampleWeek()), []);
  const troubles = judgePeriod(sampleBadDay());
  const said = (tone: string): string[] => troubles.filter((one) => one.tone === tone).map(({ what }) => what);
  assert.deepEqual(said('bad'), [
    'not ready: users: no good recovery point: nothing could be recovered',
    'at risk: documents: 30m00s of writes would be lost, past the objective of 5m00s',
    'at risk: documents: log is lost from 2026-11-22T10:00:00Z.1 to 2026-11-22T10:20:00Z.1 (the log was overwritten), and no base was taken behind it',
    'at risk: documents: not believed: demo/documents/t00000001/x: not signed',
    'at risk: users: nobody knows what would be lost: there is no recovery point',
    'at risk: service would be back after 1h06m, past the objective of 1h00m (7 by earlier runs)',
    'documents: log is lost for ever, from 2026-11-22 11:00 UTC to 2026-11-22 11:05 UTC',
    'users has no backup',
    'backup: 1 of 2 failed, the last one too',
    'verification: 1 of 1 failed, the last one too',
    'drill that ended 2026-11-22 15:00 UTC: what was restored differs: validation does not hold: equality',
    'the audit does not hold in 1 place: record 7: is missing',
    'an incident is open: documents cannot be saved',
  ]);
  assert.deepEqual(said('warn'), [
    'documents: backup 01KAJ6S0Z5M6W2T8Q4V1X9C322 is marked: bad',
    'the newest backup of documents has 19.1 MiB, and the average of the 10 before it is 65.0 MiB',
    'the store is filling: 7.9 GiB of 9.3 GiB (budget), 85 %; grows by 66.8 MiB a day, full in 21 days',
    'schedule demo/full-backup is paused: paused due to workflow failure',
    'schedule demo/full-backup: 2 starts missed since it was made',
    'schedule demo/full-backup: its last start failed',
    'what ended before 2026-11-22 12:00 UTC is not known: Temporal keeps no more of the day',
    'drill demo/weekly-drill: OVERDUE since 2026-11-22 05:00 UTC, last never; next 2026-11-29 05:00 UTC',
    'schedule demo/retention is not on the server: holdfast apply',
    'drill that ended 2026-11-22 15:00 UTC: RTO missed',
    '1 request refused',
    'users: the store could not be read: StoreUnavailable: no answer',
  ]);
  assert.deepEqual(troubles.map(({ tone }) => tone).sort(), troubles.map(({ tone }) => tone));
});

test('the message has the headline, the figures and what is to be looked at, is as grave as that, and says where the rest is', () => {
  const good = reportNotice(origin, sampleWeek(), true);
  assert.deepEqual([good.title, good.severity, good.page, good.alert], ['demo: weekly report 2026-11-23: all went well', 'info', 'demo/reports/week-20261123T070000Z-0198aaaa/report.json', null]);
  assert.deepEqual(good.lines, [
    'As of now: documents can be restored to any second from 2026-11-15 01:00 UTC to 2026-11-23 06:59 UTC.',
    'If disaster struck now: ready (service back in 41m00s of 1h00m, 1.2s of writes lost, of 5m00s at most)',
    'Backups: 7 made (0 failed; took 4m12s; nothing unusual)',
    'Verifications: 36 held (0 did not; 1 by a whole restore)',
    'Drills (RTO): 3m20s (1 ran; the longest, objective 1h00m; the last that passed: 2026-11-22 05:00 UTC)',
    'Stored: 2.2 GiB (2.8 GiB of 9.3 GiB (budget), 30 %; grows by 66.8 MiB a day, full in 100 days; the data is 3.9 % larger)',
    'Incidents: none (none is over)',
  ]);
  const bad = reportNotice(origin, sampleBadDay(), false);
  assert.deepEqual([bad.title, bad.severity, bad.page, bad.lines.at(-2)], ['demo: daily report 2026-11-23: 13 things must be looked at', 'error', undefined, 'LOOK AT at risk: users: nobody knows what would be lost: there is no recovery point']);
  assert.match(bad.lines.at(-1)!, /and \d+ more/);
});

test('a base is of the period by the moment that it holds, a gap by where the log goes on; a base in doubt opens no window', () => {
  const doubt = { is: 'bad' as const, by: 'verification', at: '2025-11-21T05:00:00.000Z', reason: 'x' };
  const catalog = catalogOf({ bases: [base(10), base(100, { plainBytes: 50 }), base(700, { mark: { doubt } })], spans: [span(10, 300), span(400, 900)], gaps: [gap(300, 400)], rejected: [{ key: 'forged', why: 'not signed' }, { key: 'spare', why: 'x', spare: true }] });
  const second = (n: number): string => new Date((1_763_694_000 + n / 10) * 1_000).toISOString();
  const facts = toSourceFacts(catalog, 'mongodb', { from: second(50), to: second(850) });
  assert.deepEqual([facts.made.map(({ backup, mark }) => [backup, mark]), facts.madeCount, facts.newest?.backup, facts.before?.backup, facts.bases], [[['b700', 'bad'], ['b100', null]], 2, 'b700', 'b10', 3]);
  assert.deepEqual([facts.gapCount, facts.gaps[0]!.to, facts.disbelieved], [1, second(400), ['forged']]);
  assert.deepEqual(facts.restorable, { from: second(10), to: second(300) }, 'behind the gap only a base in doubt leads on');
  assert.deepEqual(toSourceFacts(catalog, 'mongodb', { from: second(100), to: second(300) }).madeCount, 0, 'touching periods count a base once');
});

test('a report is kept signed, once, beside its two pages; one that was altered is not believed; no secret is in it', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p', lockMs: 60_000 });
  const keys = await newKeys();
  const room = { store, keys, signal: new AbortController().signal };
  rememberSecret('correct-horse-battery');
  const report = sampleBadDay();
  report.work!.failures[0]!.why = 'mongodb://app:pw@h/ said correct-horse-battery';
  const first = await keepReport(room, { report, directory: tempDir(t) });
  const again = await keepReport(room, { report, directory: tempDir(t) });
  assert.deepEqual(again.evidence[0], first.evidence[0], 'the store keeps the first');
  assert.deepEqual(first.evidence.map(({ key }) => key), ['report.json', 'report.md', 'report.html'].map((name) => layout.keptReport('demo', report.id, name)));
  const key = first.evidence[0]!.key;
  const read = await readKeptReport(room, key);
  assert.equal((read as PeriodReport).work!.failures[0]!.why, 'mongodb://[credentials]@h/ said [secret]');
  for (const text of [first.text, readFileSync(first.paths.html, 'utf8'), JSON.stringify(read)]) assert.ok(!text.includes('correct-horse'));
  assert.match(readFileSync(first.paths.html, 'utf8'), /^<!doctype html>/);
  const other = layout.keptReport('demo', 'day-1', 'report.json');
  await store.put(other, await store.get(first.evidence[0]!));
  assert.equal(await readKeptReport(room, other), undefined, 'the report of another day, in its place');
  const forged = layout.keptReport('demo', 'day-2', 'report.json');
  await store.put(forged, Buffer.from((await store.get(first.evidence[0]!)).toString().replaceAll(report.id, 'day-2')));
  assert.equal(await readKeptReport(room, forged), undefined);
});

test('a backup’s page says whether every byte was read back, and what to look at; it is kept and listed beside the others, the newest first', async (t) => {
  const text = printText(backupPage(sampleBackup()));
  for (const line of [/^Backup done, and 1 thing to look at$/m, /Read back +not all \(not met\); not users/, /documents +01KAJ6S0Z5M6W2T8Q4V1X9C322 +2026-11-22 01:00 UTC +480,022 +202\.2 MiB +67\.7 MiB +every byte/, /documents wordnet\.edits: written to while it was read/]) assert.match(text, line);
  const good = { ...sampleBackup(), sources: sampleBackup().sources.slice(0, 1), warnings: [], id: 'backup-20261123T010000Z-0198bbbb' };
  assert.deepEqual([backupPage(good).tone, backupPage(good).headline, backupPage(good).facts[0]!.value], ['good', 'Backup done', 'every byte']);
  const room = { store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }), keys: await newKeys() };
  assert.deepEqual(await listReports(room, 'demo', 5), { reports: [], of: 0 });
  for (const report of [sampleBackup(), good, sampleWeek()]) await keepReport(room, { report, directory: tempDir(t) });
  await room.store.put(layout.keptReport('demo', 'day-20261122T070000Z-0198cccc', 'report.json'), Buffer.from('{}'));
  const { reports, of } = await listReports(room, 'demo', 3);
  assert.deepEqual(reports.map(({ of: kind, at, tone, headline }) => [kind, at, tone, headline]), [
    ['week', '2026-11-23T07:00:00.000Z', 'good', 'All went well'],
    ['backup', '2026-11-23T01:00:00.000Z', 'good', 'Backup done'],
    ['day', '2026-11-22T07:00:00.000Z', null, 'not believed'],
  ]);
  assert.equal(of, 4);
});

test('whatever is said in it is only text: in HTML, in a mail, in Markdown', () => {
  const page = periodPage(sampleBadDay());
  const backup = backupPage(sampleBackup());
  for (const printed of [printHtml(page), printMail(page, null), printHtml(backup), printMail(backup, null)]) {
    assert.doesNotMatch(printed, /<script>/);
    assert.match(printed, /WordNet &lt;demo&gt; &amp; friends/);
    assert.doesNotMatch(printed, /(src|href)="?http/);
  }
  assert.match(printMarkdown(page), /not what it was \\<script\\>alert\(1\)\\<\/script\\> \\\| \\\*\\\*x\\\*\\\*/);
  assert.match(printText(page), /What to look at\n {2}- not ready: users: no good/);
});

test('in a browser nothing stands out of the pages and mails, on a desktop and on a phone', { skip: noChromium }, async (t) => {
  const { page, shoot } = await openBrowser(t);
  const directory = tempDir(t, 'holdfast-period-');
  const notice = { ...reportNotice(origin, sampleBadDay(), false), answers: ['signal `approve` with `{"gate": "approve-switch", "by": "YOUR NAME"}`'] };
  const printed = {
    'period-good': printHtml(periodPage(sampleWeek())),
    'period-bad': printHtml(periodPage(sampleBadDay())),
    'backup': printHtml(backupPage(sampleBackup())),
    'mail-backup': printMail(backupPage(sampleBackup()), null),
    'mail-good': printMail(periodPage(sampleWeek()), 'https://temporal.example.com/x'),
    'mail-bad': printMail(periodPage(sampleBadDay()), null),
    'mail-drill': printMail(runPage(sampleReport()), null),
    'mail-bad-run': printMail(runPage(sampleBadReport()), null),
    'mail-notice': printMail(noticePage(notice), 'https://temporal.example.com/x'),
  };
  for (const [name, text] of Object.entries(printed)) {
    writeFileSync(join(directory, `${name}.html`), text);
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 1400 });
      await page.goto(pathToFileURL(join(directory, `${name}.html`)).href);
      const wide = await page.evaluate('document.documentElement.scrollWidth');
      assert.ok(Number(wide) <= width, `${name} at ${width} px is ${String(wide)} px wide`);
      await shoot(`${name}-${width}`);
    }
  }
});
