import { createServer } from 'node:net';

const handedOut = new Set<number>();

/**
 * A port that is free on loopback now, never the same one twice from one process.
 *
 * Chosen at random below the range that the kernel gives to outgoing connections: one that is asked from the kernel
 * (port 0) may be taken by somebody's outgoing connection before the server has bound it. Processes that run side by
 * side choose from ranges of their own, mostly: a server that is down for a while must find its port free again.
 */
export async function freePort(): Promise<number> {
  const from = 12_000 + (process.pid % 40) * 500;
  for (let tries = 0; tries < 200; tries += 1) {
    const port = from + Math.floor(Math.random() * 500);
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(`no free port between ${from} and ${from + 500} in 200 tries`);
}

/** Whether a server could listen on this port of 127.0.0.1 now. */
export async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
