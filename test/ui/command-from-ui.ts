import assert from 'node:assert/strict';
import { linksOf } from '../../scripts/commands/up.ts';
import { destroyPrimary } from '../../scripts/stack/primary.ts';
import { taskQueues } from '../../workflows/contract.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { Owner } from '../harness/cleanup.ts';
import type { SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';
import { unexplained } from '../replay/history.ts';
import { openBrowser } from './browser.ts';
import { TemporalUi } from './temporal-ui.ts';

/**
 * A recovery in the hands of a person who has nothing but the Temporal UI: started from a link of `holdfast up`, read,
 * answered wrongly, refused, answered well, and seen to its end. The stack's archive runs and is up to date.
 */
export async function commandFromUi(owner: Owner, stack: SystemStack): Promise<void> {
  const { page, shoot } = await openBrowser(owner);
  const ui = new TemporalUi(page, stack.file.temporal.uiUrl);
  const links = linksOf(stack.file.temporal.uiUrl, 'demo');
  const link = links.start.find(({ title }) => title === 'recoverSystem')!.url;

  for (const { title, url } of links.start) {
    const { input, ...form } = await ui.fillInStart(url, '{"system": "demo"}');
    assert.deepEqual(form, { workflowType: title, taskQueue: taskQueues.control, workflowId: new URL(url).searchParams.get('workflowId'), canStart: true });
    assert.deepEqual(JSON.parse(input), { system: 'demo' });
  }
  await ui.start(links.start.find(({ title }) => title === 'archiveLog')!.url, '{"system": "demo"}');
  await failureIsShown(ui, /The log of demo\/dictionary is archived already/);

  await ui.start(link.replace('recoverSystem', 'recoverSytem'), '{"system": "demo"}');
  await failureIsShown(ui, /There is no workflow type .*recoverSytem/);
  await ui.start(link, '{"sytem": "demo"}');
  await failureIsShown(ui, /field .*system.* is missing.*unknown field .*sytem/s);
  await shoot('bad-input');

  await destroyPrimary(stack.file);
  await ui.start(link, '{"system": "demo"}', async () => await shoot('start'));
  // A page of something that runs is drawn anew at every event.
  await page.goto('about:blank');
  await stack.stepIs('approve-switch', 'waiting', 120_000);
  for (const { title, url } of links.views) {
    await page.goto(url);
    await page.getByRole('button', { name: title }).waitFor();
    assert.doesNotMatch(await ui.text(), /invalid|error/i, title);
  }
  await page.goto(links.views.find(({ title }) => title === 'approvals pending')!.url);
  await page.getByRole('link', { name: lockIds.recover('demo'), exact: true }).first().waitFor();
  await shoot('approvals-pending');

  await ui.openWorkflow(lockIds.recover('demo'));
  const waiting = await ui.details(/approve-switch/);
  assert.match(waiting, /"gate": "approve-switch", "by": "YOUR NAME"/);
  await shoot('waiting');
  await ui.writeUpdate('approve', '{"gate": "aprove-switch", "by": "dana"}');
  assert.match((await ui.submit()) ?? 'accepted', /There is no gate "aprove-switch"\. Now open: "approve-switch"/);
  await shoot('refused');
  assert.equal(await ui.submit('{"gate": "approve-switch", "by": "dana", "reason": "checked the counts"}'), undefined);

  await page.goto('about:blank');
  const report = (await stack.runHandle.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  await ui.openWorkflow(lockIds.recover('demo'));
  await until('the page says that it is done', async () => (await ui.status()) === 'Completed', 30_000);
  await ui.details(/recovery demo: done/);
  await shoot('done');
  await ui.openTab('Timeline');
  // It draws only what is in sight.
  await page.setViewportSize({ width: 1280, height: 1700 });
  await page.getByRole('button', { name: 'Event fencePrimary: Completed' }).waitFor();
  await shoot('timeline');
  for (const handle of [stack.runHandle, stack.handle('recover/demo/by-hand')]) assert.deepEqual(unexplained(await handle.fetchHistory()), []);
}

/** The page is there before what it asks for: status and result come a moment later. */
async function failureIsShown(ui: TemporalUi, why: RegExp): Promise<void> {
  await until(`a failure that matches ${why.source}`, async () => (await ui.status()) === 'Failed' && why.test(await ui.text()), 30_000);
}
