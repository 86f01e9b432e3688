import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Owner } from './cleanup.ts';

const tls = join(import.meta.dirname, '..', 'fixtures', 'tls');
export const caFile = join(tls, 'ca.pem');

/** ok: it answers; later, refuse: by status; hang: never; lose: it has taken the request, and the connection ends before its answer. */
export type Behaviour = 'ok' | 'later' | 'refuse' | 'hang' | 'lose';

export interface Request {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface HttpReceiver {
  url: string;
  host: string;
  requests: Request[];
  behave(behaviour: Behaviour): void;
  stop(): Promise<void>;
}

/** A real HTTPS server of the test's own on loopback, which keeps what it was sent. */
export async function startHttpReceiver(owner: Owner, answer: { status: number; body: string; refusal?: number }): Promise<HttpReceiver> {
  const pem = readFileSync(join(tls, 'server.pem'));
  const requests: Request[] = [];
  const sockets = new Set<Duplex>();
  let behaviour: Behaviour = 'ok';
  const reply = (response: ServerResponse): void => {
    if (behaviour === 'hang') return;
    if (behaviour === 'lose') {
      response.destroy();
      return;
    }
    response.statusCode = behaviour === 'ok' ? answer.status : behaviour === 'later' ? 503 : (answer.refusal ?? 400);
    response.end(behaviour === 'ok' ? answer.body : behaviour);
  };
  const server = createServer({ key: pem, cert: pem }, (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      requests.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(pieces).toString('utf8') });
      reply(response);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = async (): Promise<void> => {
    sockets.forEach((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  owner.after(stop);
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `https://${host}`, host, requests, behave: (next) => (behaviour = next), stop };
}
