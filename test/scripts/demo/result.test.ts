import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeDemo, type Observed } from '../../../scripts/demo/result.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import { sampleReport } from '../../activities/report/sample-report.ts';

const good: Observed = {
  data: { documents: 472_504, bytes: 217_217_863, collections: [], tookMs: 10_000 },
  writesPerSecond: 600,
  rate: 650,
  comparison: { acknowledged: 40_000, lost: 300, newestLostAgeMs: 3, oldestLostAgeMs: 900, unknown: 40, refused: 2, torn: 0, violations: [], examples: [] },
  acknowledgedAfterSwitch: 4_000,
  wentOnMs: 5_000,
  lostAfterSwitch: 0,
  oldPrimary: { outcome: 'refused', detail: 'not started' },
  newArchive: { proved: true, detail: 'canary read back' },
};
const report = sampleReport();
const failuresOf = (change: Partial<Observed>, of: Partial<RunReport> = {}): string[] => judgeDemo({ ...report, ...of }, { ...good, ...change }, '/r.html').failures;
const withComparison = (change: Partial<Observed['comparison']>): Partial<Observed> => ({ comparison: { ...good.comparison, ...change } });

test('young lost writes are within the promise: ok', () => {
  const result = judgeDemo(report, good, '/r.html');
  assert.deepEqual({ ok: result.ok, failures: result.failures }, { ok: true, failures: [] });
});

test('a lost acknowledged write older than five seconds is not ok', () => {
  assert.match(failuresOf(withComparison({ oldestLostAgeMs: 5_001 })).join(), /lost that was 5\.0s old/);
});

test('each broken promise is named', () => {
  assert.match(failuresOf({}, { outcome: 'done, fence unproved' }).join(), /the run ended done, fence unproved/);
  assert.match(failuresOf({ oldPrimary: { outcome: 'accepted', detail: 'inserted' } }).join(), /old primary took a write: inserted/);
  assert.match(failuresOf({ newArchive: { proved: false, detail: 'no slice' } }).join(), /archive of the new timeline is not proved: no slice/);
  assert.match(failuresOf({ acknowledgedAfterSwitch: 0 }).join(), /did not go on at the new side/);
  assert.match(failuresOf({ lostAfterSwitch: 1 }).join(), /1 writes that the new side acknowledged/);
  assert.match(failuresOf(withComparison({ torn: 1 })).join(), /half there/);
  assert.match(failuresOf(withComparison({ violations: ['key a was written twice'] })).join(), /breaks its own rules/);
  assert.match(failuresOf({}, { validation: [] }).join(), /validation did not pass/);
});

test('a machine too slow for the load is a warning: it breaks no promise', () => {
  const result = judgeDemo(report, { ...good, writesPerSecond: 480 }, '/r.html');
  assert.equal(result.ok, true);
  assert.match(result.warnings.join(), /reached 480 acknowledged writes a second of the 650/);
  assert.deepEqual(judgeDemo(report, { ...good, writesPerSecond: 78, rate: 80 }, '/r.html').warnings, [], 'nobody asked for more');
});

test('a collection that differs is named', () => {
  const [first] = report.validation;
  const collections = [{ ...first!.collections[0]!, hashEqual: false }];
  assert.match(failuresOf({}, { validation: [{ ...first!, ok: false, collections }] }).join(), /differ from base and log: wordnet\.synsets/);
});

test('the JSON has the fields of its contract', () => {
  const result = judgeDemo(report, good, '/r.html');
  for (const field of ['ok', 'workflowId', 'rto', 'rpo', 'writes', 'validation', 'fence', 'steps', 'reportPath']) assert.ok(field in result, field);
  assert.deepEqual(Object.keys(result.steps[0]!), ['id', 'state', 'budgetMs', 'elapsedMs', 'waitedMs']);
  assert.deepEqual(Object.keys(result.validation.collections[0]!), ['ns', 'count', 'hashEqual']);
});
