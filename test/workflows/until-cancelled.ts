import { Context } from '@temporalio/activity';

/** For a stub: works until it is cancelled, heartbeating as real work does. */
export async function untilCancelled(): Promise<never> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 50);
  try {
    return await context.cancelled;
  } finally {
    clearInterval(beat);
  }
}
