import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import type { HealthResult } from '../../workflows/contract.ts';
import type { SwitchContext } from './switch.ts';

const askEveryMs = 500;
const answerWithinMs = 3_000;

export interface Answer {
  status: number;
  /** which side's application answered, in its own words (`x-holdfast-side`) */
  side: string | null;
  /** which state of the switch let it through or turned it away (`x-holdfast-admission`) */
  admission: string | null;
  body: string;
  /** for people */
  seen: string;
}

/** Asks once, on a connection of its own, so that the answer is of the servers that run now. Never throws but on abort. */
export async function ask(url: string, signal: AbortSignal): Promise<Answer> {
  try {
    const response = await fetch(url, {
      headers: { connection: 'close' },
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]),
    });
    const side = response.headers.get('x-holdfast-side');
    const body = await response.text();
    const seen = `${response.status} from ${side ?? 'the switch'}`;
    return { status: response.status, side, admission: response.headers.get('x-holdfast-admission'), body, seen };
  } catch (error) {
    signal.throwIfAborted();
    const { cause } = error as { cause?: { code?: string } };
    return { status: 0, side: null, admission: null, body: '', seen: cause?.code ?? (error as Error).message };
  }
}

/**
 * Asks the health address of one side itself, until it was healthy for `watchMs` on end.
 * Healthy: status 200, from the application of that side.
 */
export async function watchHealth(
  context: SwitchContext,
  { environment, watchMs, withinMs }: { environment: string; watchMs: number; withinMs: number },
): Promise<HealthResult> {
  const { sides, health } = context.system.traffic;
  const side = sides[environment];
  if (side === undefined) {
    throw new HoldfastError('BadInput', `traffic has no side "${environment}"; known: ${Object.keys(sides).join(', ')}`);
  }
  const url = new URL(health.path, `http://${context.address(side)}`).href;
  const endsAt = performance.now() + withinMs;
  let healthySince: number | undefined;
  let checks = 0;
  while (true) {
    const answer = await ask(url, context.signal);
    checks += 1;
    const isHealthy = answer.status === 200 && answer.side === environment;
    healthySince = isHealthy ? (healthySince ?? performance.now()) : undefined;
    const healthyForMs = healthySince === undefined ? 0 : Math.floor(performance.now() - healthySince);
    context.progress({ phase: `watch ${environment}`, done: healthyForMs, of: watchMs, unit: 'ms', last: answer.seen });
    if (isHealthy && healthyForMs >= watchMs) {
      return { healthyForMs, checks, firstAcceptedWriteAt: firstAcceptedWriteOf(answer.body) };
    }
    if (performance.now() >= endsAt) {
      throw new HoldfastError('ValidationFailed', `${environment} was not healthy for ${formatDuration(watchMs)} on end within ${formatDuration(withinMs)}; last seen: ${answer.seen}`);
    }
    await sleep(askEveryMs, undefined, { signal: context.signal });
  }
}

/** What the application says of itself, where it says it. */
function firstAcceptedWriteOf(body: string): string | null {
  try {
    const { firstAcceptedWriteAt } = JSON.parse(body) as { firstAcceptedWriteAt?: unknown };
    return typeof firstAcceptedWriteAt === 'string' ? firstAcceptedWriteAt : null;
  } catch {
    return null;
  }
}
