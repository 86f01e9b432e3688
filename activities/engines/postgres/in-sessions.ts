import type pg from 'pg';
import type { SourceContext } from '../../context.ts';
import { inParallel } from '../../store/in-parallel.ts';
import { connect, cutOff, namedError, type Place } from './connect.ts';

/** Of one job: more would only take turns on a small server, and fewer leave a processor idle while one waits for the disk. */
const sessionsAtOnce = 3;

/**
 * Runs `work` on every item, in sessions of its own, some side by side; taken in their order. The first failure stops the taking, what runs is waited for.
 * An abort cuts all of them off.
 */
export async function inSessions<T>(context: Pick<SourceContext, 'signal'>, place: Place, items: readonly T[], work: (client: pg.Client, item: T) => Promise<void>): Promise<void> {
  const idle: pg.Client[] = [];
  const all: pg.Client[] = [];
  const onAbort = (): void => all.forEach(cutOff);
  context.signal.addEventListener('abort', onAbort, { once: true });
  const open = async (): Promise<pg.Client> => {
    const client = await connect(context, place);
    all.push(client);
    // Who was connecting when the others were cut off.
    context.signal.throwIfAborted();
    return client;
  };
  try {
    await inParallel(items, sessionsAtOnce, async (item) => {
      const client = idle.pop() ?? (await open());
      await work(client, item);
      idle.push(client);
    }, context.signal);
  } catch (error) {
    context.signal.throwIfAborted();
    throw namedError(error, place);
  } finally {
    context.signal.removeEventListener('abort', onAbort);
    all.forEach(cutOff);
  }
}
