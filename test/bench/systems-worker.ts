import { setTimeout as sleep } from 'node:timers/promises';
import { NativeConnection } from '@temporalio/worker';
import { attempt } from '../../activities/attempt.ts';
import { createActivities, type ActivitiesByRole } from '../../activities/index.ts';
import type { ArchiveActivities } from '../../workflows/contract.ts';
import { bundleWorkflows } from '../../workers/bundle-workflows.ts';
import { readEnvironment } from '../../workers/environment.ts';
import { openLog } from '../../workers/log.ts';
import { createWorkers, planQueues, runWorkers } from '../../workers/run-workers.ts';
import '../harness/quiet-runtime.ts';
import { point, stubActivities } from '../workflows/stub-activities.ts';

/**
 * A worker as it ships, but for what reaches a database or a bucket: `node systems-worker.ts <address>`. System files are read and applied by the real
 * activities; a log tail waits its hour and heartbeats as a real one does. It says how many tails it has.
 */
const said = (tails: number): void => void process.stdout.write(`${JSON.stringify({ tails })}\n`);
let tails = 0;

const archiveLog: ArchiveActivities['archiveLog'] = attempt(async ({ forMs }, { signal, progress }) => {
  const beat = setInterval(() => progress({ phase: 'archiving', archivedTo: point.reaches, archivedToAt: new Date().toISOString(), lagMs: 800, slices: 1, bytes: 300, done: 30, of: 0, unit: 'entries' }), 1_000);
  said((tails += 1));
  try {
    await sleep(forMs, undefined, { signal });
    return { why: 'handover', timeline: 't00000001', archivedTo: point.reaches, slices: 3_600, entries: 100_000, gap: null };
  } finally {
    clearInterval(beat);
    said((tails -= 1));
  }
});

// Reports are stubs: nothing is written there.
const { loadSystem, applySystem } = createActivities({ owner: 'bench', reportsDirectory: '/nowhere', temporalUiUrl: null }).control;
const { activities } = stubActivities({ loadSystem, applySystem, archiveLog });
const byRole = { control: activities, data: activities, archive: activities, recover: activities } as unknown as ActivitiesByRole;
const environment = readEnvironment();
const address = process.argv[2]!;
const temporal = { connection: await NativeConnection.connect({ address }), namespace: 'default', address, namespaceId: '' };
const stopped = new AbortController();
// However the bench ended: nothing of it stays.
process.stdin.once('close', () => process.exit(1)).resume();
const workers = await createWorkers(planQueues(environment.roles, ['main']), temporal, environment, byRole, await bundleWorkflows(openLog('error')), {});
said(0);
await runWorkers(workers, stopped.signal);
