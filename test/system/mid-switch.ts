import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import { parseAdmission } from '../../activities/traffic/nginx-config.ts';
import { destroyPrimary } from '../../scripts/stack/primary.ts';
import { startStandby } from '../../scripts/stack/standby.ts';
import { directoryOf, pidFileOf } from '../../scripts/stack/stack-file.ts';
import type { DryRunReport } from '../../workflows/domain/recovery-plan.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { failureOf } from '../harness/failures.ts';
import type { SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';

const step = 'switch-traffic';

/** So many are let in by the switch's own file, and the health of those is watched. */
async function admitted(stack: SystemStack, percent: number): Promise<void> {
  const file = join(directoryOf(stack.file, 'frontDoor'), 'admission.conf');
  await stack.runIs(`${percent} % is let in and watched`, ({ activities }) => {
    const state = parseAdmission(readFileSync(file, 'utf8'));
    return state?.environment === 'dr' && state.percent === percent && activities.some(({ activity }) => activity === 'watchHealth');
  }, 120_000);
}

/** All that a dry run must leave alone: the bucket but for the audit and what the archive writes by itself, the target's directory, the front door but for its log, and what is open in Temporal. */
async function everything(stack: SystemStack): Promise<Record<string, string[]>> {
  const files = (part: 'standby' | 'frontDoor' | 'primary'): string[] =>
    globSync('**/*', { cwd: directoryOf(stack.file, part) })
      .filter((name) => !/\.log$/.test(name))
      .sort()
      .map((name) => {
        const of = statSync(join(directoryOf(stack.file, part), name));
        return of.isDirectory() ? `${name}/` : `${name} ${of.size} ${of.mtimeMs}`;
      });
  const { store } = await stack.source();
  const bucket: string[] = [];
  for await (const { key, versionId } of store.list('demo/')) if (!/^demo\/audit\/|\/(slices|heads|gaps)\/|\/t\d{8}\/keys\//.test(key)) bucket.push(`${key} ${versionId}`);
  return { bucket, target: files('standby'), frontDoor: files('frontDoor'), source: files('primary'), open: await stack.open() };
}

/** Of a protected stack: the run is paused, before and after its first accepted write; with the standby started again it goes to its end. */
export async function dieInMidSwitch(t: TestContext, stack: SystemStack): Promise<void> {
  // Twice the side stays away, and twice the switch gives it up.
  stack.changeSystem(({ traffic }) => void (traffic.health = { ...traffic.health, within: '20s' }));
  const { killedAt } = await destroyPrimary(stack.file);
  const stamps = join(stack.home, 'stamps');
  stack.changeSystem((file) => {
    file.commands = { stamp: { run: { argv: ['/bin/sh', '-c', `echo as-it-began >> ${stamps}`] } } };
    file.runbook.steps.push({ id: 'stamp', uses: 'command', needs: ['approve-switch'], with: { command: 'stamp' } });
  });

  await t.test('a dry run leaves bucket, target, source, front door and Temporal as they were', async () => {
    // What the archive of the lost primary had under way is in the bucket by now.
    const before = await everything(stack);
    assert.ok(before['bucket']!.length > 10 && before['frontDoor']!.some((name) => name.startsWith('admission.conf ')) && before['source']!.length > 0);
    const dry = (await (await stack.start('recoverSystem', { system: 'demo', dryRun: true, requestedBy: 'test' })).result()) as DryRunReport;
    assert.ok(dry.checked.length >= 2, dry.checked.join('; '));
    assert.deepEqual(await everything(stack), before);
  });

  const entry = await stack.start('recoverSystem', { system: 'demo', requestedBy: 'test', incidentAt: killedAt });
  await stack.stepIs('approve-switch', 'waiting', 120_000);

  await t.test('steps and a program that change in the file behind the open gate change nothing of the run, on a worker that has never seen the file as it began, either', async () => {
    const began = readFileSync(join(stack.home, 'systems', 'demo.yaml'), 'utf8');
    stack.changeSystem((file) => {
      file.commands = { stamp: { run: { argv: ['/bin/sh', '-c', `echo as-it-was-changed >> ${stamps}`] } } };
      (file.approvals ??= {})['approve-again'] = { description: 'Once more', quorum: 1 };
      file.runbook.steps = [
        ...file.runbook.steps.filter(({ id }) => id !== 'stamp').map((step) => (step.id === 'fence-primary' ? { ...step, needs: ['approve-again'] } : step)),
        { id: 'approve-again', uses: 'approval', needs: ['approve-switch'] },
      ];
      file.validators = [];
    });
    await stack.killWorker();
    await stack.startWorker();
    await stack.runHandle.executeUpdate('approve', { args: [{ by: 'dana' }] });
    await stack.stepIs('stamp', 'done', 60_000);
    const { state } = await stack.stepIs('fence-primary', 'done', 60_000);
    assert.equal(readFileSync(stamps, 'utf8'), 'as-it-began\n');
    assert.equal(state.systemFile, createHash('sha256').update(began).digest('hex'));
    assert.ok((await stack.keys(`demo/system-files/${state.systemFile}`)).length === 1);
  });

  await t.test('killed between admission and health: paused, and says what was seen', async () => {
    await admitted(stack, 25);
    await stopByPidFile(pidFileOf(stack.file, 'standby'), 'SIGKILL');
    const { state } = await stack.stepIs(step, 'failed', 120_000);
    assert.equal(state.status, 'paused');
    assert.equal(state.servedAt, null, 'nobody was told that service is back');
    const { error } = state.steps.find(({ id }) => id === step)!;
    assert.equal(error?.type, 'ValidationFailed');
    assert.match(error!.message, /dr was not healthy for 3.0s on end within 20s; last seen: 503 from dr/);
    await startStandby(stack.file, { tiedToUs: true });
    await stack.runHandle.executeUpdate('retry', { args: [{ step, by: 'dana' }] });
  });

  await t.test('health that fails after the first accepted write: no way back, and it says why and what is left', async () => {
    const written = await until('a write goes through', async () => {
      const answer = await fetch(`${stack.file.frontDoor.url}/ops`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify([{ change: 'insert', key: `first-${Date.now()}`, rev: 1 }]) });
      return answer.status === 200 && answer.headers.get('x-holdfast-side') === 'dr';
    }, 30_000, 20);
    assert.ok(written);
    await admitted(stack, 100);
    await stopByPidFile(pidFileOf(stack.file, 'standby'), 'SIGKILL');
    const { state } = await stack.stepIs(step, 'failed', 120_000);
    assert.equal(state.status, 'paused');
    const refused = await failureOf(stack.runHandle.executeUpdate('abort', { args: [{ by: 'dana' }] }));
    assert.match(refused.message, /cannot be turned back: the new side accepted a write at .*Let it finish, then fail back/);
    await startStandby(stack.file, { tiedToUs: true });
    await stack.runHandle.executeUpdate('retry', { args: [{ step, by: 'dana' }] });
    const report = (await entry.result()) as RunReport;
    assert.equal(report.outcome, 'done');
    assert.notEqual(report.state.servedAt, null);
  });
}
