import { isCancellation } from '@temporalio/workflow';
import type { SwapInput, SwapResult } from '../contract.ts';
import type { SwapPair } from '../domain/beside.ts';
import type { DiscardedWrites } from '../domain/discarded-writes.ts';
import { HoldfastError } from '../domain/errors.ts';
import { formatDuration, minutes, seconds } from '../domain/units.ts';
import { describeFailure } from '../failure.ts';
import { sourceCan } from '../sources.ts';
import { epochOf, pointOf } from './point-of.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf, type StepContext } from './step.ts';

const grouped = (count: number): string => count.toLocaleString('en-US');
const shownAtMost = 20;
/** Writers wait no more when this is waited for: the log of what was written until the swap comes by itself. */
const archivedWithinMs = minutes(1);

/** Counts what was written into the collections that are replaced since the recovery point. @param before - exclusive; left out: all that is archived. */
async function countWrites(ctx: StepContext, source: string, pairs: readonly SwapPair[], before?: SwapResult['before']): Promise<DiscardedWrites> {
  const { timeline, limit } = pointOf(ctx, source);
  return await ctx.call(
    'countDiscarded',
    { system: ctx.view.system, source, point: { timeline, limit }, forMs: seconds(60), of: { namespaces: pairs.map(({ ns }) => ns), ...(before ? { before } : {}) } },
    `count the writes of ${source} that a swap leaves behind`,
  );
}

const writesIn = ({ namespaces }: Pick<DiscardedWrites, 'namespaces'>, ns: string): number => namespaces.find((one) => one.ns === ns)?.writes ?? 0;

/** @param counted - left out: the source has no log to count in */
function describePairs(source: string, pairs: readonly SwapPair[], counted?: Pick<DiscardedWrites, 'namespaces' | 'countedTo' | 'atLeast'>): string {
  const { atLeast = [], countedTo } = counted ?? {};
  const lines = pairs.slice(0, shownAtMost).map(({ ns, kept, livingDocuments, estimated, restoredDocuments }) => {
    const now = livingDocuments === null ? 'not there now' : `${estimated ? 'about ' : ''}${grouped(livingDocuments)} documents now`;
    const writes = `${counted ? `${atLeast.length > 0 ? 'at least ' : ''}${grouped(writesIn(counted, ns))} writes` : 'all that was written'} since the recovery point will be DISCARDED`;
    return `${ns}: ${now}, ${grouped(restoredDocuments)} restored; ${livingDocuments === null ? writes : `${writes}, and kept in ${kept}`}`;
  });
  const more = pairs.length > shownAtMost ? `; and ${pairs.length - shownAtMost} more collections` : '';
  const how = !counted ? 'it has no log in which writes could be counted' : atLeast.length > 0 ? `not all were counted: ${atLeast.join('; ')}` : countedTo ? 'counted in the archive; what is written until the swap is counted again' : 'the archive holds no write behind it';
  return `${source}: ${lines.join('; ')}${more} (${how}).`;
}

/** What people must know before they approve a swap; what they saw is what changes places. @throws as planSwap. */
export async function describeSwap(ctx: StepContext): Promise<string[]> {
  return await forEachSource(ctx, async (source) => {
    const copies = ctx.results.copies?.[source];
    if (!copies) throw new HoldfastError('BadInput', `Step "${ctx.stepId}" has no copies of ${source} to show.`, { hint: 'let it need a step that uses copy-beside, and do not skip that' });
    const { pairs } = await ctx.call('planSwap', { target: targetOf(ctx, source), copies }, `look what would change places in ${source}`);
    ctx.results.swaps = { ...ctx.results.swaps, [source]: pairs };
    if (!sourceCan(ctx.view, source, 'log')) return describePairs(source, pairs);
    try {
      return describePairs(source, pairs, await countWrites(ctx, source, pairs));
    } catch (error) {
      if (isCancellation(error)) throw error;
      return describePairs(source, pairs, { namespaces: [], countedTo: null, atLeast: [describeFailure(error).message] });
    }
  });
}

function inputOf(ctx: StepContext, source: string): SwapInput | undefined {
  const pairs = ctx.results.swaps?.[source];
  return pairs && { target: targetOf(ctx, source), pairs, epoch: epochOf(ctx) };
}

/** Says what a swap left behind, exactly, once the archive holds it; writers go on meanwhile. */
async function countAgain(ctx: StepContext, source: string, pairs: readonly SwapPair[], { before }: SwapResult): Promise<string> {
  if (!sourceCan(ctx.view, source, 'log')) return 'what was written since the recovery point, which is not counted: it has no log';
  try {
    const of = { system: ctx.view.system, source };
    const reaches = async (): Promise<boolean> => ((await ctx.call('readArchiveStatus', of, `how far ${source} is archived`)).archivedTo ?? '') >= before;
    let isThere = await reaches();
    for (let waitedMs = 0; !isThere && waitedMs < archivedWithinMs; waitedMs += seconds(2)) {
      await ctx.sleep(seconds(2), 'the archive takes what was written until the swap');
      isThere = await reaches();
    }
    const counted = await countWrites(ctx, source, pairs, before);
    const how = isThere && counted.atLeast.length === 0 ? '' : 'at least ';
    return pairs.map(({ ns }) => `${ns} ${how}${grouped(writesIn(counted, ns))} writes`).join(', ');
  } catch (error) {
    if (isCancellation(error)) throw error;
    return `not counted (${describeFailure(error).message})`;
  }
}

/**
 * Gives each copy the name of what is there, which is kept. People have seen both; writers wait for a moment, by the server itself. What was written
 * between the two is counted once more, and all of it is in what is kept.
 * Killed anywhere: the next try goes on where the names say that this one was.
 */
export const swap = defineStep('swap', {
  about: 'puts the copies in the place of what is there, which is kept',
  renews: true,
  async run(ctx) {
    const swapped = await forEachSource(ctx, async (source) => {
      const input = inputOf(ctx, source);
      if (!input) throw new HoldfastError('BadInput', `Step "${ctx.stepId}" has nothing that people were shown of ${source}.`, { hint: 'let it need a step that uses approval, behind copy-beside' });
      const result = await ctx.call('swapCollections', input, `swap what was restored with what lives in ${source}`);
      const { strays, writersWaited, heldMs } = result;
      if (!writersWaited) ctx.warn(`${source} asks nobody’s name, so its writers could not be kept waiting during the swap`);
      if (strays.length > 0) ctx.warn(`written by others between two renames, and kept: ${strays.join(', ')}`);
      const left = await countAgain(ctx, source, input.pairs, result);
      const kept = input.pairs.filter(({ living }) => living !== null).map(({ kept: as }) => as);
      ctx.warn(`discarded since the recovery point: ${left}${kept.length > 0 ? `; all of it is kept in ${kept.join(', ')} until somebody drops that` : ''}`);
      return `${source}: ${input.pairs.map(({ ns }) => ns).join(', ')} ${input.pairs.length === 1 ? 'is' : 'are'} what was restored; writers waited ${formatDuration(heldMs)}; discarded: ${left}${kept.length > 0 ? `; what was there is kept as ${kept.join(', ')}` : ''}`;
    });
    return { summary: swapped.join('; ') };
  },
  async undo(ctx) {
    const back = await forEachSource(ctx, async (source) => {
      const input = inputOf(ctx, source);
      if (!input) return `${source}: nothing had changed places`;
      await ctx.call('swapBack', input, `swap back in ${source}`);
      return `${source}: ${input.pairs.map(({ ns }) => ns).join(', ')} as before`;
    });
    return { summary: back.join('; ') };
  },
});
