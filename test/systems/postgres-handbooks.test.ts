import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { expandRunbook } from '../../workflows/domain/expand-runbook.ts';
import { desiredSchedules } from '../../workflows/domain/schedules/desired.ts';
import { systemSchema, type System } from '../../workflows/domain/system.ts';
import { hours, minutes } from '../../workflows/domain/units.ts';
import { days, drillsAsk, endOf, load, numbered, planOf, timesOf } from './handbook-figures.ts';

/** The figures of two handbooks, written down once more, beside what their system files make of them. */
test('muslim-companion: nothing comes into production but by way of staging, and of two people who did not ask for it', async () => {
  const system = await load('muslim-companion');
  assert.deepEqual(system.objectives, { rto: hours(4), rpo: hours(24) });
  assert.equal(system.environments[system.standby.environment]!.protection, 'staging');
  for (const runbook of [undefined, 'deleted-records']) {
    const steps = expandRunbook(system, runbook);
    const before = (id: string): string[] => {
      const step = steps.find((one) => one.id === id)!;
      return [...new Set([...step.needs, ...step.needs.flatMap(before)])];
    };
    const usesBefore = (id: string): string[] => before(id).map((one) => steps.find((step) => step.id === one)!.uses);
    const writing = steps.filter(({ uses }) => ['copy-beside', 'swap', 'restore-rows'].includes(uses));
    assert.ok(writing.length > 0);
    for (const { id } of writing) {
      for (const uses of ['restore', 'validate', 'compare', 'approval']) assert.ok(usesBefore(id).includes(uses), `${id} needs ${uses}`);
      const gates = before(id).filter((one) => steps.find((step) => step.id === one)!.uses === 'approval').map((gate) => system.approvals[gate]!);
      for (const { quorum, notRequester, preApproved } of gates) assert.deepEqual([quorum, notRequester, preApproved], [2, true, undefined]);
    }
    assert.ok(planOf(system, runbook).criticalMs <= system.objectives.rto, `${runbook}: ${planOf(system, runbook).criticalMs / 60_000} minutes`);
  }
  assert.deepEqual([endOf(planOf(system), ['restore-production']), planOf(system).criticalMs], [minutes(200), minutes(220)]);
  assert.ok(usesOf(system, 'deleted-records').indexOf('preview-rows') < usesOf(system, 'deleted-records').indexOf('restore-rows'));
});

const usesOf = (system: System, runbook?: string): string[] => expandRunbook(system, runbook).map(({ uses }) => uses);

test('muslim-companion: its schedules, retention, alerts and the quarterly drill', async () => {
  const { system, digest } = await loadSystemFile('muslim-companion');
  assert.deepEqual(timesOf(system), {
    'daily-backup': '02:00 UTC: backUpSystem',
    integrity: '04:00 UTC: verifySystem',
    sample: 'every 6h00m: verifySystem',
    'key-check': '05:30 UTC: verifySystem',
    cleanup: '03:00 monday UTC: applyRetention',
    'quarterly-drill': '10:00 monday day 1-7 of january, april, july, october UTC: recoverSystem',
    'weekly-report': '09:00 monday UTC: reportSystem',
    'seal-audit': '00:15 UTC: sealAudit',
  });
  const { daily, weekly, monthly } = system.retention!.sources['database']!;
  assert.deepEqual([daily, weekly, monthly], [{ forMs: days(30) }, { forMs: days(90) }, { forMs: days(365) }]);
  assert.equal(system.monitor!.backupAge.criticalMs, hours(36));
  const drill = desiredSchedules(system).find(({ id }) => id.endsWith('/quarterly-drill'))!;
  assert.deepEqual([(drill.input as { runbook: string; ago: string }).runbook, (drill.input as { ago: string }).ago], ['quarterly-drill', '30d']);
  assert.deepEqual(drillsAsk(system), []);
  assert.deepEqual(usesOf(system, 'quarterly-drill'), ['declare', 'find-recovery-point', 'provision', 'restore', 'replay', 'build-indexes', 'validate', 'command', 'report']);
  assert.equal(toSystemView(system, digest).drillEnvironment, 'test');
  assert.equal(system.stores[0]!.kind === 's3' && system.stores[0]!.bucket, 'quran-backend-backups-production');
  assert.deepEqual(system.key.recipients, { aws: { kind: 'kms', keyId: 'alias/quran-backend-backup-key', region: 'us-east-1', context: { purpose: 'backup' } } });
});

test('accubooks: four phases that end after 30, 90, 180 and 240 minutes; corruption is isolated within 15 and recovered within 60', async () => {
  const system = await load('accubooks');
  assert.deepEqual(system.objectives, { rto: hours(4), rpo: hours(24) });
  const plan = planOf(system);
  assert.deepEqual([1, 2, 3, 4].map((phase) => endOf(plan, numbered(system, phase)) / 60_000), [30, 90, 180, 240]);
  assert.equal(plan.criticalMs, system.objectives.rto);
  const corruption = planOf(system, 'corruption');
  assert.ok(endOf(corruption, ['isolate', 'assess']) <= minutes(15));
  assert.equal(endOf(corruption, ['check-health']), minutes(60));
  for (const runbook of ['corruption', 'point-in-time', 'tables', 'restore-test']) assert.ok(planOf(system, runbook).criticalMs <= system.objectives.rto, runbook);
  // What was there is kept, and nothing changes places, nor is a row written, before people have seen what.
  assert.deepEqual(['corruption', 'point-in-time', 'tables'].map((runbook) => system.runbooks![runbook]!.mode), ['swap', 'swap', 'rows']);
  assert.ok(usesOf(system, 'tables').indexOf('preview-rows') < usesOf(system, 'tables').indexOf('approval'));
});

