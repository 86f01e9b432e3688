import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { writeIncident } from '../../activities/report/write-incident.ts';
import { readJournalPages, writeJournalPage } from '../../activities/report/journal-pages.ts';
import { writeReport } from '../../activities/report/write-report.ts';
import { openLocalStore } from '../../activities/store/local.ts';
import type { Store } from '../../activities/store/store.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { IncidentState } from '../../workflows/domain/incident.ts';
import { journalPageLines, journalStateLines, type JournalLine, type JournalPage } from '../../workflows/domain/journal.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { kib } from '../../workflows/domain/units.ts';
import { incidentsSchema, toIncidentsView } from '../../workflows/domain/incident-schema.ts';
import { newKeys } from '../harness/keys.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { until as eventually } from '../harness/until.ts';
import { gateOpen, openLab, openRealLab, stateOf, until, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

const signal = new AbortController().signal;
const keys = await newKeys();

/** Workflows on stubs, but for what writes journals, reports and records: that is real, in a local store. */
async function openWorld(t: TestContext, open: typeof openLab = openLab): Promise<{ lab: Lab; store: Store; directory: string }> {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const directory = tempDir(t);
  const lab = await open(t, {
    loadSystem: () => Promise.resolve({ ...view, incidents: toIncidentsView(incidentsSchema.parse({})) }),
    writeJournalPage: (page) => writeJournalPage({ store, signal }, page),
    writeReport: ({ report }) => writeReport({ store, keys, signal }, { report, directory }),
    writeIncident: ({ record }) => writeIncident({ store, signal }, { record, directory }),
  });
  return { lab, store, directory };
}

const say = async (handle: WorkflowHandle, name: string, from: number, to: number): Promise<void> => {
  for (let n = from; n < to; n += 250) await Promise.all(Array.from({ length: Math.min(250, to - n) }, (_, index) => handle.signal(name, { text: `line ${n + index}`, by: 'dana' })));
};
const pageOf = (handle: WorkflowHandle, page?: number): Promise<JournalPage> => (page === undefined ? handle.query<JournalPage>('journal') : handle.query<JournalPage, [object]>('journal', { page }));
/** The numbers that were said, in order of the journal. */
const saidIn = (lines: readonly JournalLine[]): number[] => lines.flatMap(({ what }) => /^(?:comment: )?line (\d+)$/.exec(what)?.[1] ?? []).map(Number);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);

/** Enough for the bounds to mean something. A journal of `journalRunLines` takes no more. */
const comments = Number(process.env['HOLDFAST_JOURNAL_LINES'] ?? 1_200);

