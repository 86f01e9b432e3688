import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOutcome, listNextSteps } from '../../../activities/report/outcome.ts';
import { renderReportHtml } from '../../../activities/report/render-report.ts';
import { renderReportMarkdown } from '../../../activities/report/render-report-markdown.ts';
import { layTimeline } from '../../../activities/report/timeline.ts';
import { at, Driver, gate, step } from '../../workflows/runbook/plans.ts';
import { sampleDrill, sampleReport } from './sample-report.ts';

test('what came from the run is escaped, everywhere', () => {
  const evil = '<script>alert("x")</script>';
  const report = sampleReport();
  report.title = evil;
  report.warnings = [evil];
  report.state.requestedBy = evil;
  report.state.journal[0]!.what = evil;
  report.state.steps[0]!.id = evil;
  report.state.steps[1]!.error = { type: evil, message: evil };
  report.state.gates[0]!.decisions[0]!.by = evil;
  report.validation[0]!.collections[0]!.ns = evil;
  report.fence['documents']!.evidence.push(evil);
  report.writes!.oldPrimary = evil;
  assert.equal(renderReportHtml(report).includes('<script'), false);
});

test('the page loads nothing from anywhere', () => {
  assert.doesNotMatch(renderReportHtml(sampleReport()), /src=|href=|@import|url\(/);
});

test('a run that another control plane superseded does not say that it was undone, nor to start it again', () => {
  const report = sampleReport();
  report.outcome = 'aborted';
  const step = report.state.steps.at(-1)!;
  Object.assign(step, { state: 'failed', error: { type: 'EpochSuperseded', message: 'the command is another’s' } });
  const { headline, sentence } = describeOutcome(report);
  assert.match(headline, /another control plane has the command/);
  assert.doesNotMatch(sentence, /was undone, as/);
  assert.deepEqual(listNextSteps(report).filter((line) => /holdfast recover/.test(line)), []);
});

test('the outcome stands first, in words, with RTO and RPO against their objectives', () => {
  const page = renderReportHtml(sampleReport());
  assert.match(page, /Service was back 58s after the incident \(objective 1h00m\)\. The recovered data ends 1\.2s before the incident \(objective 5m00s\)\./);
  assert.ok(page.indexOf('Service was back') < page.indexOf('<section>'));
});

test('a fence that proved nothing warns in the headline and in the first next step', () => {
  const report = sampleReport();
  report.outcome = 'done, fence unproved';
  report.fence['documents']!.outcome = 'unproved';
  const page = renderReportHtml(report);
  assert.match(page, /<h1 class="warn">.*may still take writes/);
  assert.match(page, /<h2>Next steps<\/h2>\s*<ul><li>Power the old primary off/);
});

test('the report of a run that failed before it did anything renders, and names the step', () => {
  const report = sampleReport();
  const failed = { type: 'NoRecoveryPoint', message: 'no base backup to restore from' };
  Object.assign(report, { outcome: 'failed', fence: {}, validation: [], points: [], writes: undefined, rto: { ...report.rto, achievedMs: null, met: null }, rpo: { ...report.rpo, achievedMs: null, met: null } });
  report.state.steps = report.state.steps.map((step, index) => (index === 1 ? { ...step, state: 'failed', error: failed } : { ...step, state: 'pending', startedAt: null, endedAt: null, elapsedMs: 0 }));
  report.state.servedAt = null;
  const page = renderReportHtml(report);
  assert.match(page, /Look at step find-point: no base backup to restore from/);
  assert.match(page, /was not fenced in this run/);
});

test('approvals say that names are claimed', () => {
  assert.match(renderReportHtml(sampleReport()), /Names are claimed.*approve by grace \(claimed\)/s);
});

test('a run that went on without a step is not called recovered', () => {
  const report = sampleReport();
  report.outcome = 'done, with steps skipped';
  Object.assign(report.state.steps.find(({ id }) => id === 'switch')!, { state: 'skipped', skippedBy: 'erik' });
  report.state.servedAt = null;
  const page = renderReportHtml(report);
  assert.match(page, /<h1 class="bad">.*was restored, and traffic was not moved, but not by the whole runbook \(skipped by people: switch\)/);
  assert.doesNotMatch(page, /is recovered/);
  assert.match(page, /<h2>Next steps<\/h2>\s*<ul><li>Make up for what the run went on without: skipped by people: switch/);
});

test('a drill says whether it passed, and nothing of a production that moved', () => {
  const report = sampleReport();
  report.state.purpose = 'drill';
  report.state.servedAt = null;
  Object.assign(report, { fence: {}, writes: undefined });
  const page = renderReportHtml(report);
  assert.match(page, /Service would be back 58s after the incident/);
  assert.match(page, /<h1 class="good">The drill of .* passed<\/h1>/);
  assert.match(page, /Production was left alone/);
  assert.doesNotMatch(page, /did not come back|Add members|Restart clients|failback|may still take writes|is recovered|not reached/);
  report.outcome = 'failed';
  assert.match(renderReportHtml(report), /<h1 class="bad">The drill of .* failed<\/h1>.*holdfast recover demo --purpose drill/s);
  report.outcome = 'done, with steps skipped';
  report.validation[0]!.ok = false;
  assert.match(renderReportHtml(report), /The drill of .* failed: validation does not hold: equality/);
});

test('what the watch will find is not in the page, and the page says where it will stand', () => {
  const report = sampleReport();
  assert.doesNotMatch(renderReportHtml(report), /The old side from now on/);
  report.watches = { documents: { workflowId: 'watch/demo/documents', endsAt: '2026-11-28T03:01:03.000Z' } };
  const page = renderReportHtml(report);
  const [, told = ''] = page.split('The old side from now on');
  for (const where of ['watch/demo/documents', '2026-11-28 03:01:03.000 UTC', 'holdfast watch status demo', 'demo/runs/0198-aaaa-bbbb/diverged-documents.html', '-diverged-0198-aaa', 'holdfast diverged demo --source documents --run 0198-aaaa-bbbb']) {
    assert.ok(told.includes(where), where);
  }
});

test('the Markdown says what the page says, and nothing that came from the run is markup in it', () => {
  const report = sampleReport();
  const evil = '[x](http://evil) | <b>\n# not a heading `';
  report.state.steps[3]!.summary = evil;
  report.state.steps[4]!.id = 'ends\n```\nthe block';
  report.state.journal[1]!.what = evil;
  report.warnings = [evil];
  const text = renderReportMarkdown(report);
  const headings = (of: string, each: RegExp): string[] => [...of.matchAll(each)].map(([, title]) => title!);
  assert.deepEqual(headings(text, /^## (.*)$/gm), headings(renderReportHtml(report), /<h2>(.*?)<\/h2>/g));
  assert.equal(headings(text, /^# (.*)$/gm).length, 1);
  assert.equal([...text.matchAll(/^```/gm)].length, 2);
  assert.doesNotMatch(text, /\[x\]\(|[^\\]<b>/);
  for (const fact of ['| Time to recover (RTO) | 58s | yes |', 'approve by grace (claimed)', '| validate | done | 15s (over) | 5.0s |', '| of these lost | 311 |']) assert.ok(text.includes(fact), fact);
  // 15 of 64 seconds over a budget of five, from second 26 on.
  assert.match(text, /^validate +\| {16}!{10} {14}\| 15s of 5\.0s \(over\)$/m);
});

test('what failed and what people did stands apart from the rest of the journal, with the name it was sent under', () => {
  const report = sampleReport();
  report.state.journal.push({ at: '2026-11-22T00:00:01.000Z', about: 'restore', what: 'try 1 failed: ToolFailed: no space', by: null }, { at: '2026-11-22T00:00:02.000Z', about: 'restore', what: 'tried again: disk is larger', by: 'erik' });
  const [, told = ''] = /What failed, and what people decided(.*?)<\/section>/s.exec(renderReportHtml(report))!;
  assert.match(told, /2026-11-22 00:00:01\.000.*try 1 failed: ToolFailed: no space.*tried again: disk is larger <span class="by">\(sent as erik\)/s);
  assert.doesNotMatch(told, /gate opened/);
});

test('time in which nothing of a step ran is drawn as waiting, whoever was waited for: a checklist, a gate, the pause between two tries', () => {
  const run = new Driver([step('work'), step('list', ['work'], { uses: 'manual', undo: false, budgetMs: 1_800_000 }), step('act', ['list'])]);
  run.feed({ kind: 'run-started' }, 0);
  run.feed({ kind: 'step-failed', step: 'work', attempt: 1, error: { type: 'ToolFailed', message: 'no space' }, helpable: false }, 10);
  run.feed({ kind: 'retry', step: 'work', by: 'erik' }, 910);
  run.feed({ kind: 'step-done', step: 'work', attempt: 2, summary: null }, 920);
  run.feed({ kind: 'step-done', step: 'list', attempt: 1, summary: 'turn the keys', confirms: [{ id: 'a', do: 'turn the key' }] }, 921);
  run.feed({ kind: 'confirm', step: 'list', item: 'a', by: 'erik' }, 2_721);
  run.feed({ kind: 'step-done', step: 'act', attempt: 1, summary: null, opens: gate('data-taken-out') }, 2_731);
  run.feed({ kind: 'approve', gate: 'data-taken-out', by: 'erik' }, 3_631);
  assert.equal(run.status, 'done');
  const { rows } = layTimeline(run.snapshot.state, at(3_631));
  const seen = rows.map(({ step: { id }, kind, note, waits }) => [id, kind, note, waits.map((wait) => [wait.from, wait.to].map((share) => Math.round(share * 3_631)))]);
  assert.deepEqual(seen, [
    ['work', 'worked', '20s, waited 15m00s', [[10, 910]]],
    ['list', 'waited', 'waited 30m01s', []],
    ['act', 'worked', '10s, waited 15m00s', [[2_731, 3_631]]],
  ]);
  const report = Object.assign(sampleReport(), { state: { ...run.snapshot.state, endedAt: at(3_631) }, finishedAt: at(3_631), incidentAt: at(0) });
  assert.equal(renderReportHtml(report).match(/<i class="bar waited"/g)?.length, 3);
  assert.match(renderReportMarkdown(report), /^work +\|~{10,} +\| 20s, waited 15m00s$/m);
});

test('an aborted run says what was left as it is, and does not say that all was undone', () => {
  const run = new Driver([step('provision'), step('restore', ['provision'])]);
  run.start();
  run.done('provision');
  run.fail('restore', false);
  run.feed({ kind: 'abort', by: 'dana' });
  run.undoFails('restore');
  run.feed({ kind: 'skip', step: 'restore', by: 'dana', reason: 'it is looked at later' });
  assert.equal(run.status, 'aborted');
  const report = Object.assign(sampleReport(), { outcome: 'aborted', state: run.snapshot.state });
  const { headline, sentence, tone } = describeOutcome(report);
  assert.deepEqual([headline.endsWith('was aborted'), tone], [true, 'bad']);
  assert.match(sentence, /was undone, but for provision, restore: what these did is still there/);
  assert.deepEqual(listNextSteps(report).slice(0, 2), ['Undo by hand what could not be undone: restore.', 'Look at what was left as it is, and undo by hand what nobody needs: provision.']);
});

test('what a drill could not remove is the next step, and nobody is told that it is gone', () => {
  const report = sampleDrill();
  assert.deepEqual(listNextSteps(report), ['Nothing: production was left alone, and what the drill restored is removed.']);
  report.cleanup!['documents'] = { removed: false, summary: 'could not be removed: its server does not stop' };
  assert.deepEqual(listNextSteps(report), ['Remove by hand what the drill restored and that is still there: documents (could not be removed: its server does not stop).']);
});

test('a gate that was approved beforehand says that nobody was asked; a runbook that was given up shows how far it came', () => {
  const report = sampleReport();
  Object.assign(report.state.gates[0]!, { decisions: [] });
  report.state.runbook = 'main';
  report.state.escalations = [{ from: 'component-cache', to: 'main', by: 'dana', why: 'the disk is lost', at: report.incidentAt, steps: [{ id: 'warm-cache', uses: 'command', state: 'failed', elapsedMs: 61_000, summary: null, error: { type: 'ToolFailed', message: 'no answer' } }] }];
  for (const text of [renderReportHtml(report), renderReportMarkdown(report)]) {
    assert.match(text, /approved beforehand, by the system file: nobody was asked/);
    assert.match(text, /escalated from component-cache/);
    assert.match(text, /component-cache, given up for main by dana.*warm-cache.*1m01s.*ToolFailed: no answer/s);
  }
});
