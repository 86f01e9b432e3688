import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a server that does not answer is asked before it is taken for hung. */
export const answerWithinMs = 5_000;
/** A killed process with many threads is gone before the last of them has let go of its port. */
export const closesWithinMs = 10_000;

/** What a port does when it is knocked at. A connection that a stopped process never takes still counts as open. */
export async function knock(host: string, port: number): Promise<'open' | 'refused' | 'silent'> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: answerWithinMs });
    const answer = (of: 'open' | 'refused' | 'silent') => () => {
      socket.destroy();
      resolve(of);
    };
    socket.once('connect', answer('open')).once('timeout', answer('silent'));
    socket.once('error', (error: NodeJS.ErrnoException) => answer(error.code === 'ECONNREFUSED' ? 'refused' : 'silent')());
  });
}

/** Knocks until the port refuses, for at most `ms`: while it is being closed, whoever is on the way in is reset, which refuses nothing. */
export async function knockUntilClosed(host: string, port: number, ms: number): Promise<'open' | 'refused' | 'silent'> {
  const endsAt = performance.now() + ms;
  let heard = await knock(host, port);
  while (heard !== 'refused' && performance.now() < endsAt) {
    await sleep(50);
    heard = await knock(host, port);
  }
  return heard;
}
