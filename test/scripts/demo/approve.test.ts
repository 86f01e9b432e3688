import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Printer } from '../../../scripts/output/printer.ts';
import { answerGates } from '../../../scripts/demo/approve.ts';
import { readRun } from '../../../scripts/status/read-run.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import { gateOpen, openLab, until } from '../../workflows/lab.ts';

test('the demo asks at the terminal, and no more once somebody answered in the Temporal UI', { timeout: 60_000 }, async (t) => {
  const lab = await openLab(t);
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  const notes: string[] = [];
  const nothing = (): void => undefined;
  const printer: Printer = { json: false, result: nothing, frame: nothing, endFrames: nothing, note: (line) => void notes.push(line), error: nothing };
  const answering = answerGates(printer, lab.env.client, { ask: true, input: new PassThrough(), signal: AbortSignal.timeout(50_000) })((await readRun(lab.env.client, 'demo'))!);
  await lab.run().executeUpdate('approve', { args: [{ gate: 'approve-switch', by: 'erik' }] });
  await answering;
  assert.deepEqual(notes, ['approval    gate approve-switch was answered elsewhere, as in the Temporal UI']);
  const { state } = (await entry.result()) as RunReport;
  assert.deepEqual(state.gates.flatMap(({ decisions }) => decisions.map(({ by }) => by)), ['erik'], 'nobody else was said to have approved');
});
