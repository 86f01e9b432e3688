import { patched } from '@temporalio/workflow';
import { directionOf } from '../domain/homeward.ts';
import { HoldfastError } from '../domain/errors.ts';
import { archiveSignals } from '../domain/messages.ts';
import { lockIds } from '../domain/names.ts';
import { leaveProduction } from './leave-production.ts';
import { epochOf, limitOf, pointOf } from './point-of.ts';
import { formatDuration, hours, minutes, seconds } from '../domain/units.ts';
import { watchSignals, type WatchInput } from '../domain/watch.ts';
import { sourceCan } from '../sources.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, type StepContext } from './step.ts';

/** How often a lock that the old primary's workflows hold is asked for again: they end once they see their source gone. */
const lockTries = 30;

/** The new side gets a timeline of its own, so that its log is never taken for the old side's. */
async function startLog(ctx: StepContext, source: string): Promise<string> {
  const { system } = ctx.view;
  const { timeline } = await ctx.call(
    'startTimeline',
    {
      system,
      source,
      epoch: epochOf(ctx),
      run: ctx.run,
      parent: { timeline: pointOf(ctx, source).timeline, limit: limitOf(ctx, source) },
      environment: ctx.view.copies ? ctx.view.sources[source]!.environment : ctx.view.standbyEnvironment,
    },
    `begin the new timeline of ${source}`,
  );
  if (sourceCan(ctx.view, source, 'log')) await startArchive(ctx, source);
  return timeline;
}

/** One archive a source: the old one told to let go of the old side and begin on the new, or a new one. */
async function startArchive(ctx: StepContext, source: string): Promise<void> {
  const { system } = ctx.view;
  const id = lockIds.archive(system, source);
  // Mostly it runs, and a start that is refused would stand in the timeline as a failure. One that begins or ends between the two makes
  // for another try. Whatever comes of it, the canary tells.
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    if (await ctx.signalOther(id, archiveSignals.moved.name)) return;
    if ((await ctx.startChild('runArchive', id, { system, source }, `archive of ${system}/${source}`)).started) return;
  }
}

async function proveArchive(ctx: StepContext, source: string): Promise<string> {
  const { system } = ctx.view;
  if (!sourceCan(ctx.view, source, 'log')) return `${source}: no log to archive, only its bases can be restored`;
  const proof = await ctx.call('proveArchive', { system, source, run: ctx.run, withinMs: minutes(2) }, `prove the archive of ${source} by a canary`);
  if (!proof.proved) {
    throw new HoldfastError('ValidationFailed', `the archive of ${source} is not proved: its canary was not read back from the store within 2m`, {
      hint: `look at workflow ${lockIds.archive(system, source)}, then retry`,
    });
  }
  return `${source}: canary read back after ${Math.round(proof.tookMs / 1000)}s`;
}

/** A new base of the new side. A backup of the old side that still holds the lock can only fail: it is cancelled. */
async function takeBase(ctx: StepContext): Promise<string> {
  const { system } = ctx.view;
  const input = { system, why: `new timeline after ${ctx.purpose} ${ctx.run}`, requestedBy: ctx.requestedBy };
  for (let attempt = 1; attempt <= lockTries; attempt += 1) {
    const child = await ctx.startChild('runBackup', lockIds.backup(system), input, `first base of ${system} on the new side`);
    if (child.started) {
      await child.result();
      return 'new base taken';
    }
    if (attempt === 1) await ctx.cancelOther(lockIds.backup(system));
    await ctx.sleep(seconds(5), 'a backup of the old side still ends');
  }
  throw new HoldfastError('AlreadyRunning', `${lockIds.backup(system)} is a backup of the old side that does not end`, { hint: 'terminate it, then retry' });
}

/** What the old primary holds stays on disk; it only cannot be started as it was. The new side serves whatever comes of this. */
async function retire(ctx: StepContext, source: string): Promise<void> {
  if (!ctx.results.fences[source]) return;
  try {
    await ctx.call('retirePrimary', { system: ctx.view.system, source, ...directionOf(ctx.view), run: ctx.run, epoch: epochOf(ctx) }, `retire the old primary of ${source}`);
  } catch {
    ctx.warn(`the old primary of ${source} could not be retired: see that nobody starts it again`);
  }
}

/** Looks after the old side for days, outside of this run: a primary that was only cut off comes back when nobody looks. */
async function startWatch(ctx: StepContext, source: string): Promise<string> {
  const { view, run } = ctx;
  if (!sourceCan(view, source, 'log')) return `${source}: nobody watches the old side, whose log could not be read`;
  const forMs = view.watchOldSideMs ?? hours(24 * 7);
  const startedAt = ctx.now();
  const input: WatchInput = {
    system: view.system,
    source,
    run,
    epoch: epochOf(ctx),
    environment: view.sources[source]!.environment,
    ...directionOf(view),
    timeline: pointOf(ctx, source).timeline,
    limit: limitOf(ctx, source),
    startedAt,
    endsAt: new Date(Date.parse(startedAt) + forMs).toISOString(),
    fence: ctx.results.fences[source]?.outcome ?? null,
    ...(view.notify ? { notify: view.notify } : {}),
  };
  const id = lockIds.watch(view.system, source);
  for (let attempt = 1; attempt <= 8; attempt += 1) {
    const { started } = await ctx.startChild('runWatch', id, input, `watch on the old primary of ${source}`);
    if (started) {
      ctx.results.watches[source] = { workflowId: id, endsAt: input.endsAt };
      return `${id} looks after the old side for ${formatDuration(forMs)}`;
    }
    // One of an earlier recovery: what it watches is not where this one left. It ends once the audit has who stopped it, or after two minutes.
    await ctx.signalOther(id, watchSignals.stop.name);
    await ctx.sleep(seconds(2 ** (attempt - 1)), 'an earlier watch ends');
  }
  ctx.warn(`nobody watches the old primary of ${source}: ${id} is an earlier watch that does not end`);
  return `${id} could not be started`;
}

export const protect = defineStep('protect', {
  about: 'new timeline, archive proved by a canary, new base: the new side can be recovered too',
  production: true,
  async run(ctx, { base }) {
    const left = leaveProduction(ctx);
    if (left) return left;
    // In place, and behind a swap, there is no old side: what lives there now is what was restored.
    const stays = ctx.view.inPlace || ctx.view.copies;
    // What people write from now on is of the new timeline: who swapped back would leave it to nobody.
    if (ctx.view.copies) ctx.served(ctx.now(), 'what took its place begins a timeline of its own');
    if (!stays) await forEachSource(ctx, (source) => retire(ctx, source));
    const watches = !stays && patched('watch-old-side') ? await forEachSource(ctx, (source) => startWatch(ctx, source)) : [];
    await forEachSource(ctx, (source) => startLog(ctx, source));
    const [proofs, based] = await Promise.allSettled([forEachSource(ctx, (source) => proveArchive(ctx, source)), base ? takeBase(ctx) : 'no new base']);
    if (proofs.status === 'rejected') throw proofs.reason;
    if (based.status === 'rejected') throw based.reason;
    return { summary: [...proofs.value, based.value, ...watches].join('; ') };
  },
});
