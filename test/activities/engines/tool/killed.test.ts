import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SourceContext } from '../../../../activities/context.ts';
import { runJob } from '../../../../activities/data-plane/run-job.ts';
import { toolEngine } from '../../../../activities/engines/tool/index.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { listRecoveryPoints } from '../../../../activities/store/list-recovery-points.ts';
import { groupLives } from '../../../../activities/tool/process-group.ts';
import type { DumpPlanRef, GroupRef } from '../../../../workflows/contract.ts';
import { layout } from '../../../../workflows/domain/layout.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import { backUpByTool, planInput, privateDirectoriesWith, sh, tar, toolPlace, toolPoint, toolRef, toolTarget, type ToolPlace } from '../../../harness/tool-place.ts';
import { until } from '../../../harness/until.ts';

const secret = 'a-secret-that-a-kill-must-not-leave';

interface Attempt {
  pid: number;
  done: Promise<unknown>;
  said: string[];
  logged: string[];
  peakRss: () => number;
}

/** One job in a process of its own, as the worker runs it. */
async function attempt(job: string, input: unknown, signal = new AbortController().signal): Promise<Attempt> {
  const said: string[] = [];
  const logged: string[] = [];
  let peakRssBytes = 0;
  return await new Promise((resolve) => {
    const done = runJob(job, input, {
      signal,
      progress: ({ phase }) => void said.push(phase),
      log: (_, message) => void logged.push(message),
      onPeakRss: (bytes) => void (peakRssBytes = bytes),
      onStart: (pid) => setImmediate(() => resolve({ pid, done, said, logged, peakRss: () => peakRssBytes })),
    });
    done.catch(() => undefined);
  });
}

/** A source of 40 MB, a dump and a restore that each stop in the middle until `go` is there, and note who they are. */
function slowPlace(t: TestContext): ToolPlace & { content: Buffer; pidOf(what: string): number; go(): void } {
  const place = toolPlace(t);
  const login = { files: { login: place.secret('password', secret) } };
  const wait = 'while [ ! -e "$2/go" ]; do sleep 0.05; done';
  const content = randomBytes(40_000_000);
  writeFileSync(join(place.sourcePath, 'large'), content);
  place.use({
    uses: 'command',
    dump: { ...sh(`echo $$ > "$2/dump"; test -r "$3" || exit 9; head -c 35000000 "$1"; ${wait}; tail -c +35000001 "$1"`, '{{uri}}/large', place.directory, '{{file:login}}'), ...login },
    restore: { ...sh(`echo $$ > "$2/restore"; test -r "$3" || exit 9; head -c 20000000 > "$1"; ${wait}; cat >> "$1"`, '{{uri}}', place.directory, '{{file:login}}'), ...login },
  });
  return { ...place, content, pidOf: (what) => Number(readFileSync(join(place.directory, what), 'utf8')), go: () => writeFileSync(join(place.directory, 'go'), '') };
}

async function storedParts({ store }: SourceContext, plan: DumpPlanRef): Promise<number> {
  let count = 0;
  for await (const _ of store.list(layout.allParts({ ...toolRef, ...plan }))) count += 1;
  return count;
}

/** Kills it, and waits until neither its program nor its private files are there any more. */
async function killHard({ pid, done }: Attempt, programPid: number): Promise<void> {
  assert.equal(privateDirectoriesWith(secret).length, 1, 'the program’s files are there while it runs');
  assert.ok(groupLives(programPid));
  process.kill(pid, 'SIGKILL');
  await assert.rejects(done, { type: 'DataPlaneLost' });
  await until('the program’s whole group ends with its data plane', () => !groupLives(programPid), 30_000);
  await until('its private files go with it', () => privateDirectoriesWith(secret).length === 0, 30_000);
}

