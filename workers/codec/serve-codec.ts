import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { isSame } from '../same-text.ts';
import type { AesPayloadCodec } from './payload-codec.ts';

/**
 * What the Temporal UI asks to show payloads that are encrypted: `POST /encode` and `POST /decode`, `{"payloads": […]}` as JSON of the protobuf messages.
 * Whoever may ask it reads everything, so it answers nobody without the token:
 *
 * - a program sends it as `Authorization: Bearer`;
 * - a browser signs in once, on the page `/`, and gets a cookie of the session that no script can read and no other site's page can send. The UI sends it
 *   when its codec setting "include cross-origin credentials" is on, and only pages of `uiOrigin` may read an answer.
 *
 * It keeps no state: killed, it is started again, and cookies stay good as long as the token does.
 */
export interface CodecServerOptions {
  codec: AesPayloadCodec;
  token: string;
  /** scheme, host and port of the UI, as the browser shows them */
  uiOrigin: string;
  host: string;
  /** 0: any free one */
  port: number;
}

const { Payload: PayloadMessage } = proto.temporal.api.common.v1;
const cookieName = 'holdfast-codec';
/** A page of history is at most some MiB; more than this is not from a UI. */
const largestRequestBytes = 32 * 1024 * 1024;

export async function serveCodec(options: CodecServerOptions): Promise<Server> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(error instanceof Refused ? error.status : 400);
      response.end((error as Error).message);
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options.port, options.host, resolve));
  return server;
}

class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function answer(options: CodecServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Vary', 'Origin');
  if (request.headers.origin === options.uiOrigin) allow(options.uiOrigin, response);
  if (request.method === 'OPTIONS') return void response.writeHead(204).end();
  if (path === '/' && request.method === 'GET') return signInPage(response);
  if (path === '/' && request.method === 'POST') return await signIn(options, request, response);
  if (request.method !== 'POST' || (path !== '/encode' && path !== '/decode')) throw new Refused(404, 'POST /encode or /decode, or GET / to sign in');
  if (!maySee(options, request)) throw new Refused(401, 'sign in at / in this browser, or send the token as Authorization: Bearer');
  const { payloads } = JSON.parse((await body(request)).toString()) as { payloads?: unknown };
  if (!Array.isArray(payloads)) throw new Refused(400, 'expected {"payloads": […]}');
  const given: Payload[] = payloads.map((payload) => PayloadMessage.fromObject(payload as object));
  const done = path === '/encode' ? await options.codec.encode(given) : await options.codec.decode(given);
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ payloads: done.map((payload) => PayloadMessage.fromObject(payload).toJSON()) }));
}

function allow(origin: string, response: ServerResponse): void {
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Allow-Credentials', 'true');
  response.setHeader('Access-Control-Allow-Methods', 'POST, OPTIONS');
  response.setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type, X-Namespace');
}

async function body(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestRequestBytes) throw new Refused(413, `at most ${largestRequestBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What the cookie holds instead of the token itself. */
const cookieValue = (token: string): string => createHash('sha256').update(`holdfast codec cookie ${token}`).digest('hex');

function maySee({ token, uiOrigin }: CodecServerOptions, { headers }: IncomingMessage): boolean {
  const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined && isSame(bearer, token)) return true;
  const cookie = (headers.cookie ?? '').split('; ').find((pair) => pair.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1);
  // A cookie comes along whatever page asks; only the UI's may.
  return cookie !== undefined && headers.origin === uiOrigin && isSame(cookie, cookieValue(token));
}

const page = (said: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>Holdfast codec server</title><body style="font: 16px system-ui; margin: 4em auto; max-width: 30em">
<h1>Holdfast codec server</h1><p>${said}</p><form method="post"><label>Token <input name="token" type="password" autocomplete="off" autofocus></label> <button>Sign in</button></form></body></html>`;

function signInPage(response: ServerResponse, said = 'Sign in, and the Temporal UI in this browser shows what is encrypted.', status = 200): void {
  // Not inside another page: nobody is to be made to type the token there.
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'X-Frame-Options': 'DENY' }).end(page(said));
}

async function signIn({ token, uiOrigin }: CodecServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const given = new URLSearchParams((await body(request)).toString()).get('token') ?? '';
  if (!isSame(given, token)) return signInPage(response, 'That is not the token.', 401);
  const secure = uiOrigin.startsWith('https:') ? '; Secure' : '';
  response.setHeader('Set-Cookie', `${cookieName}=${cookieValue(token)}; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200${secure}`);
  signInPage(response, 'Signed in, for twelve hours. This page can be closed.');
}
