import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { ExportSummary, ImportSummary, TransferState } from '../../workflows/domain/exchange.ts';
import { inputExamples } from '../../workflows/domain/inputs.ts';
import { details, failureOf, openLab, type Lab } from './lab.ts';
import { point } from './stub-activities.ts';
import { untilCancelled } from './until-cancelled.ts';

const inputOf = (lab: Lab, name: string): Record<string, unknown> => lab.stubs.calls.find((call) => call.name === name)!.input as Record<string, unknown>;

test('an import is checked, written and sealed, and says by which id it is recovered', async (t) => {
  const lab = await openLab(t);
  const handle = await lab.start('importDump', { system: 'demo', path: '/exchange/shop.archive.gz', requestedBy: 'dana' });
  const summary = (await handle.result()) as ImportSummary;
  assert.deepEqual(lab.stubs.called(), ['loadSystem', 'recordAct', 'claimEpoch', 'planImport', 'importGroup', 'sealBackup']);
  assert.equal(inputOf(lab, 'planImport')['why'], 'imported from /exchange/shop.archive.gz');
  assert.equal(summary.origin.log!.entries, 7);
  assert.match(await details(handle), new RegExp(`holdfast recover demo --point ${summary.backup}$`, 'm'));
  assert.match(await details(handle), /left out {3}config\.system\.sessions/);
  assert.deepEqual(await handle.query<TransferState>('state'), { phase: 'done', progress: null });
});

test('a damaged dump ends the import at once with its own reason, and nothing is written', async (t) => {
  const lab = await openLab(t, { planImport: () => Promise.reject(new HoldfastError('BadInput', '/exchange/a: byte 7: expected a document, found the end of the file')) });
  const failure = await failureOf(await lab.start('importDump', JSON.parse(inputExamples.importDump)));
  assert.deepEqual([failure.type, failure.nonRetryable], ['BadInput', true]);
  assert.match(failure.message, /^\/exchange\/a: byte 7/);
  assert.deepEqual(lab.stubs.called().filter((name) => name === 'planImport' || name === 'importGroup'), ['planImport']);
});

test('an export holds its point, gets its name last, and tells the command that restores it', async (t) => {
  const lab = await openLab(t);
  const handle = await lab.start('exportRecoveryPoint', { system: 'demo', point: 'B1', as: 'folder', path: '/exchange/out' });
  const summary = (await handle.result()) as ExportSummary;
  assert.deepEqual(lab.stubs.called(), ['loadSystem', 'recordAct', 'findRecoveryPoint', 'writeExport', 'publishExport', 'releaseHold']);
  assert.deepEqual({ ...inputOf(lab, 'findRecoveryPoint'), run: '' }, { system: 'demo', source: 'documents', target: { point: 'B1' }, run: '', purpose: 'export' });
  assert.equal(summary.limit, point.limit);
  assert.match(await details(handle), /--oplogReplay\): without it the collections are of different moments/);
  assert.match(await details(handle), /mongorestore --oplogReplay --dir=\/exchange\/out/);
});

test('an export that fails or is cancelled lets its point go, and removes what it wrote', async (t) => {
  const lab = await openLab(t, { writeExport: () => Promise.reject(new HoldfastError('Unsupported', 'entry 1:1 renames a collection')) });
  const failure = await failureOf(await lab.start('exportRecoveryPoint', JSON.parse(inputExamples.exportRecoveryPoint), 'one'));
  assert.equal(failure.type, 'Unsupported');
  assert.deepEqual(lab.stubs.called().slice(-2), ['releaseHold', 'discardExport']);
  lab.stubs.answers.writeExport = () => untilCancelled();
  const handle = await lab.start('exportRecoveryPoint', JSON.parse(inputExamples.exportRecoveryPoint), 'two');
  while (lab.stubs.called().filter((name) => name === 'writeExport').length < 2) await handle.describe();
  await handle.cancel();
  const error = await handle.result().then(() => undefined, (thrown: unknown) => thrown);
  assert.ok(error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure, String(error));
  assert.equal(lab.stubs.called().at(-1), 'discardExport');
});

test('what a person mistypes is one final error that names the field', async (t) => {
  const lab = await openLab(t);
  const bad: [string, unknown, RegExp][] = [
    ['importDump', 'demo', /field "path" is missing/],
    ['importDump', { system: 'demo', path: 'shop.archive' }, /field "path" is "shop\.archive".*whole path/],
    ['importDump', { system: 'demo', path: '/e/a', source: 'nope' }, /field "source" is "nope", and demo has documents/],
    ['exportRecoveryPoint', { system: 'demo', path: '/e/a', as: 'tar' }, /field "as" is "tar".*"archive" or "folder"/],
    ['exportRecoveryPoint', { system: 'demo', path: '/e/a', point: 'B1', targetTime: '2026-11-21T03:00:05Z' }, /one at most/],
    ['exportRecoveryPoint', { system: 'demo', path: '/e/a', overwrite: true }, /overwrite/],
  ];
  for (const [type, input, expected] of bad) {
    const failure = await failureOf(await lab.start(type, input));
    assert.deepEqual([failure.type, failure.nonRetryable], ['BadInput', true]);
    assert.match(failure.message, expected);
  }
  assert.deepEqual(new Set(lab.stubs.called()), new Set(['loadSystem', 'recordAct']));
});
