import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listSystems, loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { stackEnvironment, type StackFile } from '../../scripts/stack/stack-file.ts';
import { readFileSync } from 'node:fs';
import { applyRetentionInput, backUpSystemInput, recoverSystemInput, reportSystemInput, sealAuditInput, verifySystemInput } from '../../workflows/domain/inputs.ts';
import { describeTimes } from '../../workflows/domain/schedules/describe-times.ts';
import { desiredSchedules } from '../../workflows/domain/schedules/desired.ts';
import { planSteps } from '../../workflows/steps/index.ts';

test('every shipped system file is valid, and its runbook can be planned', async () => {
  const names = await listSystems();
  assert.deepEqual(names, ['accubooks', 'ai-writing', 'corporate-intel', 'demo', 'muslim-companion']);
  for (const name of names) {
    const { system, digest } = await loadSystemFile(name);
    assert.equal(system.system, name);
    const steps = planSteps(toSystemView(system, digest));
    assert.equal(steps.length, system.runbook.steps.length);
  }
});

test('ai-writing has the objectives of its handbook, and its budgets fit into them', async () => {
  const { system } = await loadSystemFile('ai-writing');
  assert.deepEqual(system.objectives, { rto: 3_600_000, rpo: 300_000 });
  assert.deepEqual(Object.keys(system.environments).sort(), ['dr', 'production', 'staging', 'test']);
  assert.equal(system.stores[0]?.lock?.retain, 24 * 3_600_000);
  const until = ['switch-traffic'];
  // The longest way from the declaration to the switch, which is when people can work again.
  const longest = (id: string): number => {
    const step = system.runbook.steps.find((candidate) => candidate.id === id)!;
    return (step.budget ?? 0) + Math.max(0, ...step.needs.map(longest));
  };
  for (const id of until) assert.ok(longest(id) <= system.objectives.rto, `${id} by ${longest(id) / 60_000} minutes`);
});

test('the embedded stack sets every variable that demo.yaml refers to', () => {
  const text = readFileSync(new URL('../../systems/demo.yaml', import.meta.url), 'utf8');
  const ports = new Proxy({}, { get: () => 1 });
  const stack = {
    directory: '/d',
    createdAt: '',
    temporal: { address: 'a', uiUrl: 'u' },
    primary: ports,
    standby: ports,
    objectStore: { endpoint: 'e' },
    frontDoor: { url: 'u' },
    apps: { production: ports, dr: ports },
  } as unknown as StackFile;
  const known = stackEnvironment(stack);
  for (const [, name] of text.matchAll(/\$\{(\w+)\}/g)) assert.ok(known[name!], `${name} is not set by the stack`);
});

test('ai-writing’s schedules are its handbook’s, and each can be started by what the file permits', async () => {
  const { system, digest } = await loadSystemFile('ai-writing');
  const times = Object.fromEntries(desiredSchedules(system).map(({ id, times: when, workflow }) => [id, `${describeTimes(when)}: ${workflow}`]));
  assert.deepEqual(times, {
    'ai-writing/full-backup': '01:00 UTC: backUpSystem',
    'ai-writing/incremental': '03:00, 09:00, 15:00, 21:00 UTC: verifySystem',
    'ai-writing/integrity': '06:00 UTC: verifySystem',
    'ai-writing/key-check': '05:30 UTC: verifySystem',
    'ai-writing/retention': '07:00 UTC: applyRetention',
    'ai-writing/sample': 'every 6h00m + 2h00m: verifySystem',
    'ai-writing/seal-audit': '00:15 UTC: sealAudit',
    'ai-writing/restoration-test': '05:00 sunday UTC: recoverSystem',
    'ai-writing/dr-simulation': '10:00 monday day 8-14 UTC: recoverSystem',
    'ai-writing/daily-report': '08:00 UTC: reportSystem',
    'ai-writing/weekly-report': '08:15 monday UTC: reportSystem',
    'ai-writing/full-dr-test': '10:00 monday day 1-7 of january, april, july, october UTC: recoverSystem',
  });
  // A drill that waited for people at night would hold the lock that a recovery needs.
  for (const { id, uses } of system.runbook.steps) if (uses === 'approval') assert.equal(system.approvals[id]?.preApproved?.purpose, 'drill', id);
  const schemas: Record<string, { parse(input: unknown): unknown }> = { backUpSystem: backUpSystemInput, verifySystem: verifySystemInput, recoverSystem: recoverSystemInput, applyRetention: applyRetentionInput, sealAudit: sealAuditInput, reportSystem: reportSystemInput };
  for (const { workflow, input } of desiredSchedules(system)) schemas[workflow]!.parse(input);
  assert.deepEqual(Object.values(toSystemView(system, digest).schedules ?? {}).map(({ act }) => act), ['back-up', 'verify', 'verify', 'verify', 'verify', 'retain', 'seal-audit', 'drill', 'drill', 'report', 'report', 'drill']);
});
