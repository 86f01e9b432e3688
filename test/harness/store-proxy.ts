import { Agent, createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Owner } from './cleanup.ts';
import { freePort } from './free-port.ts';

/** One request to the store, as it arrived. `key` is below bucket and prefix; empty for requests of the bucket itself. */
export interface StoreRequest {
  method: string;
  key: string;
  query: URLSearchParams;
  at: number;
  /** the store's answer went back whole */
  answered: boolean;
  /** what it answered with; undefined while it has not */
  status?: number;
}

export type Matches = (of: StoreRequest) => boolean;

/**
 * What a store in trouble does with a request. `answer`: it is refused with this status, and the store behind never sees it.
 * `cut`: half of the body is sent on and the connection then closed, on the way up for a put, on the way down for a get.
 * `slow`: the answer comes in pieces, over `overMs` in all.
 */
export type Trouble = { kind: 'answer'; status: number } | { kind: 'cut' } | { kind: 'slow'; overMs: number };

export interface Held {
  /** a matching request has arrived and waits */
  reached: Promise<StoreRequest>;
  /** lets everything through again; a request whose sender is gone is not sent on */
  release(): void;
}

/**
 * Stands between the workers and the object store: the address is all that a worker sees change. It remembers every
 * request, can make chosen ones wait (so that a moment can be met and not guessed), and can change the bytes of an answer.
 */
export class StoreProxy {
  readonly requests: StoreRequest[] = [];
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #port: number;
  readonly #to: URL;
  readonly #prefix: string;
  #holds: { matches: Matches; reach: (of: StoreRequest) => void; released: Promise<void> }[] = [];
  #alter: { matches: Matches; how: (bytes: Buffer) => Buffer } | undefined;
  #hidden: Matches | undefined;
  #trouble: ((of: StoreRequest) => Trouble | undefined) | undefined;

