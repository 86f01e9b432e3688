import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { layout } from '../../../workflows/domain/layout.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import { readStepHistory } from '../../../activities/report/read-step-history.ts';
import { evidenceOfRun, sealEvidence } from '../../../activities/evidence/seal-evidence.ts';
import { writeReport } from '../../../activities/report/write-report.ts';
import { rememberSecret } from '../../../activities/secrets.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { collect } from '../../conformance/store.ts';
import { newKeys } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { sampleReport } from './sample-report.ts';

const signal = new AbortController().signal;
const keys = await newKeys();
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
  const first = await writeReport({ store, keys, signal }, { report, directory });
  const { paths, evidence } = await writeReport({ store, keys, signal }, { report: { ...report, finishedAt: '2026-11-21T04:00:00.000Z' }, directory });
  assert.deepEqual(paths, first.paths, 'one folder for one run, whenever it ended');
  const written = JSON.parse(readFileSync(paths.json, 'utf8')) as RunReport;
  assert.equal(written.state.steps[0]?.error?.message, 'mongodb://[credentials]@h/ said [secret]');
  assert.match(readFileSync(paths.html, 'utf8'), /^<!doctype html>/i);
  assert.deepEqual(evidence.map(({ key }) => key), ['report.json', 'report.md', 'report.html'].map((name) => layout.evidence('demo', 'run-1', name)));
  assert.equal((await store.get(evidence[0]!)).toString('utf8'), readFileSync(paths.json, 'utf8'));
  for (const text of [readFileSync(paths.html, 'utf8'), JSON.stringify(written)]) assert.ok(!text.includes('correct-horse'));
});

test('step history is the times of the runs that left a signed report, with how much each had to do; one that nobody signed, or that was put over it, is passed over', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  assert.deepEqual(await readStepHistory({ store, keys, signal }, 'demo'), { steps: {} });
  const room = { store, keys, signal };
  for (const [index, ms] of [9_000, 30_000, 12_000].entries()) {
    const report = reportOf(`run-${index}`, ms);
    await sealEvidence(room, evidenceOfRun(report), (await writeReport(room, { report, directory: tempDir(t) })).evidence);
  }
  // Whoever may write to the store puts one of their own, one over another’s, and another’s evidence beside it.
  const forged = Buffer.from(JSON.stringify(reportOf('run-9', 1)));
  for (const run of ['run-9', 'run-0']) await store.put(layout.evidence('demo', run, 'report.json'), forged);
  const [bundle] = await collect(store, layout.evidenceBundles('demo', { in: 'runs', id: 'run-1' }));
  await store.put(layout.evidenceBundle('demo', { in: 'runs', id: 'run-9' }, '2027-01-01T00:00:00.000Z'), await store.getVersion(bundle!));
  for (const [day, junk] of ['not JSON', '{"body": {"format": 99}}'].entries()) await store.put(layout.evidenceBundle('demo', { in: 'runs', id: 'run-0' }, `2027-01-0${day + 1}T00:00:00.000Z`), Buffer.from(junk));
  const { steps } = await readStepHistory({ store, keys, signal }, 'demo');
  const times = [12_000, 30_000, 9_000].map((ms) => ({ ms, amount: 190_000_000 }));
  assert.deepEqual(steps['restore']?.map(({ ms }) => ms).sort(), times.map(({ ms }) => ms).sort());
  assert.deepEqual([steps['restore']?.[0]?.amount, steps['restore/restore'], steps['declare']?.[0]?.amount], [190_000_000, steps['restore'], null]);
});
