import { HoldfastError } from '../domain/errors.ts';
import type { SystemView } from '../domain/system-view.ts';
import { minutes, seconds } from '../domain/units.ts';
import { leaveProduction } from './leave-production.ts';
import { defineStep, type StepContext } from './step.ts';

const defaultTraffic: NonNullable<SystemView['traffic']> = { admission: [100], healthWatchMs: seconds(10) };

export async function admit(ctx: StepContext, environment: string, percent: number): Promise<string> {
  const summary = percent === 0 ? 'answer maintenance to all' : `let ${percent} % in to ${environment}`;
  return (await ctx.call('admitTraffic', { system: ctx.view.system, environment, percent, epoch: ctx.results.epoch ?? 0 }, summary)).changedAt;
}

/**
 * Lets traffic in to the new side, step by step, with its health watched between. The data is there already; until the
 * first percent is let in, everybody gets a maintenance answer, so that no write is split between two sides.
 * A second try goes on from the percent that was reached: service that is back is not taken away again.
 */
async function switchTraffic(ctx: StepContext): Promise<string> {
  const environment = ctx.view.standbyEnvironment;
  const { admission, healthWatchMs, healthWithinMs = healthWatchMs * 3 + minutes(1) } = ctx.view.traffic ?? defaultTraffic;
  const { results } = ctx;
  if (results.admittedPercent === 0) await admit(ctx, environment, 0);
  for (const percent of admission.filter((candidate) => candidate >= results.admittedPercent)) {
    // Before the act: from here on a write may have been taken, even when the answer is lost.
    results.admittedPercent = percent;
    const admittedAt = await admit(ctx, environment, percent);
    const health = await ctx.call(
      'watchHealth',
      { system: ctx.view.system, environment, watchMs: healthWatchMs, withinMs: healthWithinMs },
      `watch the health of ${environment} at ${percent} %`,
    );
    results.firstAcceptedWriteAt ??= health.firstAcceptedWriteAt;
    const written = results.firstAcceptedWriteAt;
    // Healthy for the whole watch, so since it was let in. A healthy side that people reach must be taken to have been written to.
    ctx.served(written ?? admittedAt, written ? `the new side accepted a write at ${written}` : `${percent} % was let in to a healthy new side, and nothing proves that none of it wrote`);
  }
  return results.firstAcceptedWriteAt ? `first write accepted at ${results.firstAcceptedWriteAt}` : 'healthy; the application does not say when it first accepted a write';
}

/** Back to the old side, only if nothing was written on the new one: two sides that both took writes cannot be merged. */
async function turnBack(ctx: StepContext): Promise<string> {
  const { results, view } = ctx;
  if (results.admittedPercent > 0) {
    // First nobody gets in any more, so that the answer below stays true.
    await admit(ctx, view.standbyEnvironment, 0);
    throw new HoldfastError(
      'NotPermitted',
      results.firstAcceptedWriteAt
        ? `traffic is not turned back: the new side accepted a write at ${results.firstAcceptedWriteAt}`
        : `traffic is not turned back: up to ${results.admittedPercent} % was let in, and nothing proves that none of it wrote`,
      { hint: 'everybody gets a maintenance answer now; fail back by a recovery of the new side, or skip this undo with a reason to leave the new side as it is' },
    );
  }
  // What the undo of the fence starts again is not there yet.
  if (view.inPlace) return 'nobody was let in; the undo of the fence lets people in again';
  const old = [...new Set(Object.values(view.sources).map(({ environment }) => environment))];
  if (old.length !== 1) throw new HoldfastError('Unsupported', `the sources live in different environments (${old.join(', ')}): turn traffic back by hand`);
  await admit(ctx, old[0]!, 100);
  return `traffic goes to ${old[0]!} again; no write was accepted on the new side`;
}

export const switchStep = defineStep('switch', {
  about: 'lets traffic in to the new side, step by step, its health watched between',
  production: true,
  async run(ctx) {
    const left = leaveProduction(ctx);
    if (left) return left;
    return { summary: await switchTraffic(ctx) };
  },
  async undo(ctx) {
    return { summary: await turnBack(ctx) };
  },
});
