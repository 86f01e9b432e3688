import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import { parseAdmission } from '../../activities/traffic/nginx-config.ts';
import { destroyPrimary } from '../../scripts/stack/primary.ts';
import { startStandby } from '../../scripts/stack/standby.ts';
import { directoryOf, pidFileOf } from '../../scripts/stack/stack-file.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { failureOf } from '../harness/failures.ts';
import { startProtectedStack, type SystemStack } from '../harness/system-stack.ts';
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

test('a standby that dies in mid-switch pauses the run, before and after its first accepted write; started again, the run goes to its end', { timeout: 500_000 }, async (t) => {
  const stack = await startProtectedStack(t);
  // Twice the side stays away, and twice the switch gives it up.
  stack.changeSystem(({ traffic }) => void (traffic.health = { ...traffic.health, within: '20s' }));
  const { killedAt } = await destroyPrimary(stack.file);
  const entry = await stack.start('recoverSystem', { system: 'demo', requestedBy: 'test', incidentAt: killedAt });
  await stack.stepIs('approve-switch', 'waiting', 120_000);
  await stack.runHandle.executeUpdate('approve', { args: [{ by: 'dana' }] });

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
});
