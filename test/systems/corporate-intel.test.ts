import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store } from '../../activities/store/store.ts';
import { loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { readRoom } from '../../activities/watch/read-room.ts';
import type { SystemFacts } from '../../activities/watch/system-facts.ts';
import { metricRows } from '../../workers/watch/metrics.ts';
import { forecastCapacity } from '../../workflows/domain/capacity.ts';
import { expandRunbook } from '../../workflows/domain/expand-runbook.ts';
import type { StoreConfig } from '../../workflows/domain/system.ts';
import { hours, minutes } from '../../workflows/domain/units.ts';
import { planSteps } from '../../workflows/steps/index.ts';
import { days, drillsAsk, endOf, load, numbered, planOf, timesOf } from './handbook-figures.ts';

/** The figures of the handbook, written down once more, beside what the system file makes of them. */
test('corporate-intel: ten steps of 70 minutes in sequence bring service back after 40, and are all done after 50', async () => {
  const system = await load('corporate-intel');
  assert.deepEqual(system.objectives, { rto: hours(1), rpo: hours(24) });
  const table = [5, 10, 5, 15, 10, 5, 5, 5, 5, 5];
  const budgets = new Map(system.runbook.steps.map(({ id, budget }) => [id, budget ?? 0]));
  const spent = table.map((_, at) => numbered(system, at + 1).reduce((sum, id) => sum + budgets.get(id)!, 0));
  assert.deepEqual(spent, table.map((one) => minutes(one)));
  assert.equal([...budgets.values()].reduce((sum, one) => sum + one, 0), minutes(70), 'in sequence it does not fit');
  const responsible = ['On-call Engineer', 'DevOps Lead', 'DevOps Engineer', 'Database Admin', 'DevOps Engineer', 'DevOps Engineer', 'QA Engineer', 'Network Admin', 'QA Engineer', 'Incident Commander'];
  assert.deepEqual(table.map((_, at) => numbered(system, at + 1).map((id) => system.incidents!.owners[id]?.role).find((role) => role !== undefined)), responsible);
  const plan = planOf(system);
  assert.deepEqual([plan.servedBy, plan.criticalMs], ['switch-traffic', minutes(40)]);
  assert.equal(endOf(plan, table.flatMap((_, at) => numbered(system, at + 1))), minutes(50));
  assert.ok(plan.criticalPath.includes('restore-database') && !plan.criticalPath.includes('restore-objects') && !plan.criticalPath.includes('find-recovery-point'), 'what need not wait goes side by side');
  // Data is restored before it is verified, verified before people decide, and decided before anything of production is touched.
  const order = ['assess', 'provision', 'restore-database', 'validate', 'approve-switch', 'fence-primary', 'switch-traffic', 'test-application', 'communicate'];
  assert.deepEqual([...order].sort((a, b) => endOf(plan, [a]) - endOf(plan, [b])), order);
});

test('corporate-intel: its schedules, retention and drills', async () => {
  const { system, digest } = await loadSystemFile('corporate-intel');
  // Its configuration lies beside its data, so no base holds it; a drill without it would not notice.
  const kept = [system.standby, system.drill!].map(({ provision: { database } }) => database!.uses === 'local' && database!.configuration);
  assert.deepEqual(kept, Array(2).fill('/etc/holdfast/corporate-intel/postgresql'));
  assert.deepEqual(timesOf(system), {
    'daily-backup': '02:00 UTC: backUpSystem',
    'weekly-backup': '03:00 sunday UTC: backUpSystem',
    'monthly-backup': '04:00 day 1 UTC: backUpSystem',
    verification: 'every 6h00m: verifySystem',
    sample: 'every 6h00m + 3h00m: verifySystem',
    log: 'every 1h00m + 30m00s: verifySystem',
    'test-restore': '05:00 sunday UTC: recoverSystem',
    'full-drill': '10:00 monday day 1-7 of january, april, july, october UTC: recoverSystem',
    'key-check': '05:30 UTC: verifySystem',
    retention: '07:00 UTC: applyRetention',
    'seal-audit': '00:15 UTC: sealAudit',
    'daily-report': '08:00 UTC: reportSystem',
    'weekly-report': '08:15 monday UTC: reportSystem',
  });
  const { daily, weekly, monthly, log, weekBegins } = system.retention!.sources['database']!;
  assert.deepEqual([daily, weekly, monthly, log, weekBegins], [{ forMs: days(7) }, { forMs: days(28) }, { forMs: days(365) }, days(30), 'sunday']);
  assert.deepEqual(drillsAsk(system), []);
  const { publicKey: _, ...backup } = system.key.recipients!['backup'] as { publicKey: string };
  assert.deepEqual(backup, { kind: 'gpg', recipient: 'backup@corporate-intel.local' }, 'its private half is nowhere in the file');
  // What else there is runs at the drill's own place, and its times are kept or missed there.
  assert.deepEqual(planSteps(toSystemView(system, digest)).filter(({ production }) => production).map(({ id }) => id), ['fence-primary', 'drain-log', 'switch-traffic', 'protect-standby']);
  const verifyOnly = expandRunbook(system, 'verify-only');
  assert.deepEqual(verifyOnly.map(({ id }) => id), ['declare', 'find-recovery-point', 'provision', 'restore', 'replay', 'validate', 'report']);
  assert.deepEqual(verifyOnly.find(({ id }) => id === 'validate')!.with, { command: 'verify-data', inDrills: true });
});

test('corporate-intel: its bucket has a budget, of which 80 and 90 % can be told', async () => {
  const [store] = (await load('corporate-intel')).stores as [StoreConfig & { budget: number }];
  assert.equal(store.kind, 's3', 'nobody else knows how full it is');
  const ratioWith = async (bytes: number): Promise<unknown> => {
    const holding = { list: async function* () { yield await Promise.resolve({ bytes }); } } as unknown as Store;
    const { room } = await readRoom(holding, store, 'corporate-intel');
    const facts = { system: 'corporate-intel', capacity: forecastCapacity(room, { bytesPerDay: null, basis: 'no backups yet' }) } as SystemFacts;
    return metricRows.find(({ name }) => name === 'holdfast_storage_used_ratio')!.valuesOf(facts);
  };
  for (const value of [0.8, 0.9]) assert.deepEqual(await ratioWith(value * store.budget), [{ labels: { system: 'corporate-intel' }, value }]);
});
