import { createServer } from 'node:net';

const handedOut = new Set<number>();

/**
 * A port that is free on loopback now, never the same one twice from one process.
 *
 * Chosen at random below the range that the kernel gives to outgoing connections: one that is asked from the kernel
 * (port 0) may be taken by somebody's outgoing connection before the server has bound it.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error('no free port between 12000 and 32000 in 200 tries');
}

/** Whether a server could listen on this port of 127.0.0.1 now. */
export async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