test('accubooks: its schedules, its quota and its retention', async () => {
  const system = await load('accubooks');
  assert.deepEqual(timesOf(system), {
    backup: 'every 24h00m + 1h00m: backUpSystem',
    'restore-test': 'every 24h00m + 3h00m: recoverSystem',
    'weekly-verification': '06:00 sunday UTC: verifySystem',
    'key-check': '05:30 UTC: verifySystem',
    'monthly-drill': '10:00 saturday day 1-7 UTC: recoverSystem',
    cleanup: '05:00 UTC: applyRetention',
    'seal-audit': '00:15 UTC: sealAudit',
    'weekly-report': '08:00 monday UTC: reportSystem',
  });
  const { every, atMost } = system.retention!.sources['database']!;
  assert.deepEqual([every, atMost], [days(30), 6 * 2 ** 30]);
  const [store] = system.stores;
  assert.deepEqual([store!.kind, store!.budget, store!.kind === 'local' && store!.quota], ['local', 10 * 2 ** 30, 10 * 2 ** 30]);
  assert.deepEqual(drillsAsk(system), []);
});

test('a file is refused where something unmasked is opened, where something masked goes on, and where rows or databases come into production unseen', () => {
  type Steps = { id: string; uses: string; needs?: string[]; with?: object }[];
  type File = { mask?: object; fence?: object; sources: { database: { engine: string } }; runbook: { mode?: string; steps: Steps }; runbooks: Record<string, { mode?: string; steps: Steps }> };
  const file = parse(readFileSync(new URL('../../systems/muslim-companion.yaml', import.meta.url), 'utf8')) as File;
  const refusal = (change: (of: File) => void): string => {
    const changed = structuredClone(file);
    change(changed);
    const parsed = systemSchema.safeParse(changed);
    return parsed.success ? 'taken' : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
  };
  const stepOf = (of: { steps: Steps }, id: string): Steps[number] => of.steps.find((step) => step.id === id)!;
  assert.equal(refusal(() => undefined), 'taken');
  // As soon as there are rules, each runbook that restores masks before its report.
  const rules = { database: { 'public.users': { email: 'email' } } };
  const unmasked = refusal((of) => (of.mask = rules));
  for (const where of ['runbook', 'runbooks.deleted-records', 'runbooks.quarterly-drill']) assert.match(unmasked, new RegExp(`${where.replace('.', '\\.')}\\.steps: step "report" lets people in to what was restored, and nothing has masked it`));
  const masked = (of: File): void => {
    of.mask = rules;
    for (const [runbook, after] of [[of.runbook, 'restore-production'], [of.runbooks['deleted-records']!, 'restore-records'], [of.runbooks['quarterly-drill']!, 'sample-queries']] as const) {
      runbook.steps.push({ id: 'mask', uses: 'mask', needs: [after] });
      stepOf(runbook, 'report').needs!.push('mask');
    }
  };
  assert.equal(refusal(masked), 'taken');
  const early = refusal((of) => {
    masked(of);
    stepOf(of.runbook, 'mask').needs = ['restore-to-staging'];
    stepOf(of.runbook, 'copy-to-production').needs!.push('mask');
  });
  assert.match(early, /step "copy-to-production" \(copy-beside\) works on the data as it was, and "mask" before it masks that/);
  assert.match(refusal((of) => of.runbook.steps.push({ id: 'mask', uses: 'mask', needs: ['validate'] })), /step "mask" has no rules: say under mask what is masked/);
  assert.match(refusal((of) => (of.mask = { nothing: { 'public.users': { email: 'email' } } })), /mask\.nothing: unknown source "nothing"/);
  assert.match(refusal((of) => (of.mask = { database: { users: { email: 'email' } } })), /mask\.database\.users/);
  // Into production only what people have seen.
  assert.match(refusal((of) => (stepOf(of.runbooks['deleted-records']!, 'restore-records').needs = ['preview'])), /step "restore-records" writes into what lives, so it must need, by way of others, steps that use approval/);
  assert.match(refusal((of) => (stepOf(of.runbooks['deleted-records']!, 'authorize-production').needs = ['compare'])), /step "authorize-production" shows which rows would be put back, so it must need a step that uses preview-rows/);
  assert.match(refusal((of) => (stepOf(of.runbook, 'restore-production').needs = ['copy-to-production'])), /steps that use approval|shows what would change places/);
  assert.match(refusal((of) => (stepOf(of.runbook, 'protect').needs = ['validate'])), /what takes the place of "database" is another database: a step that uses protect must need, by way of others, the one that uses swap/);
  assert.match(refusal((of) => of.runbook.steps.push({ id: 'promote', uses: 'promote', needs: ['validate'] })), /belongs to a runbook that moves a source: mode: swap brings data into what lives/);
  assert.match(refusal((of) => (of.runbooks['deleted-records']!.mode = 'beside')), /belongs to a runbook with mode: rows/);
  assert.match(refusal((of) => (of.runbook.mode = 'rows')), /runbook is the way to the standby: put what restores rows into what lives under runbooks/);
});
