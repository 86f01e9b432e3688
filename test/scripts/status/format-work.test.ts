import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatWork } from '../../../scripts/status/read-work.ts';
import type { GateState } from '../../../workflows/domain/run-state.ts';

const failed = { activity: 'dumpGroup', attempt: 3, heartbeat: null, lastFailure: 'StoreUnavailable: store primary: the store is away\nat …' };

test('a backup whose try failed says which try it is at, and why the last one failed', () => {
  const sources = { words: { phase: 'dumping' as const, backup: 'b', groups: 2, groupsDone: 1, estimatedBytes: 10, plainBytes: 5, storedBytes: 5, work: null, progress: null } };
  const shown = formatWork({ workflowId: 'backup/demo', backup: { system: 'demo', readAt: '2026-01-01T00:00:00.000Z', sources, activities: [failed, { ...failed, activity: 'sealBackup', attempt: 1, lastFailure: null }] } });
  assert.deepEqual(shown.split('\n').slice(2), ['  dumpGroup  try 3, last: StoreUnavailable: store primary: the store is away']);
});

test('each source of a backup is shown by its own activities, in whatever phase it is', () => {
  const backup = { backup: 'b', groups: 2, groupsDone: 1, estimatedBytes: 100, plainBytes: 50, storedBytes: 5, work: null, progress: null };
  const sources = { words: { ...backup, phase: 'dumping' as const }, users: { ...backup, phase: 'reading back' as const } };
  const heartbeat = { phase: 'p', unit: 'bytes' as const, of: 40, percent: null, perSecond: null, leftMs: null, log: null };
  const running = (activity: string, source: string, done: number) => ({ activity, attempt: 1, lastFailure: null, heartbeat: { ...heartbeat, source, done, percent: done * 2.5 } });
  const activities = [running('dumpGroup', 'words', 10), running('verifyRecoveryPoint', 'users', 20), running('dumpGroup', 'users', 30)];
  assert.deepEqual(formatWork({ workflowId: 'backup/demo', backup: { system: 'demo', readAt: '2026-01-01T00:00:00.000Z', sources, activities } }).split('\n').slice(1), [
    '  dumping   words  25.0%  10 B of 40 B  time left not known yet  1 of 2 groups  5 B stored',
    '  reading back  users  50.0%  20 B of 40 B  time left not known yet  1 of 2 groups  5 B stored',
  ]);
  const keys = { workflowId: 'verify/demo', transfer: { what: 'verify demo', readAt: '2026-01-01T00:00:00.000Z', state: { phase: 'verifying' as const, progress: null }, activities: [{ activity: 'checkKeys', attempt: 1, lastFailure: null, heartbeat: { ...heartbeat, phase: 'check keys', unit: 'objects' as const, done: 12, of: 0 } }] } };
  assert.equal(formatWork(keys), 'verify demo  check keys  12 objects so far');
});

test('work that no worker answers for is shown as far as Temporal knows it', () => {
  const shown = formatWork({ workflowId: 'recover/demo', unanswered: { workflowStatus: 'RUNNING', phase: 'waiting', why: 'no worker answers for recover/demo', activities: [failed, { activity: 'restoreGroup', attempt: 1, heartbeat: { phase: 'loading', unit: 'bytes', done: 5, of: 10, percent: 50, perSecond: null, leftMs: null }, lastFailure: null }] } });
  assert.deepEqual(shown.split('\n'), ['recover/demo  RUNNING, last known to be waiting  no worker answers for recover/demo', '  restoreGroup  last said: loading  50.0%  5 B of 10 B  time left not known yet', '  dumpGroup  try 3, last: StoreUnavailable: store primary: the store is away']);
});

test('a retention or a disposal that waits for people says for whom, and the command that answers', () => {
  const gate: GateState = { gate: 'go', step: 'go', description: 'may it go?', status: 'open', quorum: 2, people: ['erik', 'fay'], notRequester: true, proof: 'any', openedAt: '2026-01-01T00:00:00.000Z', closedAt: null, decisions: [{ by: 'erik', decision: 'approve', reason: null, at: '2026-01-01T00:01:00.000Z', proof: 'totp' }] };
  const asking = { system: 'demo', readAt: '2026-01-01T00:05:00.000Z', says: 'disposal demo: waits for people as of 00:05:00Z', gates: [gate] };
  assert.deepEqual(formatWork({ workflowId: 'dispose/demo/B1', asking }).split('\n'), [
    'dispose/demo/B1  disposal demo: waits for people as of 00:05:00Z',
    '  gate go: 1 of 2 approvals  from erik, fay  proof: any  open for 5m00s',
    '  answer: holdfast approve demo --workflow dispose/demo/B1 --gate go --by NAME --code CODE',
  ]);
  const quiet: GateState = { ...gate, gate: 'retention', quorum: 0, people: [], proof: undefined, decisions: [], notBefore: '2026-01-01T01:00:00.000Z' };
  assert.match(formatWork({ workflowId: 'retention/demo', asking: { ...asking, gates: [quiet] } }), /begins at 2026-01-01T01:00:00.000Z, unless somebody says no: holdfast reject demo --workflow retention\/demo --gate retention --by NAME/);
});
