import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyRetentionInput, applySystemInput, archiveLogInput, backUpSystemInput, disposeAllInput, disposePointInput, exportRecoveryPointInput, importDumpInput, inputExamples, listDrillsInput, listRecoveryPointsInput, markPointInput, openIncidentInput, parseInput, planRecoveryInput, readAuditInput, readArchiveStatusInput, rebuildCatalogInput, recordDeploymentInput, recordRecoveryProofInput, recoverSystemInput, reportSystemInput, rotateKeysInput, sealAuditInput, verifySystemInput, type EntryWorkflow } from '../../../workflows/domain/inputs.ts';
import { makeId } from '../../../workflows/domain/make-id.ts';
import { incidentMessageDescriptions, incidentMessageNames, incidentMessageSchemas } from '../../../workflows/domain/incident-messages.ts';
import { messageDescriptions, messageNames, messageSchemas } from '../../../workflows/domain/messages.ts';

test('every example that a refusal shows is accepted', () => {
  const schemas = {
    recoverSystem: recoverSystemInput,
    backUpSystem: backUpSystemInput,
    archiveLog: archiveLogInput,
    verifySystem: verifySystemInput,
    listDrills: listDrillsInput,
    listRecoveryPoints: listRecoveryPointsInput,
    planRecovery: planRecoveryInput,
    readArchiveStatus: readArchiveStatusInput,
    rebuildCatalog: rebuildCatalogInput,
    readAudit: readAuditInput,
    sealAudit: sealAuditInput,
    importDump: importDumpInput,
    exportRecoveryPoint: exportRecoveryPointInput,
    openIncident: openIncidentInput,
    recordDeployment: recordDeploymentInput,
    rotateKeys: rotateKeysInput,
    recordRecoveryProof: recordRecoveryProofInput,
    markPoint: markPointInput,
    applyRetention: applyRetentionInput,
    disposePoint: disposePointInput,
    disposeAll: disposeAllInput,
    applySystem: applySystemInput,
    reportSystem: reportSystemInput,
  };
  for (const [workflow, example] of Object.entries(inputExamples) as [EntryWorkflow, string][]) {
    assert.ok(schemas[workflow].safeParse(JSON.parse(example)).success, example);
  }
});

test('every example in a message’s description is accepted', () => {
  for (const name of messageNames) {
    const example = /Example: (\{.*\})$/.exec(messageDescriptions[name])![1]!;
    assert.ok(messageSchemas[name].safeParse(JSON.parse(example)).success, example);
  }
  for (const name of incidentMessageNames) {
    for (const example of /Example: (\{.*\})$/.exec(incidentMessageDescriptions[name])![1]!.split(' or ')) {
      assert.ok(incidentMessageSchemas[name].safeParse(JSON.parse(example)).success, example);
    }
  }
});

test('a bare string is the system; times come out in UTC; typed positions come out at full width', () => {
  const parse = (typed: unknown) => parseInput('recoverSystem', recoverSystemInput, typed);
  assert.deepEqual(parse('demo'), { system: 'demo', purpose: 'recovery', takeOver: false });
  assert.equal(parse({ system: 'demo', targetTime: '2026-11-21T04:00:05+01:00' }).targetTime, '2026-11-21T03:00:05.000Z');
  assert.equal(parse({ system: 'demo', targetPosition: '1763717205.7' }).targetPosition, '1763717205-0000000007');
  assert.throws(() => parse({ system: 'demo', targetTime: '2026-11-21T03:00:05' }), /with its zone/);
  assert.throws(() => parse({ system: 'demo', targetTime: '2026-11-21T03:00:05Z', targetPosition: '1-1' }), /either targetTime or targetPosition or point/);
  assert.throws(() => parse({ system: 'demo', targetTime: '2026-11-21T03:00:05Z', point: 'B1' }), /one at most/);
  assert.throws(() => parse({ system: 'demo', orBefore: true }), /before what: give targetTime or targetPosition/);
  assert.throws(() => parse({ system: 'demo', ago: '30d' }), /only for a drill/);
  assert.equal(parse({ system: 'demo', purpose: 'drill', ago: '30d' }).ago, 30 * 86_400_000);
});

test('a path is whole, and a point is an id', () => {
  const path = (typed: unknown) => parseInput('importDump', importDumpInput, { system: 'demo', path: typed });
  for (const bad of ['shop.archive', '', '../etc/passwd', '/', '/a\0b', 7]) assert.throws(() => path(bad), { name: 'BadInput', message: /field "path"/ }, String(bad));
  assert.equal(path('/exchange/odd name ü').path, '/exchange/odd name ü');
  const point = (typed: string) => parseInput('exportRecoveryPoint', exportRecoveryPointInput, { system: 'demo', path: '/e/x', point: typed });
  for (const bad of ['../../x', 'a/b', '']) assert.throws(() => point(bad), { name: 'BadInput', message: /field "point"/ }, bad);
});

test('ids sort by time, whatever their chance', () => {
  const early = makeId(Date.parse('2026-11-21T03:00:00Z'), 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  const late = makeId(Date.parse('2026-11-21T03:00:00.001Z'), '00000000-0000-0000-0000-000000000000');
  assert.ok(early < late);
  assert.match(early, /^[0-9A-HJKMNP-TV-Z]{26}$/);
});
