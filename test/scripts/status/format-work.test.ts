import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatWork } from '../../../scripts/status/read-work.ts';

const failed = { activity: 'dumpGroup', attempt: 3, heartbeat: null, lastFailure: 'StoreUnavailable: store primary: the store is away\nat …' };

test('a backup whose try failed says which try it is at, and why the last one failed', () => {
  const sources = { words: { phase: 'dumping' as const, backup: 'b', groups: 2, groupsDone: 1, estimatedBytes: 10, plainBytes: 5, storedBytes: 5, work: null, progress: null } };
  const shown = formatWork({ workflowId: 'backup/demo', backup: { system: 'demo', readAt: '2026-01-01T00:00:00.000Z', sources, activities: [failed, { ...failed, activity: 'sealBackup', attempt: 1, lastFailure: null }] } });
  assert.deepEqual(shown.split('\n').slice(2), ['  dumpGroup  try 3, last: StoreUnavailable: store primary: the store is away']);
});

test('work that no worker answers for is shown as far as Temporal knows it', () => {
  const shown = formatWork({ workflowId: 'recover/demo', unanswered: { workflowStatus: 'RUNNING', phase: 'waiting', why: 'no worker answers for recover/demo', activities: [failed, { activity: 'restoreGroup', attempt: 1, heartbeat: { phase: 'loading', unit: 'bytes', done: 5, of: 10, percent: 50, perSecond: null, leftMs: null }, lastFailure: null }] } });
  assert.deepEqual(shown.split('\n'), ['recover/demo  RUNNING, last known to be waiting  no worker answers for recover/demo', '  restoreGroup  last said: loading  50.0%  5 B of 10 B  time left not known yet', '  dumpGroup  try 3, last: StoreUnavailable: store primary: the store is away']);
});
