import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { Worker } from '@temporalio/worker';
import { entryWorkflows, lockIds } from '../../workflows/domain/names.ts';
import { workflowBundle } from '../workflows/lab.ts';
import { historiesDirectory, readHistory, releaseLines, unexplained } from './history.ts';

const directory = fileURLToPath(new URL('./', import.meta.url));
/** Of every release line. */
const files = globSync([`${directory}**/*.json`, `${directory}**/*.json.gz`]).sort();

test('every recorded history replays with the workflows as they are now', async () => {
  const histories = files.map((path) => ({ workflowId: basename(path).startsWith('watchReadiness.') ? lockIds.ready('demo') : basename(path, '.json'), history: readHistory(path) }));
  const failed: string[] = [];
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: await workflowBundle() }, histories)) {
    if (error) failed.push(`${workflowId}: ${error.message}`);
  }
  assert.deepEqual(failed, []);
});

test('every release line has its set of recordings', () => {
  assert.ok(releaseLines.length > 0);
  assert.deepEqual(releaseLines.filter((line) => !files.some((path) => path.startsWith(`${directory}${line}/`))), []);
});

test('in every recorded history each activity, timer and child says what it is for', () => {
  const ours = files.filter((path) => path.startsWith(historiesDirectory));
  const silent = ours.map((path) => [basename(path), unexplained(readHistory(path), path.includes('real/') ? 'all' : 'but of children')] as const);
  assert.deepEqual(silent.filter(([, events]) => events.length > 0), []);
  const timers = ours.flatMap((path) => readHistory(path).events ?? []).filter(({ timerStartedEventAttributes: timer }) => timer);
  assert.ok(timers.length > 20, `${timers.length} timers were looked at`);
});

test('there is a recording of every workflow type, as it is now', () => {
  const ours = files.filter((path) => path.startsWith(historiesDirectory));
  const recorded = new Set(ours.map((path) => basename(path).split('.')[0]));
  // A watch on readiness, an incident, the record of a deployment, a mark, a retention, disposals, a rotation of keys, a proof of an offline one, an apply, a seal of the audit, a list of drills and a report work on no data: what they do is the same on stubs.
  const onStubs: readonly string[] = ['watchReadiness', 'openIncident', 'recordDeployment', 'markPoint', 'applyRetention', 'disposePoint', 'disposeAll', 'rotateKeys', 'recordRecoveryProof', 'applySystem', 'sealAudit', 'listDrills', 'reportSystem'];
  const types = [...entryWorkflows.filter((type) => !onStubs.includes(type)), 'runRecovery', 'runBackup', 'runArchive'];
  assert.deepEqual([...types, ...onStubs, 'runWatch', 'runIncident'].filter((type) => !recorded.has(type)), []);
  assert.deepEqual(types.filter((type) => !ours.some((path) => path.endsWith(`real/${type}.json.gz`))), [], 'and of a real run');
});