test('dump and restore whose data plane is killed start over whole, leave no process and no private file, and come out right', async (t) => {
  const place = slowPlace(t);
  const context = await place.open();
  const plan = await toolEngine.planDump(context, planInput('b1'));
  const dump = { ...toolRef, plan, epoch: 1, group: plan.groups[0]!.group };
  const firstDump = await attempt('dumpGroup', dump);
  await until('two parts are stored', async () => (await storedParts(context, plan)) >= 2);
  await killHard(firstDump, place.pidOf('dump'));
  assert.equal((await listRecoveryPoints(context, { limit: 10 })).totals.windows, 0);
  place.go();
  const secondDump = await attempt('dumpGroup', dump);
  const group = (await secondDump.done) as GroupRef;
  assert.equal(group.plainBytes, place.content.length);
  assert.match(secondDump.logged.join('\n'), /dump of tools\/files by sh starts again from the beginning: a program’s stream cannot be resumed/);
  assert.ok(secondDump.said.some((phase) => phase.includes('starts again from the beginning')), secondDump.said.join(' | '));
  const summary = await toolEngine.sealBackup(context, { ...toolRef, plan, epoch: 1, groups: [group] });
  assert.equal(await storedParts(context, plan), summary.parts + 2, 'what the first attempt left is named by nobody');

  rmSync(join(place.directory, 'go'));
  await (await openProvisioner(context)).provision(context, toolTarget);
  const point = toolPoint(summary);
  const { groups } = await toolEngine.prepareRestore(context, { target: toolTarget, point });
  const restore = { target: toolTarget, point, group: groups[0]! };
  const firstRestore = await attempt('restoreGroup', restore);
  await until('the restore program has half of it', () => readFileSync(place.targetPath).length === 20_000_000);
  await killHard(firstRestore, place.pidOf('restore'));
  assert.equal(readFileSync(place.targetPath).length, 20_000_000, 'our death is not taken for the end of the data');
  place.go();
  const secondRestore = await attempt('restoreGroup', restore);
  await secondRestore.done;
  assert.match(secondRestore.logged.join('\n'), /restore of tools\/files by sh starts again from the beginning/);
  assert.ok(readFileSync(place.targetPath).equals(place.content));
  writeFileSync(place.targetPath, 'touched');
  await (await attempt('restoreGroup', restore)).done;
  assert.equal(readFileSync(place.targetPath, 'utf8'), 'touched', 'what was done is not done again');
});

test('an aborted dump ends its program and removes its files before it says so', async (t) => {
  const place = slowPlace(t);
  const abort = new AbortController();
  const context = await place.open(abort.signal);
  const plan = await toolEngine.planDump(context, planInput('b1'));
  const dump = toolEngine.dumpGroup(context, { ...toolRef, plan, epoch: 1, group: plan.groups[0]!.group });
  const rejected = assert.rejects(dump, /called off/);
  await until('two parts are stored', async () => (await storedParts(context, plan)) >= 2);
  abort.abort(new Error('called off'));
  await rejected;
  assert.equal(groupLives(place.pidOf('dump')), false);
  assert.deepEqual(privateDirectoriesWith(secret), []);
});

test('a restore program that does not hear TERM is gone with its aborted data plane, and took nothing for the end of its input', async (t) => {
  const place = slowPlace(t);
  const script = 'trap "" TERM; echo $$ > "$2/restore"; head -c 1000000 > "$1"; while [ ! -e "$2/go" ]; do sleep 0.05; done; cat >> "$1"; echo finished > "$2/finished"';
  place.use({ uses: 'command', dump: sh('head -c 40000000 /dev/zero'), restore: sh(script, '{{uri}}', place.directory) });
  const context = await place.open();
  const summary = await backUpByTool(context, 'b1');
  await (await openProvisioner(context)).provision(context, toolTarget);
  const point = toolPoint(summary);
  const { groups } = await toolEngine.prepareRestore(context, { target: toolTarget, point });
  const abort = new AbortController();
  const restore = await attempt('restoreGroup', { target: toolTarget, point, group: groups[0]! }, abort.signal);
  await until('the restore program has some of it', () => existsSync(place.targetPath) && readFileSync(place.targetPath).length === 1_000_000);
  abort.abort(new Error('called off'));
  await assert.rejects(restore.done, /called off/);
  assert.equal(groupLives(place.pidOf('restore')), false);
  assert.equal(existsSync(join(place.directory, 'finished')), false);
});

test('a stream of 300 MB goes through in bounded memory, both ways', async (t) => {
  const size = 300_000_000;
  const place = toolPlace(t, { ...tar, dump: sh('head -c "$1" /dev/urandom', String(size)), restore: sh('wc -c > "$1"', '{{uri}}') });
  const context = await place.open();
  const plan: DumpPlanRef = await toolEngine.planDump(context, planInput('b1'));
  const dump = await attempt('dumpGroup', { ...toolRef, plan, epoch: 1, group: plan.groups[0]!.group });
  const group = (await dump.done) as GroupRef;
  assert.equal(group.plainBytes, size);
  const summary = await toolEngine.sealBackup(context, { ...toolRef, plan, epoch: 1, groups: [group] });
  await (await openProvisioner(context)).provision(context, toolTarget);
  const point = toolPoint(summary);
  const { groups } = await toolEngine.prepareRestore(context, { target: toolTarget, point });
  const restore = await attempt('restoreGroup', { target: toolTarget, point, group: groups[0]! });
  await restore.done;
  assert.equal(Number(readFileSync(place.targetPath, 'utf8')), size);
  for (const [what, { peakRss }] of [['dump', dump], ['restore', restore]] as const) {
    t.diagnostic(`${what}: at most ${Math.round(peakRss() / mib(1))} MiB of memory`);
    assert.ok(peakRss() > 0 && peakRss() < mib(512), `${what} took ${peakRss()} bytes`);
  }
});
