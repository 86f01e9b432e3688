import { createServer, type Server, type ServerResponse } from 'node:http';
import type { RoleState } from './role-readiness.ts';

/**
 * What looks after a worker process from outside: `GET /healthz` (it answers, so its event loop turns), `/readyz` (each of its roles can do its work, or why
 * not) and `/metrics`. It tells figures and names of systems, no secrets and no data, and takes no input; on loopback unless the setting says otherwise.
 *
 * It keeps no state. What asks it asks again.
 */
export interface WatchServerOptions {
  host: string;
  /** 0: any free one */
  port: number;
  roles(): Promise<RoleState[]>;
  /** as Prometheus reads it */
  metrics(): Promise<string>;
}

const limits = { requestTimeout: 10_000, headersTimeout: 5_000, connectionsCheckingInterval: 1_000, maxHeaderSize: 16_384 };

export async function serveWatch(options: WatchServerOptions): Promise<Server> {
  const startedMs = performance.now();
  const server = createServer(limits, (request, response) => {
    void answer(options, (request.url ?? '/').split('?')[0]!, request.method ?? 'GET', response, performance.now() - startedMs).catch((error: unknown) => say(response, 500, { ok: false, error: (error as Error).name }));
  });
  server.maxConnections = 50;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options.port, options.host, resolve));
  // A worker that has ended all its work is not kept alive by who asks how it is.
  server.unref();
  return server;
}

async function answer({ roles, metrics }: WatchServerOptions, path: string, method: string, response: ServerResponse, upMs: number): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') return say(response, 405, { error: 'GET' });
  if (path === '/healthz') return say(response, 200, { ok: true, upSeconds: Math.round(upMs / 1_000) });
  if (path === '/readyz') {
    const states = await roles();
    const ok = states.every((state) => state.ready);
    return say(response, ok ? 200 : 503, { ok, roles: states });
  }
  if (path === '/metrics') {
    const text = await metrics();
    return void response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8', 'Cache-Control': 'no-store' }).end(text);
  }
  say(response, 404, { error: '/healthz, /readyz or /metrics' });
}

function say(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end(`${JSON.stringify(body)}\n`);
}
