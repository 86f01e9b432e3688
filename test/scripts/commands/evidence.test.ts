import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Command } from 'commander';
import { readAudit } from '../../../activities/audit/read-audit.ts';
import { recordAct } from '../../../activities/audit/record-act.ts';
import { evidenceOfRun, sealEvidence } from '../../../activities/evidence/seal-evidence.ts';
import { writeReport } from '../../../activities/report/write-report.ts';
import { Cli } from '../../../scripts/cli.ts';
import { evidence } from '../../../scripts/commands/evidence.ts';
import { errorTable } from '../../../workflows/domain/errors.ts';
import { storePlace, type StorePlace } from '../../harness/engine-place.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { sampleReport } from '../../activities/report/sample-report.ts';

const report = sampleReport();
const signal = new AbortController().signal;

async function run(...args: string[]): Promise<{ exitCode: number; said: string }> {
  let said = '';
  const stream = { isTTY: false, write: (text: string) => ((said += text), true) };
  const cli = new Cli(new Command('holdfast').exitOverride(), { out: stream, err: stream });
  evidence(cli);
  await cli.program.parseAsync(['evidence', ...args], { from: 'user' });
  return { exitCode: cli.exitCode, said };
}

/** The evidence of one run of a system that names its people. */
async function open(t: TestContext): Promise<StorePlace> {
  const place = await storePlace(t);
  const at = { store: place.context.store, keys: place.context.keys, signal };
  await recordAct(at, { system: 'demo', by: 'ada', act: 'recover', outcome: 'permitted', about: 'recover production', workflow: 'recoverSystem', workflowId: 'w', runId: 'entry' });
  const { evidence: files } = await writeReport(at, { report, directory: tempDir(t) });
  await sealEvidence(at, evidenceOfRun(report), files);
  const systems = join(place.directory, 'systems');
  mkdirSync(systems);
  writeFileSync(join(systems, 'demo.yaml'), JSON.stringify({ ...place.file, system: 'demo', people: { ada: { roles: ['administrator'] }, sara: { roles: ['security'] }, carl: { roles: [] } } }));
  const set = { HOLDFAST_SYSTEMS: systems, ...Object.fromEntries(Object.entries(place.secrets).map(([ref, secret]) => [ref.slice(2, -1), secret])) };
  const before = { ...process.env };
  Object.assign(process.env, set);
  t.after(() => Object.keys(set).forEach((name) => (before[name] === undefined ? delete process.env[name] : (process.env[name] = before[name]))));
  return place;
}

test('evidence get: who may has it, and the audit has them; who may not, and whose record the audit does not take, has nothing', async (t) => {
  const place = await open(t);
  const { store, keys } = place.context;
  const acts = async (): Promise<string[]> => (await readAudit({ store, keys }, 'demo')).entries.slice(2).map(({ by, act, outcome, from, workflow, about }) => `${by} ${act} ${outcome} (${from}, ${workflow}): ${about}`);
  const to = join(place.directory, 'handed-out');
  const get = async (by: string): Promise<{ exitCode: number; said: string }> => await run('get', 'demo', report.runId, '--to', to, '--by', by);

  const refused = await get('carl');
  assert.deepEqual([refused.exitCode, existsSync(to)], [errorTable.NotPermitted.exitCode, false], refused.said);
  assert.match(refused.said, /carl \(no role\) may not read what can be recovered, plans, evidence and archive status/);
  const given = await get('sara');
  assert.deepEqual([given.exitCode, JSON.parse(readFileSync(join(to, 'report.json'), 'utf8')).runId], [0, report.runId], given.said);
  assert.deepEqual([(await run('verify', join(to, 'evidence.json'))).exitCode, (await run('list', 'demo')).exitCode], [0, 0]);
  const [first, ...more] = await acts();
  assert.match(first!, /^carl read refused \(the command line, holdfast evidence get\): carl \(no role\) may not read/);
  assert.deepEqual(more, [`sara read permitted (the command line, holdfast evidence get): evidence of run ${report.runId}, 4 files`], 'what lists and verifies alone leaves no record');

  rmSync(to, { recursive: true });
  const audit = join(place.storePath, 'holdfast', 'demo', 'audit');
  const isNotHandedOut = async (type: 'StoreUnavailable' | 'BadSystemFile'): Promise<void> => {
    const { exitCode, said } = await get('sara');
    assert.deepEqual([exitCode, existsSync(to)], [errorTable[type].exitCode, false], said);
    assert.match(said, /holdfast evidence get: nothing is handed out, since the audit of demo does not take the record of it/);
  };
  await t.test('the store takes no record', async () => {
    renameSync(audit, `${audit}-away`);
    writeFileSync(audit, 'no place for records');
    await isNotHandedOut('StoreUnavailable');
    rmSync(audit);
    renameSync(`${audit}-away`, audit);
  });
  await t.test('this machine has the public keys alone', async () => {
    delete process.env['PRIVATE'];
    // What was opened once is kept as long as its file is what it was.
    const file = join(process.env['HOLDFAST_SYSTEMS']!, 'demo.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"A place for tests"', '"Another place"'));
    await isNotHandedOut('BadSystemFile');
    assert.equal((await run('list', 'demo')).exitCode, 0, 'which is enough to verify');
  });
});
