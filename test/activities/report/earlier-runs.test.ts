import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderReportHtml } from '../../../activities/report/render-report.ts';
import { renderReportMarkdown } from '../../../activities/report/render-report-markdown.ts';
import { drillOf } from '../../../workflows/domain/drill-history.ts';
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
