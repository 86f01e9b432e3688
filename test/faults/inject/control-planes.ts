import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { claimEpoch } from '../../../activities/store/epoch.ts';
import { findSigned } from '../../../activities/store/signed-object.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { epochSchema } from '../../../workflows/domain/source-records.ts';
import { activitiesOfStep } from '../../../workflows/domain/step-progress.ts';
import { directoryOf } from '../../../scripts/stack/stack-file.ts';
import { source, type Bench } from '../bench.ts';
import { short, type Middle, type Strike } from '../cell.ts';
import { failureOf } from '../../harness/failures.ts';
import { requirePage } from '../read-page.ts';
import { readsNoWork, readsStatus } from '../read-status.ts';
import { until } from '../../harness/until.ts';

const other = 'another control plane';
const person = 'dana';
const named = 'EpochSuperseded';

/** Takes the command from whoever has it. @returns who had it. */
async function takeCommand(bench: Bench, owner: string): Promise<string> {
  const { store, keys } = await bench.stack.source();
  const before = (await bench.stack.keys(layout.epochs('demo'))).sort().at(-1)!;
  const { found } = await findSigned(store, keys, epochSchema, before);
  await claimEpoch(store, keys, 'demo', owner, { why: 'the fault matrix', takeOver: true });
  return found!.body.owner;
}

/** Keys that make something visible: what a person could restore from, or what says where the source lives. */
async function visible(bench: Bench): Promise<string[]> {
  const keys = await bench.stack.keys(`demo/${source}/`);
  return keys.filter((key) => !key.includes('/parts/') && !key.includes('/groups/')).sort();
}

/**
 * Another control plane takes the command. Requests that left before cannot be called back; behind them nothing that the old one does may
 * become visible, and it ends by name.
 */
export const supersede: Strike = async (bench, middle) => {
  const ours = await takeCommand(bench, other);
  if (middle.workflowId === lockIds.recover('demo')) return await supersedeRun(bench, middle);
  const archive = bench.stack.handle(lockIds.archive('demo', source));
  const backup = middle.workflowId === lockIds.backup('demo') ? failureOrResult(bench, middle) : undefined;
  middle.release();
  const ended = await failureOf(archive.result());
  assert.equal(ended.type, named, ended.message);
  const ofBackup = await backup;
  const before = await visible(bench);
  await bench.note('nobody may archive this under the old command');
  const refused = await failureOf((await bench.stack.start('backUpSystem', 'demo')).result());
  assert.equal(refused.type, named, refused.message);
  // Both backups that came to nothing: whoever still relies on the old command has to know.
  for (const _ of ofBackup?.startsWith(named) ? ['under way', 'refused'] : ['refused']) await bench.pages.due('backup-failed', [named]);
  assert.deepEqual(await visible(bench), before, 'nothing became visible');
  // The manifest of a seal was on its way already: then it is there, whole, and the backup may say so.
  if (ofBackup && middle.activity !== 'sealBackup') assert.match(ofBackup, /^EpochSuperseded/);
  await readsNoWork(bench, middle);
  await takeCommand(bench, ours);
  await bench.stack.startArchive();
  return {
    seen: `archive: ${named}: ${short(ended.message)}; a backup: ${named}${ofBackup ? `; the one under way: ${ofBackup.slice(0, 120)}` : ''}`,
    end: middle.activity === 'archiveLog' ? await middle.finish() : 'nothing became visible under the old command; taken back, the archive goes on',
  };
};

async function failureOrResult(bench: Bench, { workflowId }: Middle): Promise<string> {
  try {
    await bench.stack.handle(workflowId).result();
    return 'published, since its manifest was on its way';
  } catch (error) {
    const { type, message } = await failureOf(Promise.reject(error));
    return `${type}: ${short(message)}`;
  }
}

/** The run goes on to the first act that it may not do any more, and no person can make it do that: it is ended, and leaves what it may not undo. */
async function supersedeRun(bench: Bench, middle: Middle): Promise<{ seen: string; end: string }> {
  const { stack } = bench;
  bench.superseded = true;
  const beforeFence = ['restoreGroup', 'replayLog', 'buildIndexes'].includes(middle.activity);
  middle.release();
  const failed = await until('a step that may not go on', async () => {
    const { state } = await stack.run();
    for (const { gate } of state.gates.filter(({ status }) => status === 'open')) await stack.runHandle.executeUpdate('approve', { args: [{ gate, by: person }] });
    const step = state.steps.find((of) => of.state === 'failed');
    if (step) assert.equal(step.error?.type, named, JSON.stringify(step.error));
    return step;
  }, 120_000);
  // It may have gone a step further than the one that it was struck in.
  middle.activity = activitiesOfStep(failed.uses)[0]!;
  await readsStatus(bench, middle, [/failed .*EpochSuperseded/]);
  await bench.pages.due('failed', [failed.id, named]);
  const before = await visible(bench);
  await stack.runHandle.executeUpdate('abort', { args: [{ by: person, reason: 'another control plane has the command' }] });
  const left: string[] = [];
  const ended = failureOf(stack.runHandle.result());
  await until('the run to end', async () => {
    const { state } = await stack.run();
    for (const { id, error } of state.steps.filter((of) => of.state === 'stuck' && !left.includes(of.id))) {
      assert.equal(error?.type, named, `undo of ${id}: ${JSON.stringify(error)}`);
      await bench.pages.due('stuck', [id, named]);
      left.push(id);
      await stack.runHandle.executeUpdate('skip', { args: [{ step: id, by: person, reason: 'the other control plane decides about it' }] });
    }
    return state.status === 'aborted';
  }, 120_000);
  assert.equal((await ended).type, 'Aborted');
  await requirePage(bench, await stack.run(), 'aborted', /^The recovery of Faults in .* was ended: another control plane has the command/);
  assert.deepEqual((await visible(bench)).filter((key) => !before.includes(key)), [], 'nothing became visible');
  // Its mark lies there still, whether its own undo was refused or a step that stands on it was left.
  assert.equal(existsSync(join(directoryOf(stack.file, 'primary'), 'FENCED.json')), !beforeFence, 'what is fenced stays fenced until who has the command frees it; what is not is never fenced');
  if (beforeFence) await bench.note('production takes writes');
  return { seen: `${failed.id}: ${named}: ${short(failed.error!.message)}`, end: `aborted; left to who has the command: ${left.join(', ') || 'everything'}` };
}
