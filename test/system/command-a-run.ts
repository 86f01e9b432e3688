import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import { startFrontDoor } from '../../scripts/stack/front-door.ts';
import { pidFileOf } from '../../scripts/stack/stack-file.ts';
import type { AuditPage } from '../../workflows/domain/audit.ts';
import type { PointsPage } from '../../workflows/domain/list-points.ts';
import { errorTable } from '../../workflows/domain/errors.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { Finding, RecoveryPlan } from '../../workflows/domain/recovery-plan.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { minutes } from '../../workflows/domain/units.ts';
import type { SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';
import { refuseWhatIsWrong } from './refuse-what-is-wrong.ts';

export interface CommandLine {
  holdfast(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }>;
  /** @returns what was printed; anything but exit code 0 fails the test */
  ok(...args: string[]): Promise<string>;
  json<T>(...args: string[]): Promise<T>;
}

/** Nothing of this name is on any machine. */
const noProgram = 'holdfast-no-such-program';

/** Takes back, in two halves, and waits between them while there is a file `wait`. */
const takesBack = 'echo begun >> "$0/notes"; while [ -e "$0/wait" ]; do sleep 0.1; done; echo ended >> "$0/notes"; echo it is as it was';
const backDirectory = (stack: SystemStack): string => join(stack.home, 'back');

/** A system file with people, and a runbook that waits for them everywhere: it restores nothing, so the commands are all that takes time. */
function commanded(file: SystemFile, directory: string): void {
  file.people = { ada: { roles: ['administrator'] }, dana: { roles: ['dr-team'] }, erik: { roles: ['dr-team'] }, olaf: { roles: ['operator'] } };
  file.commands = { missing: { run: { argv: [noProgram] } }, back: { run: { argv: ['/bin/sh', '-c', takesBack, directory] } } };
  file.approvals = { ...file.approvals, 'approve-look': { description: 'Is it what it was?', quorum: 1, people: ['dana', 'erik'] } };
  file.runbooks = {
    ...file.runbooks,
    commanded: {
      steps: [
        { id: 'declare', uses: 'declare', undo: { command: 'back', inDrills: true } },
        { id: 'call', uses: 'command', needs: ['declare'], with: { command: 'missing', inDrills: true } },
        { id: 'find', uses: 'find-recovery-point', needs: ['declare'] },
        { id: 'look', uses: 'manual', needs: ['call', 'find'], budget: '5m', with: { items: [{ id: 'disk', do: 'look at the disk' }, { id: 'counts', do: 'look at the counts' }] } },
        { id: 'approve-look', uses: 'approval', needs: ['look'] },
      ],
    },
    instead: { steps: [{ id: 'tell', uses: 'manual', with: { items: [{ id: 'all', do: 'tell all' }] } }] },
  };
}

type Wanted = (state: RunState) => boolean;
interface Sent {
  args: string[];
  /** what the run is before it is sent, and after it */
  from: Wanted;
  to: Wanted;
  /** what happens while it is obeyed */
  meanwhile?: () => Promise<void>;
  /** what else says so by then */
  also?: (line: CommandLine) => Promise<void>;
}

const step = (id: string, is: string): Wanted => ({ steps }) => steps.some((one) => one.id === id && one.state === is);
const anything: Wanted = () => true;
const said = (what: string): Wanted => ({ journal }) => journal.some((line) => line.what === what && line.by === 'dana');

/** Each command that the other subtests do not send, in the order in which one run takes them. */
const sent = (stack: SystemStack, base: string): Record<string, Sent> => ({
  skip: { args: ['skip', 'demo', '--step', 'call', '--reason', 'nobody has that program'], from: step('call', 'failed'), to: ({ steps }) => steps.some(({ id, state, skippedBy }) => id === 'call' && state === 'skipped' && skippedBy === 'dana') },
  hold: { args: ['hold', 'demo', '--reason', 'the vendor looks'], from: step('look', 'waiting'), to: ({ held }) => held?.by === 'dana' },
  resume: { args: ['resume', 'demo'], from: anything, to: ({ held }) => held === null },
  comment: { args: ['comment', 'demo', 'the disk is lost'], from: anything, to: said('comment: the disk is lost') },
  extend: { args: ['extend', 'demo', '--step', 'look', '--budget', '25m', '--reason', 'it is a large disk'], from: anything, to: ({ steps }) => steps.some(({ id, budgetMs }) => id === 'look' && budgetMs === minutes(25)) },
  severity: { args: ['severity', 'demo', 'P2'], from: anything, to: ({ severity }) => severity === 'P2' },
  delegate: { args: ['delegate', 'demo', '--gate', 'approve-look', '--to', 'olaf', '--for', '2h'], from: anything, to: ({ gates }) => gates.some(({ gate, delegations = [] }) => gate === 'approve-look' && delegations.some(({ from, to }) => from === 'dana' && to === 'olaf')), also: async ({ ok }) => assert.match(await ok('access', 'report', 'demo'), /^elevations: none in force\nhanded on: dana’s right at gate approve-look, to olaf until \S+Z \(claimed\)$/m) },
  choose: { args: ['choose', 'demo', '--point', base, '--reason', 'corrupt since then'], from: anything, to: ({ target }) => target?.point === base },
  confirm: { args: ['confirm', 'demo', '--item', 'disk'], from: step('look', 'waiting'), to: ({ steps }) => steps.some(({ items = [] }) => items.some(({ id, by }) => id === 'disk' && by === 'dana')) },
  escalate: { args: ['escalate', 'demo', 'instead', '--reason', 'more than the disk is broken'], from: anything, to: ({ runbook, escalations = [] }) => runbook === 'instead' && escalations.some(({ from, by }) => from === 'commanded' && by === 'dana'), meanwhile: async () => await killInUndo(stack) },
});

/** The worker dies in the program that takes back what `declare` did: the next one runs it again, whole, and says so. */
async function killInUndo(stack: SystemStack): Promise<void> {
  const directory = backDirectory(stack);
  const notes = (): string => readFileSync(join(directory, 'notes'), 'utf8');
  await until('the program is in its middle', () => notes() === 'begun\n');
  await stack.killWorker();
  await until('the program ends with its worker', () => !stack.running().some(({ argv }) => argv.includes(directory)));
  await stack.startWorker();
  await until('the next worker runs it from its beginning', () => notes() === 'begun\nbegun\n');
  rmSync(join(directory, 'wait'));
  await stack.runIs('it is undone, and at which try', ({ state: { journal } }) => journal.some(({ about, what }) => about === 'declare' && /^undone: (.*; )?sh ended well at try 2, run again from its beginning; it said: it is as it was$/.test(what)));
  assert.equal(notes(), 'begun\nbegun\nended\n', 'once to its end');
}

/** While `use` runs, the stack's system file has what `commanded` adds; the next start of anything reads it. */
export async function withCommanded(stack: SystemStack, use: () => Promise<void>): Promise<void> {
  const path = join(stack.home, 'systems', 'demo.yaml');
  const shipped = readFileSync(path, 'utf8');
  const directory = backDirectory(stack);
  mkdirSync(directory);
  writeFileSync(join(directory, 'wait'), '');
  stack.changeSystem((file) => commanded(file, directory));
  try {
    await use();
  } finally {
    writeFileSync(path, shipped);
  }
}

/** What `plan` says on a machine that lacks a program, of a front door that is down, and by what earlier runs took. Drills have ended before. */
export async function planWhatFails(stack: SystemStack, { holdfast, json }: CommandLine): Promise<void> {
  const well = await json<RecoveryPlan>('plan', 'demo');
  assert.deepEqual(failing(well), [], 'it is of a runbook that does not run it');
  assert.match(well.forecastBasis ?? '', / left along .*restore.* \(\d+ by earlier runs/);
  assert.ok(well.forecastMs! > 0 && well.forecastMs! < well.runbook.criticalMs, `${well.forecastMs}: earlier runs took less than their budgets`);

  const missing = await holdfast('plan', 'demo', '--runbook', 'commanded', '--json');
  assert.equal(missing.exitCode, errorTable.ToolMissing.exitCode, missing.stdout + missing.stderr);
  const [found, ...more] = failing(JSON.parse(missing.stdout) as RecoveryPlan);
  assert.deepEqual([found?.type, found?.message.includes(noProgram), more], ['ToolMissing', true, []]);

  await stopByPidFile(pidFileOf(stack.file, 'frontDoor'));
  const down = await holdfast('plan', 'demo', '--json');
  await startFrontDoor(stack.file, { tiedToUs: true });
  assert.deepEqual(failing(JSON.parse(down.stdout) as RecoveryPlan).map(({ type, message }) => [type, message]), [['TargetUnavailable', `nothing answers at 127.0.0.1:${stack.file.frontDoor.port}, where clients call: traffic could not be switched`]]);
  assert.equal(down.exitCode, errorTable.TargetUnavailable.exitCode);
}

const failing = ({ findings }: RecoveryPlan): Finding[] => findings.filter(({ effect }) => effect === 'fails');

/** One run, whose people command it by the command line alone. It ends well, and the audit has what each of them said. */
export async function commandARun(t: TestContext, stack: SystemStack, line: CommandLine): Promise<void> {
  const { ok, json } = line;
  const entry = await stack.start('recoverSystem', { system: 'demo', purpose: 'drill', runbook: 'commanded', requestedBy: 'ada' });
  const { sources } = await json<{ sources: PointsPage[] }>('points', 'demo');
  const table = sent(stack, sources[0]!.windows[0]!.base.backup);
  for (const [name, { args, from, to, meanwhile, also }] of Object.entries(table)) {
    if (name === 'hold') await t.test('what is wrong in a message is said, and nothing comes of it: each as the UI sends it', async () => {
      await stack.stepIs('look', 'waiting');
      await refuseWhatIsWrong(stack);
    });
    await t.test(`holdfast ${name}`, async () => {
      const before = await stack.runIs(`${name} can be sent`, ({ state }) => from(state));
      assert.ok(!to(before.state), 'it is not so already');
      assert.match(await ok(...args, '--by', 'dana'), new RegExp(`^${name}: accepted, by dana \\(claimed\\)$`, 'm'));
      await meanwhile?.();
      await stack.runIs(`${name} is obeyed`, ({ state }) => to(state));
      await also?.(line);
    });
  }
  await stack.stepIs('tell', 'waiting');
  await ok('confirm', 'demo', '--by', 'dana');
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  const { entries } = await json<AuditPage>('audit', 'list', 'demo', '--by', 'dana');
  const { runId: execution } = await stack.runHandle.describe();
  const run = entries.filter(({ workflowId, runId }) => workflowId === lockIds.recover('demo') && runId === execution);
  assert.deepEqual(run.filter(({ outcome }) => outcome === 'permitted').map(({ act, outcome }) => `${act} ${outcome}`), [...Object.keys(table).filter((name) => name !== 'comment'), 'confirm'].map((act) => `${act} permitted`));
}
