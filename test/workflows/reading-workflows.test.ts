import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import type { ArchiveStatus } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { inputExamples, type EntryWorkflow } from '../../workflows/domain/inputs.ts';
import { describePoints, listPoints, type CatalogPage, type PointsPage } from '../../workflows/domain/list-points.ts';
import type { RecoveryPlan } from '../../workflows/domain/recovery-plan.ts';
import { detailsBytes } from '../../workflows/runbook/show-details.ts';
import { details, failureOf, openLab } from './lab.ts';
import { catalog, view } from './stub-activities.ts';

const readers = ['listRecoveryPoints', 'planRecovery', 'readArchiveStatus', 'rebuildCatalog', 'readAudit'] as const satisfies EntryWorkflow[];
test('each answers the same small JSON, with its result and with a list that a person reads in the UI', async (t) => {
  const lab = await openLab(t);
  const ask = async <R>(type: string, input: unknown): Promise<{ result: R; shown: string }> => {
    const handle = await lab.start(type, input);
    return { result: (await handle.result()) as R, shown: await details(handle) };
  };
  const points = await ask<{ sources: PointsPage[] }>('listRecoveryPoints', { system: 'demo' });
  assert.deepEqual(points.result.sources[0]!.windows.map(({ base }) => base.backup), ['B3', 'B2', 'B1']);
  assert.match(points.shown, /^\*\*what can be restored\*\*\n\n- demo\/documents: 2025-.* base B3, 3 slices/);
  const plan = await ask<RecoveryPlan>('planRecovery', 'demo');
  assert.equal(plan.result.findings.length, 1);
  assert.match(plan.shown, /^\*\*plan demo .*objective\*\*\n\n- would fail {2}nothing answers at 127\.0\.0\.1:1 HINT: start nginx\n- critical declare/);
  const archive = await ask<{ archives: ArchiveStatus[] }>('readArchiveStatus', { system: 'demo', source: 'documents' });
  assert.equal(archive.result.archives[0]!.rpoMs, 0);
  assert.match(archive.shown, /- demo\/documents: up to date; archived to/);
  const rebuilt = await ask<{ catalogs: CatalogPage[] }>('rebuildCatalog', 'demo');
  assert.deepEqual(rebuilt.result.catalogs[0]!.totals, { timelines: 1, bases: 3, slices: 3, spans: 1, gaps: 0, rejected: 0 });
  assert.match(rebuilt.shown, /1 timelines, 3 bases, 3 slices in 1 unbroken spans/);
});

test('a list is a page of it that says so, and the next one begins behind it', async (t) => {
  const lab = await openLab(t);
  const page = async (input: object): Promise<PointsPage> => {
    const { sources } = (await (await lab.start('listRecoveryPoints', { system: 'demo', source: 'documents', limit: 2, ...input })).result()) as { sources: PointsPage[] };
    return sources[0]!;
  };
  const first = await page({});
  assert.deepEqual({ shown: first.windows.length, of: first.totals.windows, next: first.next }, { shown: 2, of: 3, next: 'B2' });
  const second = await page({ after: first.next });
  assert.deepEqual({ shown: second.windows.map(({ base }) => base.backup), next: second.next }, { shown: ['B1'], next: null });
  const daily = { ...catalog, bases: catalog.bases.map((base, at) => ({ ...base, finishedAt: `2025-11-2${at}T04:00:00.000Z` })) };
  const late = listPoints(daily, { limit: 1, since: '2025-11-21T06:00:00.000+02:00' });
  assert.deepEqual({ shown: late.windows.map(({ base }) => base.backup), of: late.totals.windows, next: late.next }, { shown: ['B3'], of: 2, next: 'B3' });
  const { sources: none } = (await (await lab.start('listRecoveryPoints', { system: 'demo', source: 'documents', since: '2099-01-01T00:00:00Z' })).result()) as { sources: PointsPage[] };
  assert.deepEqual(none.flatMap(describePoints), ['demo/documents: no base since 2099-01-01T00:00:00.000Z']);
  const failure = await failureOf(await lab.start('listRecoveryPoints', { system: 'demo', source: 'documents', after: 'B9' }));
  assert.equal(failure.type, 'BadInput');
  assert.match(failure.message, /field "after" is "B9".*HINT: take it from the field "next"/);
});

test('the largest page stays far below what Temporal carries, and its details below what the UI shows', async (t) => {
  const why = 'w'.repeat(200);
  const many = { ...catalog, gaps: Array.from({ length: 2_000 }, () => ({ timeline: 't00000001', from: catalog.spans[0]!.from, to: catalog.spans[0]!.to, why })), bases: Array.from({ length: 3_000 }, (_, n) => ({ ...catalog.bases[0]!, backup: `B${n}`, why })) };
  const lab = await openLab(t, { listRecoveryPoints: ({ limit }) => Promise.resolve(listPoints(many, { limit })) });
  const handle = await lab.start('listRecoveryPoints', { system: 'demo', limit: 500 });
  const text = JSON.stringify(await handle.result());
  assert.ok(text.length < 1024 * 1024, String(text.length));
  const shown = await details(handle);
  assert.ok(shown.length <= detailsBytes);
  assert.match(shown, /- … and \d+ more lines: in the result$/);
});

test('bad input fails at once, names the field and shows an input that works; nothing is read', async (t) => {
  const lab = await openLab(t);
  for (const type of readers) {
    const misspelt = await failureOf(await lab.start(type, { sytem: 'demo' }));
    assert.equal(misspelt.type, 'BadInput', type);
    assert.match(misspelt.message, /unknown field "sytem"/);
    assert.ok(misspelt.message.includes(inputExamples[type]));
    assert.match((await failureOf(await lab.start(type, undefined))).message, /no input/);
    const unknown = await failureOf(await lab.start(type, { system: 'nope' })).catch((error: unknown) => error as ApplicationFailure);
    if (type !== 'planRecovery') assert.equal(unknown.type, 'UnknownSystem', type);
  }
  assert.match((await failureOf(await lab.start('listRecoveryPoints', { system: 'demo', limit: 5_000 }))).message, /field "limit" is 5000, expected a whole number from 1 to 500/);
  assert.match((await failureOf(await lab.start('readArchiveStatus', { system: 'demo', source: 'nope' }))).message, /demo has documents/);
  assert.match((await failureOf(await lab.start('planRecovery', { system: 'demo', targetTime: '2026-11-21T03:00:05Z', targetPosition: '1-1' }))).message, /either targetTime or targetPosition/);
  assert.deepEqual(lab.stubs.called().filter((name) => !['loadSystem', 'recordAct', 'planRecovery'].includes(name)), []);
});

test('what keeps one source from being read is the workflow’s own failure', async (t) => {
  const lab = await openLab(t, {
    loadSystem: () => Promise.resolve({ ...view, sources: { documents: view.sources['documents']!, users: view.sources['documents']! } }),
    rebuildCatalog: () => Promise.reject(new HoldfastError('WrongKey', 'key k2 is not k1')),
  });
  const failure = await failureOf(await lab.start('rebuildCatalog', 'demo'));
  assert.equal(failure.type, 'WrongKey');
  assert.match(failure.message, /key k2 is not k1/);
});
