import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { layout } from '../../../workflows/domain/layout.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import { readStepHistory } from '../../../activities/report/read-step-history.ts';
import { writeReport } from '../../../activities/report/write-report.ts';
import { rememberSecret } from '../../../activities/secrets.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { sampleReport } from './sample-report.ts';

const signal = new AbortController().signal;
const reportOf = (runId: string, restoreMs: number): RunReport => {
  const report = sampleReport();
  report.runId = runId;
  for (const step of report.state.steps) if (step.uses === 'restore') step.elapsedMs = restoreMs;
  return report;
};

test('a report is written as evidence and for people, twice as well, and holds no secret', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p', lockMs: 60_000 });
  const directory = tempDir(t);
  rememberSecret('correct-horse-battery');
  const report = reportOf('run-1', 10_000);
  report.state.steps[0]!.error = { type: 'SourceUnavailable', message: 'mongodb://app:pw@h/ said correct-horse-battery' };
  const first = await writeReport({ store, signal }, { report, directory });
  const { paths, evidence } = await writeReport({ store, signal }, { report: { ...report, finishedAt: '2026-11-21T04:00:00.000Z' }, directory });
  assert.deepEqual(paths, first.paths, 'one folder for one run, whenever it ended');
  const written = JSON.parse(readFileSync(paths.json, 'utf8')) as RunReport;
  assert.equal(written.state.steps[0]?.error?.message, 'mongodb://[credentials]@h/ said [secret]');
  assert.match(readFileSync(paths.html, 'utf8'), /^<!doctype html>/i);
  assert.deepEqual(evidence.map(({ key }) => key), ['report.json', 'report.md', 'report.html'].map((name) => layout.evidence('demo', 'run-1', name)));
  assert.equal((await store.get(evidence[0]!)).toString('utf8'), readFileSync(paths.json, 'utf8'));
  for (const text of [readFileSync(paths.html, 'utf8'), JSON.stringify(written)]) assert.ok(!text.includes('correct-horse'));
});

test('step history is the times of the runs that left a report, with how much each had to do; a report that cannot be read is passed over', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  assert.deepEqual(await readStepHistory({ store, signal }, 'demo'), { steps: {} });
  for (const [index, ms] of [9_000, 30_000, 12_000].entries()) await writeReport({ store, signal }, { report: reportOf(`run-${index}`, ms), directory: tempDir(t) });
  await store.put(layout.evidence('demo', 'run-9', 'report.json'), Buffer.from('{"format": 1, "state": {}}'));
  await store.put(layout.evidence('demo', 'run-8', 'report.json'), Buffer.from('not JSON'));
  const { steps } = await readStepHistory({ store, signal }, 'demo');
  const times = [12_000, 30_000, 9_000].map((ms) => ({ ms, amount: 190_000_000 }));
  assert.deepEqual(steps['restore']?.map(({ ms }) => ms).sort(), times.map(({ ms }) => ms).sort());
  assert.deepEqual([steps['restore']?.[0]?.amount, steps['restore/restore'], steps['declare']?.[0]?.amount], [190_000_000, steps['restore'], null]);
});
