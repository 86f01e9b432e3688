import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readIncidents } from '../../../activities/report/read-incidents.ts';
import { writeIncident } from '../../../activities/report/write-incident.ts';
import { rememberSecret } from '../../../activities/secrets.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { recordOf, type IncidentRecord } from '../../../workflows/domain/incident-record.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const signal = new AbortController().signal;
const recordWith = (id: string, summary: string): IncidentRecord =>
  recordOf({
    format: 1, id, system: 'demo', summary, status: 'resolved', severity: 'P1', impact: null, startedAt: '2026-11-21T03:00:00.000Z', openedAt: '2026-11-21T03:01:00.000Z', openedBy: 'dana',
    rtoObjectiveMs: 3_600_000, rpoObjectiveMs: 300_000, nextUpdateAt: null, homeward: [], owners: [], answeredAt: null, ladders: [], alerts: [], runs: [], resolvedAt: '2026-11-21T03:30:00.000Z', resolvedBy: 'dana', review: null, closedAt: '2026-11-21T06:00:00.000Z', journal: [], warnings: [],
  });

test('incidents that were closed are read back newest first, written twice once, without secrets; one that is damaged is named', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p', lockMs: 60_000 });
  const directory = tempDir(t);
  rememberSecret('correct-horse-battery');
  await writeIncident({ store, signal }, { record: recordWith('01JB', 'before'), directory });
  await writeIncident({ store, signal }, { record: recordWith('01JA', 'older'), directory });
  const { paths } = await writeIncident({ store, signal }, { record: recordWith('01JB', 'it said correct-horse-battery'), directory });
  assert.match(readFileSync(paths.page, 'utf8'), /^# Incident: it said \\\[secret\\\]/);
  await store.put(layout.incident('demo', '01JC', 'incident.json'), Buffer.from('{'), { signal });
  const { records, unread } = await readIncidents({ store, signal }, 'demo', 50);
  assert.deepEqual(records.map(({ state, recoveryMs }) => [state.id, state.summary, recoveryMs]), [['01JB', 'it said [secret]', 1_800_000], ['01JA', 'older', 1_800_000]]);
  assert.deepEqual(unread, [layout.incident('demo', '01JC', 'incident.json')]);
  assert.equal((await readIncidents({ store, signal }, 'demo', 2)).records.length, 1);
});