test('a run of very many comments keeps a small state and a bounded history; every line can be asked for, and is in its report', { timeout: comments * 60 + 60_000 }, async (t) => {
  const { lab, store, directory } = await openWorld(t, openRealLab);
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  const before = await lab.run().describe();
  await say(lab.run(), 'comment', 0, comments);
  await eventually('its pages are written', async () => ((await pageOf(lab.run())).pages >= comments / journalPageLines ? true : undefined), comments * 60);
  const state = await stateOf(lab.run());
  assert.ok(state.journal.length < journalStateLines, `${state.journal.length} lines in the state`);
  assert.ok(JSON.stringify(state).length < 64_000);
  const { pages } = await pageOf(lab.run());
  const asked: JournalLine[] = [];
  for (let page = 1; page <= pages; page += 1) asked.push(...(await pageOf(lab.run(), page)).lines!);
  assert.deepEqual(sorted(saidIn(asked)), upTo(comments), 'each once');
  assert.deepEqual([...asked].sort((a, b) => a.at.localeCompare(b.at)).map(({ at }) => at), asked.map(({ at }) => at), 'in order');
  const wrong = await pageOf(lab.run(), pages + 1).catch((error: unknown) => String(error));
  assert.match(wrong as string, /expected a number from 1 to/);
  const after = await lab.run().describe();
  const events = Number(after.historyLength) - Number(before.historyLength);
  const bytes = Number(after.raw.workflowExecutionInfo?.historySizeBytes) - Number(before.raw.workflowExecutionInfo?.historySizeBytes);
  t.diagnostic(`${comments} comments: ${events} events, ${Math.round(bytes / 1024)} KiB of history`);
  // A comment alone is a signal and, at worst, a task of its own; what is kept of it adds a few events for each hundred.
  assert.ok(events < comments * 4 + pages * 8, `${events} events`);
  assert.ok(bytes < comments * kib(1), `${bytes} bytes`);
  await lab.run().signal('approve', { by: 'erik' });
  const returned = (await entry.result()) as RunReport;
  assert.ok(returned.state.journal.length < journalStateLines);
  const { paths } = await writeReport({ store, keys, signal }, { report: returned, directory });
  const written = JSON.parse(readFileSync(paths.json, 'utf8')) as RunReport;
  assert.deepEqual(written.state.journal.slice(0, asked.length), asked);
  assert.equal(written.state.journalPages, undefined);
  const page = readFileSync(paths.html, 'utf8');
  for (const n of [0, comments / 2, comments - 1]) assert.ok(page.includes(`comment: line ${n} <span`), `line ${n} stands in the page`);
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('a store that is away, or whose answer is lost, costs no line and no line is there twice; a page that is gone is said', { timeout: 120_000 }, async (t) => {
  const { lab, store, directory } = await openWorld(t);
  const { writeJournalPage: write } = lab.stubs.answers;
  let away = 4;
  lab.stubs.answers.writeJournalPage = async (page) => {
    // Half of them after it was written.
    if (away % 2 === 0) await write(page);
    if (away > 0) {
      away -= 1;
      throw new HoldfastError('StoreUnavailable', 'the store does not answer');
    }
    await write(page);
  };
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await say(lab.run(), 'comment', 0, 450);
  await until(lab.run(), ({ warnings }) => warnings.some((warning) => warning.includes('StoreUnavailable')));
  assert.equal((await pageOf(lab.run())).pages, 1);
  await lab.env.sleep('2m');
  const state = await until(lab.run(), ({ journalPages }) => (journalPages ?? 0) >= 3);
  assert.equal(state.warnings.filter((warning) => warning.includes('journal')).length, 1, 'said once');
  await lab.run().signal('approve', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  const { lines, missing } = await readJournalPages({ store, signal }, 'demo', { in: 'runs', id: report.runId });
  assert.deepEqual(missing, []);
  assert.deepEqual(sorted(saidIn([...lines, ...report.state.journal])), upTo(450));
  const { paths } = await writeReport({ store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }), keys, signal }, { report, directory });
  assert.match(readFileSync(paths.html, 'utf8'), /lines 1 to 100 of the journal could not be read from the store/);
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('an incident that continues as new takes on a bounded input, and its record holds every line', { timeout: 120_000 }, async (t) => {
  const { lab, store } = await openWorld(t);
  await lab.start('openIncident', { system: 'demo', summary: 'documents cannot be saved', requestedBy: 'dana' });
  const incident = lab.env.client.workflow.getHandle('incident/demo');
  await eventually('it is open', async () => await pageOf(incident).catch(() => undefined));
  const { runId } = await incident.describe();
  await say(incident, 'update', 0, 700);
  await eventually('every line is kept', async () => ((await pageOf(incident)).pages >= 700 / journalPageLines && (await incident.describe()).runId !== runId ? true : undefined), 60_000);
  const { events } = await incident.fetchHistory();
  const input = events![0]!.workflowExecutionStartedEventAttributes!.input!.payloads![0]!.data!;
  assert.ok(input.length < 64_000, `${input.length} bytes go on into the new history`);
  const first = await pageOf(incident, 1);
  assert.equal(first.lines, null, 'of the history before: only the store has it');
  assert.match(first.object!, /^demo\/incidents\/.*\/journal\/00000001\.json$/);
  await incident.executeUpdate('resolve', { args: [{ text: 'over', by: 'dana' }] });
  await incident.signal('review', { cause: 'a worn disk', by: 'dana' });
  const { state } = (await incident.result()) as { state: IncidentState };
  const { lines } = await readJournalPages({ store, signal }, 'demo', { in: 'incidents', id: state.id }, { to: state.journalPages! });
  assert.deepEqual(sorted(saidIn([...lines, ...state.journal])), upTo(700));
});
