import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderDrillsHtml } from '../../../activities/report/render-drills.ts';
import { renderReportHtml } from '../../../activities/report/render-report.ts';
import { renderReportMarkdown } from '../../../activities/report/render-report-markdown.ts';
import { drillHistory, drillOf, type DrillDue } from '../../../workflows/domain/drill-history.ts';
import { sampleDrill, sampleReport } from './sample-report.ts';

const [first, failed, last] = ['2026-11-07', '2026-11-14', '2026-11-21'].map((date) => sampleDrill(`${date}T03:00:05.000Z`)) as [ReturnType<typeof sampleDrill>, ReturnType<typeof sampleDrill>, ReturnType<typeof sampleDrill>];
Object.assign(failed, { outcome: 'aborted', rto: { ...failed.rto, achievedMs: null, met: null } });
first.state.steps.find(({ id }) => id === 'restore')!.elapsedMs = 7_000;
Object.assign(last.rto, { objectiveMs: 30_000, met: false });
const others = [first, failed].map(drillOf);

test('a drill’s page draws its times against those of earlier drills and against the objectives, each value as text too', () => {
  const page = renderReportHtml(last, others);
  const charts = page.match(/<svg.*?<\/svg>/gs)!;
  assert.equal(charts.length, 3);
  const texts = (chart: string): string => [...chart.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text).join(' | ');
  assert.match(texts(charts[0]!), /58s \| ✕ failed \| 58s ✕ \| objective 30s$/);
  assert.match(texts(charts[1]!), /objective 5m00s, far above/);
  assert.match(texts(charts[2]!), /restore.* \| 11s of 20m00s \|/);
  for (const chart of charts) assert.match(chart, /role="img"/);
  assert.doesNotMatch(page, /src=|href=|@import|url\(|<script|NaN|undefined/);
  assert.match(page, /fill="var\(--bar\)"/, 'the page’s colours, dark or light');
});

test('the page and its Markdown hold the same runs and steps; other kinds of runs, and one alone, are not compared', () => {
  const [text, page] = [renderReportMarkdown(last, others), renderReportHtml(last, others)];
  const headings = (of: string, what: RegExp): string[] => [...of.matchAll(what)].map(([, title]) => title!);
  assert.deepEqual(headings(text, /^## (.*)$/gm), headings(page, /<h2>(.*?)<\/h2>/g));
  assert.match(text, /\| 2026-11-21 03:00 \(this one\) \| objective missed \| 58s of 30s \(missed\)/);
  assert.match(text, /\| 2026-11-14 03:00 \| FAILED \| not reached of 1h00m/);
  assert.match(text, /\| restore \| 11s \| 8\.8s \| 11s \| 20m00s \|/);
  for (const runs of [[], [drillOf(sampleReport())], [drillOf(last)]]) assert.doesNotMatch(renderReportHtml(last, runs), /Against earlier/);
});

test('the history of drills as a page: the worst first, every run, charts of the whole ones; of none it says so; whatever a run said is only text', () => {
  const due: DrillDue = { schedule: 'demo/weekly', nextAt: '2026-11-28T03:00:00.000Z', lastDueAt: '2026-11-21T03:00:00.000Z', lastAt: '2026-11-21T03:00:05.000Z', applied: true, overdue: false };
  const evil = { ...drillOf(failed), why: '<script>alert(1)</script>' };
  const part = { ...drillOf(first), run: 'part', only: ['shop.*'] };
  const page = renderDrillsHtml(drillHistory('demo', [drillOf(last), evil, part, drillOf(first)], [due]), '2026-11-22T00:00:00.000Z');
  assert.match(page, /<h1 class="warn">The last drill of demo recovered everything, past an objective<\/h1>/);
  const charts = page.match(/<svg.*?<\/svg>/gs)!;
  assert.deepEqual([charts.length, (charts[0]!.match(/<rect/g) ?? []).length], [3, 3], 'a bar for each whole drill');
  assert.equal((page.match(/<tr>/g) ?? []).length, 1 + 4, 'every run is in the table');
  assert.doesNotMatch(page, /<script>|src=|href=|@import|url\(|NaN|undefined/);
  const late = renderDrillsHtml(drillHistory('demo', [], [{ ...due, overdue: true }]), '2026-11-22T00:00:00.000Z');
  assert.match(late, /<h1 class="bad">A drill of demo is overdue<\/h1>/);
  assert.match(late, /None has left a report in the store/);
  assert.match(renderDrillsHtml(drillHistory('demo', [], [{ ...due, applied: false }]), '2026-11-22T00:00:00.000Z'), /No drill of demo has left a report yet.*NOT APPLIED/s);
});