  private constructor(port: number, to: URL, prefix: string) {
    this.#port = port;
    this.#to = to;
    this.#prefix = prefix;
    this.#server = createServer((incoming, response) => {
      this.#pass(incoming, response).catch(() => response.destroy());
    });
    this.#server.keepAliveTimeout = 30_000;
  }

  /** @param prefix - `<bucket>/<prefix>/`: what stands before a key in a path. */
  static async start(owner: Owner, to: string, prefix: string): Promise<StoreProxy> {
    const proxy = new StoreProxy(await freePort(), new URL(to), `/${prefix}`);
    await new Promise<void>((resolve) => proxy.#server.listen(proxy.#port, '127.0.0.1', resolve));
    owner.after(() => {
      proxy.#server.closeAllConnections();
      proxy.#server.close();
      proxy.#agent.destroy();
    });
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Every request that matches waits from now on. */
  hold(matches: Matches): Held {
    let release = (): void => undefined;
    let reach = (_: StoreRequest): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const reached = new Promise<StoreRequest>((resolve) => (reach = resolve));
    const hold = { matches, reach, released };
    this.#holds.push(hold);
    return {
      reached,
      release: () => {
        this.#holds = this.#holds.filter((other) => other !== hold);
        release();
      },
    };
  }

  /** One bit in the middle of every answer that matches is the wrong way round; undefined: no more. */
  flip(matches: Matches | undefined): void {
    this.alter(matches, (bytes) => {
      bytes[bytes.length >> 1]! ^= 1;
      return bytes;
    });
  }

  /** Every answer that matches has other bytes; undefined: no more. */
  alter(matches: Matches | undefined, how: (bytes: Buffer) => Buffer): void {
    this.#alter = matches && { matches, how };
  }

  /** What matches is as if it had never been: not listed, not there. undefined: no more. */
  hide(matches: Matches | undefined): void {
    this.#hidden = matches;
  }

  /** What happens to each request from now on; undefined, as a whole or for a request: nothing. */
  trouble(of: ((of: StoreRequest) => Trouble | undefined) | undefined): void {
    this.#trouble = of;
  }

  seen(matches: Matches, sinceMs = 0): StoreRequest[] {
    return this.requests.filter((of) => of.at >= sinceMs && matches(of));
  }

  async #pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', this.endpoint);
    const path = decodeURIComponent(url.pathname);
    const key = path.startsWith(this.#prefix) ? path.slice(this.#prefix.length) : '';
    const of: StoreRequest = { method: incoming.method ?? '', key, query: url.searchParams, at: Date.now(), answered: false };
    this.requests.push(of);
    const body = await readAll(incoming);
    for (const hold of this.#holds.filter(({ matches }) => matches(of))) {
      hold.reach(of);
      await hold.released;
    }
    if (response.destroyed || response.socket === null || response.socket.destroyed) return;
    const trouble = this.#trouble?.(of);
    if (trouble?.kind === 'answer') return this.#refuse(response, of, trouble.status);
    if (trouble?.kind === 'cut' && of.method === 'PUT') {
      await this.#sendHalf(incoming, body);
      response.destroy();
      return;
    }
    const answer = await this.#ask(incoming, body);
    of.status = answer.statusCode ?? 502;
    let bytes = await readAll(answer);
    if (this.#hidden && key !== '' && this.#hidden(of)) {
      response.writeHead(404, { 'content-type': 'application/xml' });
      response.end('<?xml version="1.0"?><Error><Code>NoSuchVersion</Code><Message>no such version</Message></Error>');
      return;
    }
    if (this.#hidden && url.searchParams.has('versions')) bytes = this.#withoutHidden(bytes, of);
    if (this.#alter?.matches(of) && bytes.length > 0) bytes = this.#alter.how(bytes);
    const headers = { ...answer.headers, 'content-length': String(of.method === 'HEAD' ? answer.headers['content-length'] ?? 0 : bytes.length) };
    delete headers['transfer-encoding'];
    response.writeHead(of.status, headers);
    if (trouble?.kind === 'cut') {
      response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
      return;
    }
    if (trouble?.kind === 'slow') await trickle(response, bytes, trouble.overMs);
    response.end(trouble?.kind === 'slow' ? undefined : bytes, () => (of.answered = true));
  }

  #refuse(response: ServerResponse, of: StoreRequest, status: number): void {
    const code = status === 503 ? 'SlowDown' : 'InternalError';
    of.status = status;
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>the store is in trouble</Message></Error>`, () => (of.answered = true));
  }

  /** The store behind gets half of what was announced, and then a closed connection. */
  #sendHalf(incoming: IncomingMessage, body: Buffer): Promise<void> {
    return new Promise((resolve) => {
      const { hostname, port } = this.#to;
      const sent = request({ hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers, agent: false }, () => resolve());
      sent.on('error', () => resolve()).on('close', () => resolve());
      sent.write(body.subarray(0, body.length >> 1), () => sent.destroy());
    });
  }

  #ask(incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#to;
      // The host header stays the one that was signed.
      const sent = request({ hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers, agent: this.#agent }, resolve);
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** A listing of versions without those of hidden keys. */
  #withoutHidden(listing: Buffer, of: StoreRequest): Buffer {
    const prefix = this.#prefix.slice(1).split('/').slice(1).join('/');
    const text = listing.toString('utf8').replace(/<(Version|DeleteMarker)>.*?<\/\1>/gs, (entry) => {
      const listed = /<Key>(.*?)<\/Key>/s.exec(entry)?.[1] ?? '';
      return this.#hidden!({ ...of, key: listed.slice(prefix.length) }) ? '' : entry;
    });
    return Buffer.from(text);
  }
}

const piecesOfSlow = 8;

async function trickle(response: ServerResponse, bytes: Buffer, overMs: number): Promise<void> {
  for (let piece = 0; piece < piecesOfSlow && !response.destroyed; piece += 1) {
    response.write(bytes.subarray(Math.floor((bytes.length * piece) / piecesOfSlow), Math.floor((bytes.length * (piece + 1)) / piecesOfSlow)));
    await sleep(overMs / piecesOfSlow);
  }
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}
