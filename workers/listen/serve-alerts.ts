import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Logger } from 'pino';
import { resolveSecret, scrub } from '../../activities/secrets.ts';
import { loadSystemFile, type LoadedSystem } from '../../activities/system-files.ts';
import { ruleFor, type Alert } from '../../workflows/domain/alert.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { ListenConfig } from '../../workflows/domain/incident-schema.ts';
import { isSame } from '../same-text.ts';
import { digestOf, Malformed, type DeliveredAlert } from './delivered-alert.ts';
import { readAlertmanager } from './read-alertmanager.ts';
import { isSignedByPagerDuty, readPagerDuty } from './read-pagerduty.ts';

/**
 * Webhooks of monitoring: `POST /alertmanager/<system>` and `POST /pagerduty/<system>`. What fits no rule of the system file is passed over; the rest becomes the
 * start of the workflow openIncident, under an id made of the delivery, and is answered at once: everything further happens there.
 *
 * It keeps no state. Killed at any line, it has started the workflow or has not: the sender got no answer, tries again, and the same id is the same start.
 * Where Temporal does not answer it says 503, so that the sender tries again.
 */
export interface AlertServerOptions {
  /** @returns false: it was started before. @throws - Temporal does not answer. */
  start(start: AlertStart): Promise<boolean>;
  log: Pick<Logger, 'info' | 'warn'>;
  host: string;
  /** 0: any free one */
  port: number;
  /** PEM; left out: plain HTTP */
  tls?: { cert: string; key: string } | undefined;
}

export interface AlertStart {
  workflowId: string;
  input: { system: string; alert: Alert };
}

export interface Taken {
  workflowId: string;
  rule: string;
  alert: string;
  state: Alert['state'];
  /** told before, nothing was started */
  known: boolean;
}

/** Beyond what either sender sends of one system. */
export const largestBodyBytes = 1024 * 1024;
/** A storm is one incident all the same. */
const alertsPerDelivery = 100;
const retryAfterSeconds = 15;

class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export async function serveAlerts(options: AlertServerOptions): Promise<Server> {
  const limits = { requestTimeout: 10_000, headersTimeout: 5_000, connectionsCheckingInterval: 1_000, maxHeaderSize: 16_384 };
  const handle = (request: IncomingMessage, response: ServerResponse): void => void respond(options, request, response);
  const server = options.tls ? createTlsServer({ ...limits, ...options.tls }, handle) : createServer(limits, handle);
  server.maxConnections = 100;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options.port, options.host, resolve));
  return server;
}

/** Never throws: whatever goes wrong is an answer, and a line in the log. */
async function respond(options: AlertServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?')[0]!.slice(0, 200);
  try {
    if (path === '/health' && request.method === 'GET') return answer(response, 200, { ok: true });
    const { taken, passedOver, leftOut } = await take(options, path, request);
    options.log.info({ path, taken, passedOver, leftOut }, 'alerts taken');
    answer(response, taken.some(({ known }) => !known) ? 202 : 200, { taken, passedOver, leftOut });
  } catch (error) {
    const status = error instanceof Refused ? error.status : error instanceof Malformed ? 400 : 503;
    const said = scrub((error as Error).message);
    options.log.warn({ path, status, error: said }, 'alerts refused');
    if (response.headersSent || response.destroyed) return;
    if (status === 503) response.setHeader('Retry-After', String(retryAfterSeconds));
    // What is left of a body that nobody reads must not be taken for the next request.
    if (!request.complete) response.setHeader('Connection', 'close');
    answer(response, status, { error: status === 503 ? 'not now: try again' : said });
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end(`${JSON.stringify(body)}\n`);
}

async function take(options: AlertServerOptions, path: string, request: IncomingMessage): Promise<{ taken: Taken[]; passedOver: number; leftOut: number }> {
  const [, from, system] = /^\/(alertmanager|pagerduty)\/([a-z0-9][a-z0-9-]{0,62})$/.exec(path) ?? [];
  if (!from || !system) throw new Refused(404, 'POST /alertmanager/SYSTEM or /pagerduty/SYSTEM');
  if (request.method !== 'POST') throw new Refused(405, 'POST');
  const { listen, loaded } = await placeOf(system);
  const delivered = from === 'alertmanager' ? await fromAlertmanager(listen, loaded, request) : await fromPagerDuty(listen, loaded, request);
  const starts = delivered.flatMap((one) => startOf(system, listen, one));
  const chosen = starts.slice(0, alertsPerDelivery);
  const taken = await Promise.all(chosen.map(async (start): Promise<Taken> => {
    const { alert } = start.input;
    return { workflowId: start.workflowId, rule: alert.rule, alert: alert.name, state: alert.state, known: !(await options.start(start)) };
  }));
  return { taken, passedOver: delivered.length - starts.length, leftOut: starts.length - chosen.length };
}

/** Who has no token is not told which systems there are. */
async function placeOf(system: string): Promise<{ listen: ListenConfig | undefined; loaded: LoadedSystem | undefined }> {
  try {
    const loaded = await loadSystemFile(system);
    return { listen: loaded.system.listen, loaded };
  } catch (error) {
    if (error instanceof HoldfastError && error.type === 'UnknownSystem') return { listen: undefined, loaded: undefined };
    throw error;
  }
}

const unknown = (): Refused => new Refused(401, 'no such system, or not its token or signature');

async function fromAlertmanager(listen: ListenConfig | undefined, loaded: LoadedSystem | undefined, request: IncomingMessage): Promise<DeliveredAlert[]> {
  const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (!listen?.alertmanager || bearer === undefined || !isSame(bearer, await resolveSecret(listen.alertmanager.token, loaded!.directory))) throw unknown();
  return readAlertmanager(jsonOf(await bodyOf(request)));
}

async function fromPagerDuty(listen: ListenConfig | undefined, loaded: LoadedSystem | undefined, request: IncomingMessage): Promise<DeliveredAlert[]> {
  const header = request.headers['x-pagerduty-signature'];
  if (!listen?.pagerduty || typeof header !== 'string') throw unknown();
  const secrets = await Promise.all(listen.pagerduty.secrets.map(async (ref) => await resolveSecret(ref, loaded!.directory)));
  const body = await bodyOf(request);
  if (!isSignedByPagerDuty(header, body, secrets)) throw unknown();
  return readPagerDuty(jsonOf(body));
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = new Refused(413, `at most ${largestBodyBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > largestBodyBytes) throw tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestBodyBytes) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new Malformed('the body is not JSON');
  }
}

function startOf(system: string, listen: ListenConfig | undefined, { alert, labels, delivery }: DeliveredAlert): AlertStart[] {
  const rule = ruleFor(listen?.alerts ?? {}, labels);
  if (rule === undefined) return [];
  const name = alert.name.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 60);
  return [{ workflowId: `alert/${system}/${name}/${digestOf(delivery)}/${alert.state}`, input: { system, alert: { ...alert, rule } } }];
}
