import { patched } from '@temporalio/workflow';
import { HoldfastError } from '../domain/errors.ts';
import { lockIds } from '../domain/names.ts';
import { minutes, seconds } from '../domain/units.ts';
import { watchSignals } from '../domain/watch.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf, type StepContext } from './step.ts';

/** A report of diverged writes may be on its way, and takes as long as it takes to read a log. */
const watchEndsWithinMs = minutes(10);

/** It watches the very place that the target is about to be made at, and would fence it. */
async function endWatch(ctx: StepContext, source: string): Promise<string[]> {
  const id = lockIds.watch(ctx.view.system, source);
  let ended: string[] = [];
  for (let waitedMs = 0; await ctx.signalOther(id, watchSignals.stop.name); waitedMs += seconds(2)) {
    if (waitedMs >= watchEndsWithinMs) throw new HoldfastError('AlreadyRunning', `${id} watches the place that ${source} is to be restored to, and does not end`, { hint: 'terminate it, then retry' });
    ended = [`${id} has ended`];
    await ctx.sleep(seconds(2), 'the watch on the old side ends');
  }
  return ended;
}

/** A drill or a partial restore is no reason to end a watch, nor to move what may still be wanted. */
const moves = ({ purpose, only }: StepContext, left: string): boolean => left === 'move-aside' && purpose === 'recovery' && !only;

/** What would be refused is refused while the watch still looks after the old side. */
async function makeRoom(ctx: StepContext, source: string): Promise<string[]> {
  const target = targetOf(ctx, source);
  // In place a watch is on another side, and goes on.
  if (!ctx.view.inPlace && patched('target-checked-first')) await ctx.call('checkTarget', { ...target, movesAside: true }, `look whether a target of ${source} could be made`);
  const ended = ctx.view.inPlace ? [] : await endWatch(ctx, source);
  return [...ended, (await ctx.call('makeRoom', target, `make room for the target of ${source}`)).summary];
}

/** Killed anywhere: a watch that has ended stays so, what is aside is found there, a target that is half made is completed. */
export const provision = defineStep('provision', {
  about: 'makes an empty restore target for every source',
  async run(ctx, { left }) {
    const made = await forEachSource(ctx, async (source) => {
      const before = moves(ctx, left) ? await makeRoom(ctx, source) : [];
      return [...before, (await ctx.call('provisionTarget', targetOf(ctx, source), `make the target of ${source}`)).summary];
    });
    return { summary: made.flat().join('; ') };
  },
  renews: true,
  async undo(ctx, { left }) {
    const removed = await forEachSource(ctx, async (source) => {
      const target = await ctx.call('removeTarget', { ...targetOf(ctx, source), ...(ctx.purpose === 'drill' && !ctx.only ? { discard: true } : {}) }, `remove the target of ${source}`);
      if (!moves(ctx, left)) return [target];
      return [target, await ctx.call('giveRoomBack', targetOf(ctx, source), `put back what was left where the target of ${source} was`)];
    });
    return { summary: removed.flat().map(({ summary }) => summary).join('; ') };
  },
});
