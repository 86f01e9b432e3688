import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActToRecord } from '../../workflows/contract.ts';
import { inputExamples } from '../../workflows/domain/inputs.ts';
import { messageNames } from '../../workflows/domain/messages.ts';
import { entryWorkflows } from '../../workflows/domain/names.ts';
import { actOf, permissions, type Act } from '../../workflows/domain/permissions.ts';
import { until } from '../harness/until.ts';
import { openLab } from './lab.ts';

test('every start that a person can make is in the audit, under the act of the permission table', async (t) => {
  const lab = await openLab(t);
  for (const workflow of entryWorkflows) {
    const input = JSON.parse(inputExamples[workflow]) as Parameters<typeof actOf>[1];
    await lab.start(workflow, input);
    const record = await until(`the audit has ${workflow}`, () => lab.stubs.calls.map((call) => (call.name === 'recordAct' ? (call.input as ActToRecord) : undefined)).find((act) => act?.workflow === workflow));
    assert.deepEqual([record.act, record.outcome, record.from], [actOf(workflow, input), 'permitted', 'a start in Temporal'], workflow);
  }
});

test('every act of the permission table is a start, a message that evidence tells of, or has no workflow yet', () => {
  const asked = [{}, { apply: true }, { purpose: 'drill' }, { dryRun: true }, { takeOver: true }, { only: ['a.b'] }];
  const starts = entryWorkflows.flatMap((workflow) => asked.map((of) => actOf(workflow, of)));
  const ofIncidents: Act[] = ['update-incident', 'dismiss-run', 'resolve-incident', 'review-incident'];
  // A gate of the run.
  const others: Act[] = ['elevate'];
  const known = new Set<Act>([...starts, ...messageNames, ...ofIncidents, ...others]);
  assert.deepEqual((Object.keys(permissions) as Act[]).filter((act) => !known.has(act)), []);
});
